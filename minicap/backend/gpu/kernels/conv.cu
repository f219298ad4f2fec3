#include "products.cuh"

// Convolution without columns: each product makes the entries of its column matrix as it reads them.  Images
// x are given by the distances from one sample and one channel to the next; out and dout are (N, F, OH, OW).

struct Place { int n, h, w; };

// Entry `number` of (N, H, W).
__device__ inline Place place(int number, int H, int W) {
  return {number / W / H, number / W % H, number % W};
}

// out = w columns + b.  A block for each tile of (F, N OH OW).
KERNEL conv_forward(
    const real* x,  // [entries]
    const real* w,  // [F, C, HH, WW]
    const real* b,  // [F] or null
    real* out,      // [N, F, OH, OW]
    int entries, int sample, int channel, int F, int N, int C, int H, int W, int HH, int WW, int OH, int OW,
    int stride_h, int stride_w, int dilation_h, int dilation_w, int top, int left) {
  int K = C * HH * WW;
  tile_product<true, false>(
      blockIdx.x, F, N * OH * OW, 0, K, [=](int f, int k) { return w[f * K + k]; },
      [=](int column, int k) {
        Place p = place(column, OH, OW), entry = place(k, HH, WW);
        int h = p.h * stride_h - top + entry.h * dilation_h, v = p.w * stride_w - left + entry.w * dilation_w;
        bool inside = h >= 0 && h < H && v >= 0 && v < W;
        return inside ? x[p.n * sample + entry.n * channel + h * W + v] : real(0);
      },
      [=](int f, int column, real sum) {
        int n = column / (OH * OW), pixel = column % (OH * OW);
        out[(n * F + f) * OH * OW + pixel] = b ? sum + b[f] : sum;
      });
}

// dx by the first blocks, and by the others dw and db in `parts` parts that conv_add_parts adds up: each sums
// over `length` of the N OH OW places.  db is one more column of dw, for pixels of 1.
KERNEL conv_backward(
    const real* dout,  // [N, F, OH, OW]
    const real* x,     // [entries]
    const real* w,     // [F, C, HH, WW]
    real* dx,          // [entries] or null
    real* partial,     // [parts, F, C * HH * WW + 1]
    int entries, int sample, int channel, int F, int N, int C, int H, int W, int HH, int WW, int OH, int OW,
    int stride_h, int stride_w, int dilation_h, int dilation_w, int top, int left, int parts, int length) {
  int tile = blockIdx.x, K = C * HH * WW, of_dx = dx ? tiles(C, N * H * W) : 0;
  if (tile < of_dx) {
    tile_product<true, false>(
        tile, C, N * H * W, 0, F * HH * WW,
        [=](int c, int k) { return w[(k / (HH * WW) * C + c) * HH * WW + k % (HH * WW)]; },
        [=](int column, int k) {
          Place p = place(column, H, W), entry = place(k, HH, WW);
          int h = p.h + top - entry.h * dilation_h, v = p.w + left - entry.w * dilation_w;
          int oh = h / stride_h, ow = v / stride_w;
          bool met = h >= 0 && v >= 0 && h % stride_h == 0 && v % stride_w == 0 && oh < OH && ow < OW;
          return met ? dout[((p.n * F + entry.n) * OH + oh) * OW + ow] : real(0);
        },
        [=](int c, int column, real sum) {
          dx[column / (H * W) * sample + c * channel + column % (H * W)] = sum;
        });
    return;
  }
  tile -= of_dx;
  int part = tile / tiles(F, K + 1), from = part * length;
  tile_product<true, true>(
      tile % tiles(F, K + 1), F, K + 1, from, min(from + length, N * OH * OW),
      [=](int f, int column) {
        int n = column / (OH * OW), pixel = column % (OH * OW);
        return dout[(n * F + f) * OH * OW + pixel];
      },
      [=](int k, int column) {
        Place p = place(column, OH, OW), entry = place(k, HH, WW);
        int h = p.h * stride_h - top + entry.h * dilation_h, v = p.w * stride_w - left + entry.w * dilation_w;
        bool inside = h >= 0 && h < H && v >= 0 && v < W;
        if (k == K) return real(1);
        return inside ? x[p.n * sample + entry.n * channel + h * W + v] : real(0);
      },
      [=](int f, int k, real sum) { partial[(part * F + f) * (K + 1) + k] = sum; });
}

// dw and db: the parts in their order.
KERNEL conv_add_parts(
    const real* partial,  // [parts, F, K + 1]
    real* dw,             // [F, K]
    real* db,             // [F] or null
    int parts, int F, int K) {
  unsigned entry = thread();
  if (entry >= F * (K + 1)) return;
  int f = entry / (K + 1), k = entry % (K + 1);
  real sum = 0;
  for (int part = 0; part < parts; ++part) sum += partial[part * F * (K + 1) + int(entry)];
  if (k < K) dw[f * K + k] = sum;
  else if (db) db[f] = sum;
}
