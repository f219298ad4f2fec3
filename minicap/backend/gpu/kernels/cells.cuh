// The equations of one number of a recurrent state, forward and backward.

// The state after a step: the new one where the mask is 1, the old one where it is 0.  No mask is 1 everywhere.
__device__ inline real carry(const real* mask, int step, real next, real old) {
  return mask ? mask[step] * next + (1 - mask[step]) * old : next;
}

// Its gradients, of the new state and of the old one.
__device__ inline real of_next(const real* mask, int step, real gradient) {
  return mask ? mask[step] * gradient : gradient;
}

__device__ inline real of_old(const real* mask, int step, real gradient) {
  return mask ? (1 - mask[step]) * gradient : real(0);
}

struct LstmCell { real i, f, o, g, next_c, next_h; };

// a: the four sums before the gates i, f, o, g.
__device__ inline LstmCell lstm_cell(const real (&a)[4], real c) {
  real i = sigmoid(a[0]), f = sigmoid(a[1]), o = sigmoid(a[2]), g = tanh(a[3]);
  real next_c = f * c + i * g;
  return {i, f, o, g, next_c, o * tanh(next_c)};
}

struct LstmGradient { real da[4], dc; };

// gate: i, f, o, g at distances of H.  c: before the step.  dh, dc: of the state after it.
__device__ inline LstmGradient lstm_cell_gradient(const real* gate, int H, real c, real dh, real dc) {
  real i = gate[0], f = gate[H], o = gate[2 * H], g = gate[3 * H];
  real tanh_c = tanh(f * c + i * g);
  dc += dh * o * (1 - tanh_c * tanh_c);
  return {{dc * g * i * (1 - i), dc * c * f * (1 - f), dh * tanh_c * o * (1 - o), dc * i * (1 - g * g)}, dc * f};
}

struct GruCell { real r, z, n, hn, next_h; };

// a: the three sums x Wx + b.  u: the three sums h Wh + bh.
__device__ inline GruCell gru_cell(const real (&a)[3], const real (&u)[3], real h) {
  real r = sigmoid(a[0] + u[0]), z = sigmoid(a[1] + u[1]), n = tanh(a[2] + r * u[2]);
  return {r, z, n, u[2], (1 - z) * n + z * h};
}

struct GruGradient { real da[3], du[3], carried; };

// gate: r, z, n at distances of H.  hn, h: u[2] and the state before the step.  dh: of the state after it.
__device__ inline GruGradient gru_cell_gradient(const real* gate, int H, real hn, real h, real dh) {
  real r = gate[0], z = gate[H], n = gate[2 * H];
  real dz = dh * (h - n) * z * (1 - z), dn = dh * (1 - z) * (1 - n * n), dr = dn * hn * r * (1 - r);
  return {{dr, dz, dn}, {dr, dz, dn * r}, dh * z};
}

__device__ inline real rnn_cell(real a, int relu) { return relu ? (a < 0 ? real(0) : a) : tanh(a); }

__device__ inline real rnn_cell_slope(real next_h, int relu) {
  return relu ? real(next_h > 0) : 1 - next_h * next_h;
}
