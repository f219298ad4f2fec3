#include "products.cuh"

// out = x w + b.  A block for each tile of out.
KERNEL affine_forward(
    const real* x,  // [N, D]
    const real* w,  // [D, M]
    const real* b,  // [M] or null
    real* out,      // [N, M]
    int N, int D, int M) {
  __shared__ Room room;
  tile_product(
      room, blockIdx.x, N, M, 0, D,
      operand<true>([=](int n) { return Where{n * D}; }, [=](int d) { return Where{d}; },
                    [=](Where at) { return x[at.offset]; }),
      operand<false>([=](int m) { return Where{m}; }, [=](int d) { return Where{d * M}; },
                     [=](Where at) { return w[at.offset]; }),
      [=](int n, int m, real sum) { out[n * M + m] = b ? sum + b[m] : sum; });
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
  __shared__ Room room;
  int tile = blockIdx.x, of_dx = dx ? tiles(N, D) : 0;
  if (tile < of_dx) {
    tile_product(
        room, tile, N, D, 0, M,
        operand<true>([=](int n) { return Where{n * M}; }, [=](int m) { return Where{m}; },
                      [=](Where at) { return dout[at.offset]; }),
        operand<true>([=](int d) { return Where{d * M}; }, [=](int m) { return Where{m}; },
                      [=](Where at) { return w[at.offset]; }),
        [=](int n, int d, real sum) { dx[n * D + d] = sum; });
    return;
  }
  tile_product(
      room, tile - of_dx, D + 1, M, 0, N,
      operand<false>([=](int d) { return Where{d, d < D ? 0 : ONES}; }, [=](int n) { return Where{n * D}; },
                     [=](Where at) { return x[at.offset]; }),
      operand<false>([=](int m) { return Where{m}; }, [=](int n) { return Where{n * M}; },
                     [=](Where at) { return dout[at.offset]; }),
      [=](int d, int m, real sum) { (d < D ? dw + d * M : db)[m] = sum; });
}
