// im2col and its transpose, for images first .. first + N - 1 of a batch.
//
// sample and channel are the distances from one sample and one channel to the next, so that any order of the
// H x W planes in memory will do.  Columns are (C, HH, WW, N, OH, OW).

KERNEL im2col(
    const real* x,  // [entries]
    real* columns,  // [C, HH, WW, N, OH, OW]
    int entries, int sample, int channel, int first, int N, int C, int H, int W, int HH, int WW, int OH, int OW,
    int stride_h, int stride_w, int dilation_h, int dilation_w, int top, int left) {
  unsigned entry = thread(), rest = entry;
  if (entry >= C * HH * WW * N * OH * OW) return;
  int ow = rest % OW; rest /= OW;
  int oh = rest % OH; rest /= OH;
  int n = rest % N; rest /= N;
  int j = rest % WW; rest /= WW;
  int i = rest % HH, c = rest / HH;
  int h = oh * stride_h - top + i * dilation_h, w = ow * stride_w - left + j * dilation_w;
  bool inside = h >= 0 && h < H && w >= 0 && w < W;
  columns[entry] = inside ? x[(first + n) * sample + c * channel + h * W + w] : real(0);
}

// Every pixel gathers the sum over its copies, so that no two threads write to one place.
KERNEL col2im(
    const real* columns,  // [C, HH, WW, N, OH, OW]
    real* x,              // [entries]
    int entries, int sample, int channel, int first, int N, int C, int H, int W, int HH, int WW, int OH, int OW,
    int stride_h, int stride_w, int dilation_h, int dilation_w, int top, int left) {
  unsigned entry = thread(), rest = entry;
  if (entry >= N * C * H * W) return;
  int w = rest % W; rest /= W;
  int h = rest % H; rest /= H;
  int n = rest % N, c = rest / N;
  real sum = 0;
  for (int i = 0; i < HH; ++i) {
    int above = h + top - i * dilation_h, oh = above / stride_h;
    if (above < 0 || above % stride_h || oh >= OH) continue;
    for (int j = 0; j < WW; ++j) {
      int before = w + left - j * dilation_w, ow = before / stride_w;
      if (before < 0 || before % stride_w || ow >= OW) continue;
      sum += columns[((((c * HH + i) * WW + j) * N + n) * OH + oh) * OW + ow];
    }
  }
  x[(first + n) * sample + c * channel + h * W + w] = sum;
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
