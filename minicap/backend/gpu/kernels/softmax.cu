// Softmax and its logarithm over the last axis: a block for each row.

// out = exp(x - top) / sum, or with log its logarithm.
KERNEL softmax_forward(
    const real* x,  // [rows, K]
    real* out,      // [rows, K]
    int log_of_it, int rows, int K) {
  __shared__ real shared[32];
  const real* scores = x + blockIdx.x * K;
  real* result = out + blockIdx.x * K;
  real top = log(real(0)), sum = 0;
  for (int k = threadIdx.x; k < K; k += blockDim.x) top = fmax(top, scores[k]);
  top = max_block(top, shared);
  for (int k = threadIdx.x; k < K; k += blockDim.x) sum += exp(scores[k] - top);
  sum = sum_block(sum, shared);
  real log_sum = log(sum);
  for (int k = threadIdx.x; k < K; k += blockDim.x)
    result[k] = log_of_it ? scores[k] - top - log_sum : exp(scores[k] - top) / sum;
}

// dx = p (dout - sum dout p), or with log dout - p sum dout, where out is p or its logarithm.
KERNEL softmax_backward(
    const real* dout,  // [rows, K]
    const real* out,   // [rows, K]
    real* dx,          // [rows, K]
    int log_of_it, int rows, int K) {
  __shared__ real shared[32];
  int row = blockIdx.x * K;
  real sum = 0;
  for (int k = threadIdx.x; k < K; k += blockDim.x) sum += log_of_it ? dout[row + k] : dout[row + k] * out[row + k];
  sum = sum_block(sum, shared);
  for (int k = threadIdx.x; k < K; k += blockDim.x)
    dx[row + k] = log_of_it ? dout[row + k] - exp(out[row + k]) * sum : out[row + k] * (dout[row + k] - sum);
}
