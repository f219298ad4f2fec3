// Pooling of P planes of H x W, whatever samples and channels they are.

// The largest value of every window and its place in the plane; the first one in reading order wins, NaN always.
// With relu a window without positive values gives 0, and nobody wins.
KERNEL max_pool(
    const real* x,  // [P, H, W]
    real* out,      // [P, OH, OW]
    int* winner,    // [P, OH, OW]
    int relu, int P, int H, int W, int OH, int OW, int HH, int WW, int stride_h, int stride_w, int top, int left) {
  unsigned entry = thread();
  if (entry >= P * OH * OW) return;
  int ow = entry % OW, oh = entry / OW % OH, plane = entry / OW / OH;
  int first_h = oh * stride_h - top, first_w = ow * stride_w - left, place = -1;
  real best = 0;
  for (int h = max(first_h, 0); h < min(first_h + HH, H); ++h) {
    for (int w = max(first_w, 0); w < min(first_w + WW, W); ++w) {
      real value = x[(plane * H + h) * W + w];
      if (place < 0 || value > best || value != value) best = value, place = h * W + w;
    }
  }
  bool hidden = relu && best <= 0;
  out[entry] = hidden ? real(0) : best;
  winner[entry] = hidden ? -1 : place;
}

// Every pixel gathers the gradients of the windows that it won.
KERNEL max_pool_gradient(
    const real* dout,   // [P, OH, OW]
    const int* winner,  // [P, OH, OW]
    real* dx,           // [P, H, W]
    int P, int H, int W, int OH, int OW, int HH, int WW, int stride_h, int stride_w, int top, int left) {
  unsigned entry = thread();
  if (entry >= P * H * W) return;
  int w = entry % W, h = entry / W % H, plane = entry / W / H;
  real sum = 0;
  for (int oh = max(0, (h + top - HH + stride_h) / stride_h); oh < min(OH, (h + top) / stride_h + 1); ++oh) {
    for (int ow = max(0, (w + left - WW + stride_w) / stride_w); ow < min(OW, (w + left) / stride_w + 1); ++ow) {
      int window = (plane * OH + oh) * OW + ow;
      sum += dout[window] * real(winner[window] == h * W + w);
    }
  }
  dx[entry] = sum;
}

// Entries that a window from `first` on has on the image or its margin: what a mean divides by.
__device__ inline int inside(int first, int size, int image, int margin) {
  return min(first + size, image + margin) - max(first, -margin);
}

KERNEL avg_pool(
    const real* x,  // [P, H, W]
    real* out,      // [P, OH, OW]
    int P, int H, int W, int OH, int OW, int HH, int WW, int stride_h, int stride_w, int top, int left,
    int margin_h, int margin_w) {
  unsigned entry = thread();
  if (entry >= P * OH * OW) return;
  int ow = entry % OW, oh = entry / OW % OH, plane = entry / OW / OH;
  int first_h = oh * stride_h - top, first_w = ow * stride_w - left;
  real sum = 0;
  for (int h = max(first_h, 0); h < min(first_h + HH, H); ++h)
    for (int w = max(first_w, 0); w < min(first_w + WW, W); ++w) sum += x[(plane * H + h) * W + w];
  out[entry] = sum / (inside(first_h, HH, H, margin_h) * inside(first_w, WW, W, margin_w));
}

KERNEL avg_pool_gradient(
    const real* dout,  // [P, OH, OW]
    real* dx,          // [P, H, W]
    int P, int H, int W, int OH, int OW, int HH, int WW, int stride_h, int stride_w, int top, int left,
    int margin_h, int margin_w) {
  unsigned entry = thread();
  if (entry >= P * H * W) return;
  int w = entry % W, h = entry / W % H, plane = entry / W / H;
  real sum = 0;
  for (int oh = max(0, (h + top - HH + stride_h) / stride_h); oh < min(OH, (h + top) / stride_h + 1); ++oh) {
    int rows = inside(oh * stride_h - top, HH, H, margin_h);
    for (int ow = max(0, (w + left - WW + stride_w) / stride_w); ow < min(OW, (w + left) / stride_w + 1); ++ow)
      sum += dout[(plane * OH + oh) * OW + ow] / (rows * inside(ow * stride_w - left, WW, W, margin_w));
  }
  dx[entry] = sum;
}
