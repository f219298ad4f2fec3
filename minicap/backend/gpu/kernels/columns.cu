// im2col and its transpose, for images first .. first + N - 1 of a batch.
//
// sample and channel are the distances from one sample and one channel to the next, so that any order of the
// H x W planes in memory will do.  Columns are (C, HH, WW, N, OH, OW).

// A block works on `ENTRIES` entries of one row: divisions are done once a thread, not for every entry.
const int ENTRIES = 2048;

// The entries of one thread in (N, H, W): from `from` on, 256 apart.
struct Walk {
  int e, to, n, h, w, H, W, step_n, step_h, step_w;

  __device__ Walk(int from, int size, int H, int W)
      : e(from + int(threadIdx.x)), to(min(from + ENTRIES, size)), n(e / W / H), h(e / W % H), w(e % W), H(H), W(W),
        step_n(blockDim.x / W / H), step_h(blockDim.x / W % H), step_w(blockDim.x % W) {}

  __device__ bool inside() const { return e < to; }

  __device__ void next() {
    e += blockDim.x, n += step_n, h += step_h, w += step_w;
    if (w >= W) w -= W, ++h;
    if (h >= H) h -= H, ++n;
  }
};

KERNEL im2col(
    const real* x,  // [entries]
    real* columns,  // [C, HH, WW, N, OH, OW]
    int entries, int sample, int channel, int first, int N, int C, int H, int W, int HH, int WW, int OH, int OW,
    int stride_h, int stride_w, int dilation_h, int dilation_w, int top, int left) {
  int places = N * OH * OW, blocks = (places + ENTRIES - 1) / ENTRIES, row = blockIdx.x / blocks;
  int down = row / WW % HH * dilation_h - top, across = row % WW * dilation_w - left;
  const real* image = x + first * sample + row / WW / HH * channel;
  for (Walk at(blockIdx.x % blocks * ENTRIES, places, OH, OW); at.inside(); at.next()) {
    int h = at.h * stride_h + down, w = at.w * stride_w + across;
    bool inside = h >= 0 && h < H && w >= 0 && w < W;
    columns[row * places + at.e] = inside ? image[at.n * sample + h * W + w] : real(0);
  }
}

// Every pixel gathers the sum over its copies, so that no two threads write to one place.
KERNEL col2im(
    const real* columns,  // [C, HH, WW, N, OH, OW]
    real* x,              // [entries]
    int entries, int sample, int channel, int first, int N, int C, int H, int W, int HH, int WW, int OH, int OW,
    int stride_h, int stride_w, int dilation_h, int dilation_w, int top, int left) {
  Divisor down(stride_h), across(stride_w);
  int pixels = N * H * W, blocks = (pixels + ENTRIES - 1) / ENTRIES, c = blockIdx.x / blocks;
  for (Walk at(blockIdx.x % blocks * ENTRIES, pixels, H, W); at.inside(); at.next()) {
    real sum = 0;
    for (int i = 0; i < HH; ++i) {
      int h = at.h + top - i * dilation_h, oh = h / down;
      if (h < 0 || oh * stride_h != h || oh >= OH) continue;
      for (int j = 0; j < WW; ++j) {
        int w = at.w + left - j * dilation_w, ow = w / across;
        if (w >= 0 && ow * stride_w == w && ow < OW) sum += columns[((((c * HH + i) * WW + j) * N + at.n) * OH + oh) * OW + ow];
      }
    }
    x[(first + at.n) * sample + c * channel + at.h * W + at.w] = sum;
  }
}

// out[f] += b[f] for every entry of filter f; then rectified when relu is not 0.
KERNEL add_bias(
    const real* b,  // [F] or null
    real* out,      // [F, M]
    int relu, int F, int M) {
  unsigned entry = thread();
  if (entry >= F * M) return;
  real sum = b ? out[entry] + b[entry / M] : out[entry];
  out[entry] = relu && sum < 0 ? real(0) : sum;
}
