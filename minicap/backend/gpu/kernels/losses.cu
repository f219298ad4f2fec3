// Softmax cross-entropy and its gradient: a block for each row of scores, read twice and written once.

// losses = w (log sum_k exp x_k - (1 - s) x_y - s mean(x)) and dx = w (p - (1 - s) [k = y] - s / K), where s is
// the label smoothing and w = weight * scale / max(total, 1); weight and total count as 1 where they are null.
// A row of weight 0 is not read.  A class that is none gives NaN.
KERNEL softmax_loss(
    const real* x,       // [rows, K]
    const label* y,      // [rows]
    const real* weight,  // [rows] or null
    const real* total,   // [1] or null
    real* losses,        // [rows]
    real* dx,            // [rows, K]
    real scale, real smoothing, int rows, int K) {
  __shared__ real shared[32];
  int row = blockIdx.x;
  const real* scores = x + row * K;
  real* gradient = dx + row * K;
  real w = scale * (weight ? weight[row] : real(1)) / (total && !(*total < 1) ? *total : real(1));
  if (w == 0) {
    for (int k = threadIdx.x; k < K; k += blockDim.x) gradient[k] = 0;
    if (threadIdx.x == 0) losses[row] = 0;
    return;
  }
  // One pass for maximum and sum: a thread scales its sum down whenever it meets a larger score.
  const real lowest = log(real(0));
  real largest = lowest, sum = 0, plain_sum = 0;
  for (int k = threadIdx.x; k < K; k += blockDim.x) {
    real score = scores[k];
    plain_sum += score;
    if (score > largest) {
      sum = sum * exp(largest - score) + 1;
      largest = score;
    } else if (score != lowest) {
      sum += exp(score - largest);
    }
  }
  real top = max_block(largest, shared);
  sum = sum_block(sum == 0 ? sum : sum * exp(largest - top), shared);
  real mean = smoothing == 0 ? real(0) : sum_block(plain_sum, shared) / K;
  label target = y[row];
  bool known = target >= 0 && target < K;
  for (int k = threadIdx.x; k < K; k += blockDim.x) {
    real expected = (k == target ? 1 - smoothing : real(0)) + smoothing / K;
    gradient[k] = w * (exp(scores[k] - top) / sum - expected);
  }
  if (threadIdx.x == 0) {
    real on_target = known ? (1 - smoothing) * scores[target] : sqrt(real(-1));
    losses[row] = w * (log(sum) + top - on_target - smoothing * mean);
  }
}
