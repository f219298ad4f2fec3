#include "cells.cuh"

// One step of a recurrent layer, all but its product h Wh: a thread for each number of the state.
//
// Arrays over time are (N, T, ...), so that the products before and after the loop need no copy; the state that
// goes from step to step is (N, H) of its own, because the product of a step wants it in one piece.

// In: gates = x Wx, product = h Wh.  Out: gates i, f, o, g at step t; h and c move on, and are kept in prev_h,
// prev_c (as they were) and out (the new h).
KERNEL lstm_step(
    const real* product,  // [N, 4 * H]
    const real* b,        // [4 * H]
    const real* mask,     // [N, T] or null
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
  LstmCell cell = lstm_cell(
      {a[0] + u[0] + b[j], a[H] + u[H] + b[H + j], a[2 * H] + u[2 * H] + b[2 * H + j],
       a[3 * H] + u[3 * H] + b[3 * H + j]},
      c[entry]);
  a[0] = cell.i, a[H] = cell.f, a[2 * H] = cell.o, a[3 * H] = cell.g;
  prev_h[step * H + j] = h[entry];
  prev_c[step * H + j] = c[entry];
  h[entry] = carry(mask, step, cell.next_h, h[entry]);
  c[entry] = carry(mask, step, cell.next_c, c[entry]);
  out[step * H + j] = h[entry];
}

// In: dh, dc = gradients of the state from the step after.  Out: da at step t, twice (the step's own copy goes
// into the product da Wh^T), and dc moves on to the step before.
KERNEL lstm_step_gradient(
    const real* mask,    // [N, T] or null
    const real* gates,   // [N, T, 4 * H]
    const real* prev_c,  // [N, T, H]
    const real* dout,    // [N, T, H]
    const real* dh,      // [N, H]
    real* carried,       // [N, H] or null
    real* dc,            // [N, H]
    real* step_da,       // [N, 4 * H]
    real* da,            // [N, T, 4 * H]
    int t, int N, int T, int H) {
  unsigned entry = thread();
  if (entry >= N * H) return;
  int n = entry / H, j = entry % H, step = n * T + t;
  real dnext_h = dout[step * H + j] + dh[entry];
  if (carried) dnext_h += carried[entry];
  LstmGradient gradient = lstm_cell_gradient(
      gates + step * 4 * H + j, H, prev_c[step * H + j], of_next(mask, step, dnext_h), of_next(mask, step, dc[entry]));
  for (int block = 0; block < 4; ++block)
    step_da[(n * 4 + block) * H + j] = da[(step * 4 + block) * H + j] = gradient.da[block];
  dc[entry] = gradient.dc + of_old(mask, step, dc[entry]);
  if (carried) carried[entry] = of_old(mask, step, dnext_h);
}

// In: gates = x Wx, product = h Wh.  Out: gates r, z, n at step t; hn = the product's third block with its bias;
// h moves on.  The reset comes after the product.
KERNEL gru_step(
    const real* product,  // [N, 3 * H]
    const real* b,        // [3 * H]
    const real* bh,       // [3 * H]
    const real* mask,     // [N, T] or null
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
  GruCell cell = gru_cell(
      {a[0] + b[j], a[H] + b[H + j], a[2 * H] + b[2 * H + j]},
      {u[0] + bh[j], u[H] + bh[H + j], u[2 * H] + bh[2 * H + j]}, h[entry]);
  a[0] = cell.r, a[H] = cell.z, a[2 * H] = cell.n;
  hn[step * H + j] = cell.hn;
  prev_h[step * H + j] = h[entry];
  h[entry] = carry(mask, step, cell.next_h, h[entry]);
  out[step * H + j] = h[entry];
}

// In: dh = gradient of the state through the product of the step after, carried = that past it.  Out: da and du
// at step t (du twice), and carried for the step before.
KERNEL gru_step_gradient(
    const real* mask,    // [N, T] or null
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
  real dnext_h = dout[step * H + j] + dh[entry] + carried[entry];
  GruGradient gradient = gru_cell_gradient(
      gates + step * 3 * H + j, H, hn[step * H + j], prev_h[step * H + j], of_next(mask, step, dnext_h));
  for (int block = 0; block < 3; ++block) {
    da[(step * 3 + block) * H + j] = gradient.da[block];
    step_du[(row * 3 + block) * H + j] = du[(step * 3 + block) * H + j] = gradient.du[block];
  }
  carried[entry] = gradient.carried + of_old(mask, step, dnext_h);
}

// In: out = x Wx, product = h Wh.  Out: out = the new h at step t; h moves on.
KERNEL rnn_step(
    const real* product,  // [N, H]
    const real* b,        // [H]
    const real* mask,     // [N, T] or null
    real* h,              // [N, H]
    real* prev_h,         // [N, T, H]
    real* out,            // [N, T, H]
    int relu, int t, int N, int T, int H) {
  unsigned entry = thread();
  if (entry >= N * H) return;
  int n = entry / H, j = entry % H, step = n * T + t, place = step * H + j;
  real next_h = rnn_cell(out[place] + product[entry] + b[j], relu);
  prev_h[place] = h[entry];
  h[entry] = carry(mask, step, next_h, h[entry]);
  out[place] = h[entry];
}

KERNEL rnn_step_gradient(
    const real* mask,  // [N, T] or null
    const real* h,     // [N, T, H]
    const real* dout,  // [N, T, H]
    const real* dh,    // [N, H]
    real* carried,     // [N, H] or null
    real* step_da,     // [N, H]
    real* da,          // [N, T, H]
    int relu, int t, int N, int T, int H) {
  unsigned entry = thread();
  if (entry >= N * H) return;
  int n = entry / H, j = entry % H, step = n * T + t, place = step * H + j;
  real dnext_h = dout[place] + dh[entry];
  if (carried) dnext_h += carried[entry];
  step_da[entry] = da[place] = of_next(mask, step, dnext_h) * rnn_cell_slope(h[place], relu);
  if (carried) carried[entry] = of_old(mask, step, dnext_h);
}
