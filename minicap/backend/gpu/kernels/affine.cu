#include "products.cuh"

// out = x w + b.  A block for each tile of out.
KERNEL affine_forward(
    const real* x,  // [N, D]
    const real* w,  // [D, M]
    const real* b,  // [M]
    real* out,      // [N, M]
    int N, int D, int M) {
  tile_product<true, false>(
      blockIdx.x, N, M, 0, D, [=](int n, int d) { return x[n * D + d]; },
      [=](int m, int d) { return w[d * M + m]; },
      [=](int n, int m, real sum) { out[n * M + m] = sum + b[m]; });
}

// dx = dout w^T by the first blocks; dw = x^T dout by the others, db as one more row of it, for x = 1.
KERNEL affine_backward(
    const real* dout,  // [N, M]
    const real* x,     // [N, D]
    const real* w,     // [D, M]
    real* dx,          // [N, D] or null
    real* dw,          // [D, M]
    real* db,          // [M]
    int N, int D, int M) {
  int tile = blockIdx.x, of_dx = dx ? tiles(N, D) : 0;
  if (tile < of_dx) {
    tile_product<true, true>(
        tile, N, D, 0, M, [=](int n, int m) { return dout[n * M + m]; },
        [=](int d, int m) { return w[d * M + m]; }, [=](int n, int d, real sum) { dx[n * D + d] = sum; });
    return;
  }
  tile_product<false, false>(
      tile - of_dx, D + 1, M, 0, N, [=](int d, int n) { return d < D ? x[n * D + d] : real(1); },
      [=](int m, int n) { return dout[n * M + m]; },
      [=](int d, int m, real sum) { (d < D ? dw + d * M : db)[m] = sum; });
}
