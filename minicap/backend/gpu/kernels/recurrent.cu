// One step of a recurrent layer, all but its product h Wh: a thread for each number of the state.
//
// Arrays over time are (N, T, ...), so that the products before and after the loop need no copy; the state that
// goes from step to step is (N, H) of its own, because the product of a step wants it in one piece.

// In: gates = x Wx, product = h Wh.  Out: gates i, f, o, g at step t; h and c move on, and are kept in prev_h,
// prev_c (as they were) and out (the new h).
KERNEL lstm_step(
    const real* product,  // [N, 4 * H]
    const real* b,        // [4 * H]
    real* gates,          // [N, T, 4 * H]
    real* h,              // [N, H]
    real* c,              // [N, H]
    real* prev_h,         // [N, T, H]
    real* prev_c,         // [N, T, H]
    real* out,            // [N, T, H]
    int t, int N, int T, int H) {
  unsigned entry = thread();
  if (entry >= N * H) return;
  int n = entry / H, j = entry % H, step = n * T + t;
  const real* u = product + n * 4 * H + j;
  real* a = gates + step * 4 * H + j;
  real i = sigmoid(a[0] + u[0] + b[j]);
  real f = sigmoid(a[H] + u[H] + b[H + j]);
  real o = sigmoid(a[2 * H] + u[2 * H] + b[2 * H + j]);
  real g = tanh(a[3 * H] + u[3 * H] + b[3 * H + j]);
  real next_c = f * c[entry] + i * g, next_h = o * tanh(next_c);
  a[0] = i, a[H] = f, a[2 * H] = o, a[3 * H] = g;
  prev_h[step * H + j] = h[entry];
  prev_c[step * H + j] = c[entry];
  out[step * H + j] = next_h;
  h[entry] = next_h;
  c[entry] = next_c;
}

// In: dh, dc = gradients of the state from the step after.  Out: da at step t, twice (the step's own copy goes
// into the product da Wh^T), and dc moves on to the step before.
KERNEL lstm_step_gradient(
    const real* gates,   // [N, T, 4 * H]
    const real* prev_c,  // [N, T, H]
    const real* dout,    // [N, T, H]
    const real* dh,      // [N, H]
    real* dc,            // [N, H]
    real* step_da,       // [N, 4 * H]
    real* da,            // [N, T, 4 * H]
    int t, int N, int T, int H) {
  unsigned entry = thread();
  if (entry >= N * H) return;
  int n = entry / H, j = entry % H, step = n * T + t;
  const real* gate = gates + step * 4 * H + j;
  real i = gate[0], f = gate[H], o = gate[2 * H], g = gate[3 * H], c = prev_c[step * H + j];
  real tanh_c = tanh(f * c + i * g);
  real dnext_h = dout[step * H + j] + dh[entry];
  real dnext_c = dc[entry] + dnext_h * o * (1 - tanh_c * tanh_c);
  real gradient[4] = {dnext_c * g * i * (1 - i), dnext_c * c * f * (1 - f), dnext_h * tanh_c * o * (1 - o),
                      dnext_c * i * (1 - g * g)};
  for (int block = 0; block < 4; ++block) {
    step_da[n * 4 * H + block * H + j] = gradient[block];
    da[(step * 4 + block) * H + j] = gradient[block];
  }
  dc[entry] = dnext_c * f;
}

// In: gates = x Wx, product = h Wh.  Out: gates r, z, n at step t; hn = the product's third block with its bias;
// h moves on.  The reset comes after the product.
KERNEL gru_step(
    const real* product,  // [N, 3 * H]
    const real* b,        // [3 * H]
    const real* bh,       // [3 * H]
    real* gates,          // [N, T, 3 * H]
    real* hn,             // [N, T, H]
    real* h,              // [N, H]
    real* prev_h,         // [N, T, H]
    real* out,            // [N, T, H]
    int t, int N, int T, int H) {
  unsigned entry = thread();
  if (entry >= N * H) return;
  int row = entry / H, j = entry % H, step = row * T + t;
  const real* u = product + row * 3 * H + j;
  real* a = gates + step * 3 * H + j;
  real r = sigmoid(a[0] + b[j] + u[0] + bh[j]);
  real z = sigmoid(a[H] + b[H + j] + u[H] + bh[H + j]);
  real from_h = u[2 * H] + bh[2 * H + j];
  real n = tanh(a[2 * H] + b[2 * H + j] + r * from_h);
  real next_h = (1 - z) * n + z * h[entry];
  a[0] = r, a[H] = z, a[2 * H] = n;
  hn[step * H + j] = from_h;
  prev_h[step * H + j] = h[entry];
  out[step * H + j] = next_h;
  h[entry] = next_h;
}

// In: dh = gradient of the state through the product of the step after, carried = that past it.  Out: da and du
// at step t (du twice), and carried for the step before.
KERNEL gru_step_gradient(
    const real* gates,   // [N, T, 3 * H]
    const real* hn,      // [N, T, H]
    const real* prev_h,  // [N, T, H]
    const real* dout,    // [N, T, H]
    const real* dh,      // [N, H]
    real* carried,       // [N, H]
    real* step_du,       // [N, 3 * H]
    real* du,            // [N, T, 3 * H]
    real* da,            // [N, T, 3 * H]
    int t, int N, int T, int H) {
  unsigned entry = thread();
  if (entry >= N * H) return;
  int row = entry / H, j = entry % H, step = row * T + t;
  const real* gate = gates + step * 3 * H + j;
  real r = gate[0], z = gate[H], n = gate[2 * H];
  real dnext_h = dout[step * H + j] + dh[entry] + carried[entry];
  real dz = dnext_h * (prev_h[step * H + j] - n) * z * (1 - z);
  real dn = dnext_h * (1 - z) * (1 - n * n);
  real dr = dn * hn[step * H + j] * r * (1 - r);
  real of_x[3] = {dr, dz, dn}, of_h[3] = {dr, dz, dn * r};
  for (int block = 0; block < 3; ++block) {
    da[(step * 3 + block) * H + j] = of_x[block];
    du[(step * 3 + block) * H + j] = of_h[block];
    step_du[(row * 3 + block) * H + j] = of_h[block];
  }
  carried[entry] = dnext_h * z;
}

// In: out = x Wx, product = h Wh.  Out: out = the new h at step t; h moves on.
KERNEL rnn_step(
    const real* product,  // [N, H]
    const real* b,        // [H]
    real* h,              // [N, H]
    real* prev_h,         // [N, T, H]
    real* out,            // [N, T, H]
    int relu, int t, int N, int T, int H) {
  unsigned entry = thread();
  if (entry >= N * H) return;
  int n = entry / H, j = entry % H, place = (n * T + t) * H + j;
  real a = out[place] + product[entry] + b[j];
  real next_h = relu ? fmax(a, real(0)) : tanh(a);
  prev_h[place] = h[entry];
  out[place] = next_h;
  h[entry] = next_h;
}

KERNEL rnn_step_gradient(
    const real* h,     // [N, T, H]
    const real* dout,  // [N, T, H]
    const real* dh,    // [N, H]
    real* step_da,     // [N, H]
    real* da,          // [N, T, H]
    int relu, int t, int N, int T, int H) {
  unsigned entry = thread();
  if (entry >= N * H) return;
  int n = entry / H, j = entry % H, place = (n * T + t) * H + j;
  real next_h = h[place], slope = relu ? real(next_h > 0) : 1 - next_h * next_h;
  step_da[entry] = da[place] = (dout[place] + dh[entry]) * slope;
}
