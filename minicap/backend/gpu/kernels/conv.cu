#include "products.cuh"

// Convolution without columns: each product makes the entries of its column matrix as it reads them.  Images
// x are given by the distances from one sample and one channel to the next; out and dout are (N, F, OH, OW).

struct Place { int n, h, w; };

// Entry `number` of (N, H, W).
__device__ inline Place place(int number, Divisor H, Divisor W) {
  int row = number / W;
  return {row / H, row % H, number % W};
}

// out = w columns + b, rectified when relu is not 0.  A block for each tile of (F, N OH OW).
KERNEL conv_forward(
    const real* x,  // [entries]
    const real* w,  // [F, C, HH, WW]
    const real* b,  // [F] or null
    real* out,      // [N, F, OH, OW]
    int relu, int entries, int sample, int channel, int F, int N, int C, int H, int W, int HH, int WW, int OH,
    int OW, int stride_h, int stride_w, int dilation_h, int dilation_w, int top, int left) {
  __shared__ Room room;
  int K = C * HH * WW, P = OH * OW;
  Divisor by_HH(HH), by_WW(WW), by_OH(OH), by_OW(OW), by_P(P);
  tile_product(
      room, blockIdx.x, F, N * P, 0, K,
      operand<true>([=](int f) { return Where{f * K}; }, [=](int k) { return Where{k}; },
                    [=](Where at) { return w[at.offset]; }),
      operand<false>(
          [=](int column) {
            Place p = place(column, by_OH, by_OW);
            int h = p.h * stride_h - top, v = p.w * stride_w - left;
            return Where{p.n * sample + h * W + v, h, v};
          },
          [=](int k) {
            Place p = place(k, by_HH, by_WW);
            int h = p.h * dilation_h, v = p.w * dilation_w;
            return Where{p.n * channel + h * W + v, h, v};
          },
          [=](Where at) {
            bool inside = at.h >= 0 && at.h < H && at.w >= 0 && at.w < W;
            return inside ? x[at.offset] : real(0);
          }),
      [=](int f, int column, real sum) {
        if (b) sum += b[f];
        out[(column / by_P * F + f) * P + column % by_P] = relu && sum < 0 ? real(0) : sum;
      });
}

// dx by the first blocks, and by the others dw and db in `parts` parts that conv_add_parts adds up: each sums
// over `length` of the N OH OW places.  db is one more column of dw, for pixels of 1.  out: that of the rectifier
// behind the convolution; where it is 0, dout does not pass.
KERNEL conv_backward(
    const real* dout,  // [N, F, OH, OW]
    const real* out,   // [N, F, OH, OW] or null
    const real* x,     // [entries]
    const real* w,     // [F, C, HH, WW]
    real* dx,          // [entries] or null
    real* partial,     // [parts, F, C * HH * WW + 1]
    int entries, int sample, int channel, int F, int N, int C, int H, int W, int HH, int WW, int OH, int OW,
    int stride_h, int stride_w, int dilation_h, int dilation_w, int top, int left, int parts, int length) {
  __shared__ Room room;
  int tile = blockIdx.x, K = C * HH * WW, P = OH * OW, of_dx = dx ? tiles(C, N * H * W) : 0;
  Divisor by_HH(HH), by_WW(WW);
  auto gradient = [=](int i) { return dout[i] * real(!out || out[i] > 0); };
  if (tile < of_dx) {
    Divisor by_H(H), by_W(W), by_window(HH * WW), by_image(H * W), down(stride_h), across(stride_w);
    tile_product(
        room, tile, C, N * H * W, 0, F * HH * WW,
        operand<true>([=](int c) { return Where{c * HH * WW}; },
                      [=](int k) { return Where{k / by_window * K + k % by_window}; },
                      [=](Where at) { return w[at.offset]; }),
        operand<false>(
            [=](int column) {
              Place p = place(column, by_H, by_W);
              return Where{p.n * F * P, p.h + top, p.w + left};
            },
            [=](int k) {
              Place p = place(k, by_HH, by_WW);
              return Where{p.n * P, -p.h * dilation_h, -p.w * dilation_w};
            },
            [=](Where at) {
              int oh = at.h, ow = at.w;
              if (oh < 0 || ow < 0) return real(0);
              if (stride_h > 1 || stride_w > 1) {
                if (oh % down || ow % across) return real(0);
                oh = oh / down, ow = ow / across;
              }
              return oh < OH && ow < OW ? gradient(at.offset + oh * OW + ow) : real(0);
            }),
        [=](int c, int column, real sum) {
          dx[column / by_image * sample + c * channel + column % by_image] = sum;
        });
    return;
  }
  Divisor by_OH(OH), by_OW(OW), by_P(P);
  tile -= of_dx;
  int of_dw = tiles(F, K + 1), part = tile / of_dw, from = part * length;
  tile_product(
      room, tile % of_dw, F, K + 1, from, min(from + length, N * P),
      operand<true>([=](int f) { return Where{f * P}; },
                    [=](int column) { return Where{column / by_P * F * P + column % by_P}; },
                    [=](Where at) { return gradient(at.offset); }),
      operand<true>(
          [=](int k) {
            if (k == K) return Where{0, ONES, 0};
            Place p = place(k, by_HH, by_WW);
            int h = p.h * dilation_h, v = p.w * dilation_w;
            return Where{p.n * channel + h * W + v, h, v};
          },
          [=](int column) {
            Place p = place(column, by_OH, by_OW);
            int h = p.h * stride_h - top, v = p.w * stride_w - left;
            return Where{p.n * sample + h * W + v, h, v};
          },
          [=](Where at) {
            bool inside = at.h >= 0 && at.h < H && at.w >= 0 && at.w < W;
            return inside ? x[at.offset] : real(0);
          }),
      [=](int f, int k, real sum) { partial[(part * F + f) * (K + 1) + k] = sum; });
}

// dw and db: the sums of the parts, 32 of their entries a block.
KERNEL conv_add_parts(
    const real* partial,  // [parts, F, K + 1]
    real* dw,             // [F, K]
    real* db,             // [F] or null
    int parts, int F, int K) {
  __shared__ real shared[256];
  int entry = blockIdx.x * 32 + threadIdx.x, f = entry / (K + 1), k = entry % (K + 1);
  real sum = sum_parts(partial, parts, F * (K + 1), shared);
  if (threadIdx.x >= 32 || entry >= F * (K + 1)) return;
  if (k < K) dw[f * K + k] = sum;
  else if (db) db[f] = sum;
}
