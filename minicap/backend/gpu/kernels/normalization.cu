// Batch, group and layer normalisation: everything that shares a mean and a variance is done by one block.

// Entry e of channel c, of N samples with P entries each; sample and channel are the distances between them.
__device__ inline int place(int e, int c, int P, int sample, int channel) {
  return e / P * sample + c * channel + e % P;
}

// out = gamma x_hat + beta.  In training mean and variance are the batch's, and the running ones move towards
// them; else they are the running ones.  A block for each channel.
KERNEL batchnorm_forward(
    const real* x,             // [N * C * P]
    const real* gamma,         // [C]
    const real* beta,          // [C]
    const real* running_mean,  // [C]
    const real* running_var,   // [C]
    real* out,                 // [N * C * P]
    real* mean,                // [C]
    real* inv_std,             // [C]
    real* next_mean,           // [C] or null
    real* next_var,            // [C] or null
    real momentum, real new_share, real eps, int train, int N, int C, int P, int sample, int channel) {
  __shared__ real shared[32];
  int c = blockIdx.x;
  real average = running_mean[c], variance = running_var[c];
  if (train) {
    real sum = 0, squares = 0;
    for (int e = threadIdx.x; e < N * P; e += blockDim.x) sum += x[place(e, c, P, sample, channel)];
    average = sum_block(sum, shared) / (N * P);
    for (int e = threadIdx.x; e < N * P; e += blockDim.x) {
      real centred = x[place(e, c, P, sample, channel)] - average;
      squares += centred * centred;
    }
    variance = sum_block(squares, shared) / (N * P);
  }
  real scale = 1 / sqrt(variance + eps);
  for (int e = threadIdx.x; e < N * P; e += blockDim.x) {
    int i = place(e, c, P, sample, channel);
    out[i] = gamma[c] * ((x[i] - average) * scale) + beta[c];
  }
  if (threadIdx.x > 0) return;
  mean[c] = average;
  inv_std[c] = scale;
  if (train) {
    next_mean[c] = momentum * running_mean[c] + new_share * average;
    next_var[c] = momentum * running_var[c] + new_share * variance;
  }
}

// dx = gamma inv_std (dout - mean(dout) - x_hat mean(dout x_hat)), the means only where the batch's were used.
KERNEL batchnorm_backward(
    const real* dout,     // [N * C * P]
    const real* x,        // [N * C * P]
    const real* gamma,    // [C]
    const real* mean,     // [C]
    const real* inv_std,  // [C]
    real* dx,             // [N * C * P]
    real* dgamma,         // [C]
    real* dbeta,          // [C]
    int train, int N, int C, int P, int sample, int channel) {
  __shared__ real shared[32];
  int c = blockIdx.x;
  real average = mean[c], scale = inv_std[c], sum = 0, product = 0;
  for (int e = threadIdx.x; e < N * P; e += blockDim.x) {
    int i = place(e, c, P, sample, channel);
    sum += dout[i];
    product += dout[i] * ((x[i] - average) * scale);
  }
  sum = sum_block(sum, shared);
  product = sum_block(product, shared);
  if (threadIdx.x == 0) dbeta[c] = sum, dgamma[c] = product;
  real of_mean = train ? sum / (N * P) : real(0), of_variance = train ? product / (N * P) : real(0);
  for (int e = threadIdx.x; e < N * P; e += blockDim.x) {
    int i = place(e, c, P, sample, channel);
    dx[i] = gamma[c] * scale * (dout[i] - of_mean - (x[i] - average) * scale * of_variance);
  }
}

// out = gamma x_hat + beta, standardised over the C / groups channels of a group of one sample.  A block for each.
KERNEL groupnorm_forward(
    const real* x,      // [N * C * P]
    const real* gamma,  // [C]
    const real* beta,   // [C]
    real* out,          // [N * C * P]
    real* mean,         // [N, groups]
    real* inv_std,      // [N, groups]
    real eps, int groups, int N, int C, int P, int sample, int channel) {
  __shared__ real shared[32];
  int n = blockIdx.x / groups, channels = C / groups, first = blockIdx.x % groups * channels, size = channels * P;
  const real* group = x + n * sample + first * channel;
  real* result = out + n * sample + first * channel;
  real sum = 0, squares = 0;
  for (int e = threadIdx.x; e < size; e += blockDim.x) sum += group[e / P * channel + e % P];
  real average = sum_block(sum, shared) / size;
  for (int e = threadIdx.x; e < size; e += blockDim.x) {
    real centred = group[e / P * channel + e % P] - average;
    squares += centred * centred;
  }
  real scale = 1 / sqrt(sum_block(squares, shared) / size + eps);
  for (int e = threadIdx.x; e < size; e += blockDim.x) {
    int c = e / P, i = c * channel + e % P;
    result[i] = gamma[first + c] * ((group[i] - average) * scale) + beta[first + c];
  }
  if (threadIdx.x == 0) mean[blockIdx.x] = average, inv_std[blockIdx.x] = scale;
}

// dx by the first N * groups blocks, each for one of them; dgamma and dbeta by the others, one for each channel.
KERNEL groupnorm_backward(
    const real* dout,     // [N * C * P]
    const real* x,        // [N * C * P]
    const real* gamma,    // [C]
    const real* mean,     // [N, groups]
    const real* inv_std,  // [N, groups]
    real* dx,             // [N * C * P]
    real* dgamma,         // [C]
    real* dbeta,          // [C]
    int groups, int N, int C, int P, int sample, int channel) {
  __shared__ real shared[32];
  int channels = C / groups, size = channels * P, c = int(blockIdx.x) - N * groups;
  real sum = 0, product = 0;
  if (c >= 0) {
    for (int e = threadIdx.x; e < N * P; e += blockDim.x) {
      int i = place(e, c, P, sample, channel), group = e / P * groups + c / channels;
      sum += dout[i];
      product += dout[i] * ((x[i] - mean[group]) * inv_std[group]);
    }
    sum = sum_block(sum, shared);
    product = sum_block(product, shared);
    if (threadIdx.x == 0) dbeta[c] = sum, dgamma[c] = product;
    return;
  }
  int n = blockIdx.x / groups, first = blockIdx.x % groups * channels, start = n * sample + first * channel;
  real average = mean[blockIdx.x], scale = inv_std[blockIdx.x];
  for (int e = threadIdx.x; e < size; e += blockDim.x) {
    int i = start + e / P * channel + e % P;
    real dx_hat = dout[i] * gamma[first + e / P];
    sum += dx_hat;
    product += dx_hat * ((x[i] - average) * scale);
  }
  sum = sum_block(sum, shared) / size;
  product = sum_block(product, shared) / size;
  for (int e = threadIdx.x; e < size; e += blockDim.x) {
    int i = start + e / P * channel + e % P;
    dx[i] = scale * (dout[i] * gamma[first + e / P] - sum - (x[i] - average) * scale * product);
  }
}

// A block for each row.
KERNEL layernorm_forward(
    const real* x,      // [rows, D]
    const real* gamma,  // [D]
    const real* beta,   // [D]
    real* out,          // [rows, D]
    real* x_hat,        // [rows, D]
    real* inv_std,      // [rows]
    real eps, int rows, int D) {
  __shared__ real shared[32];
  int row = blockIdx.x;
  real sum = 0, squares = 0;
  for (int d = threadIdx.x; d < D; d += blockDim.x) sum += x[row * D + d];
  real average = sum_block(sum, shared) / D;
  for (int d = threadIdx.x; d < D; d += blockDim.x) {
    real centred = x[row * D + d] - average;
    squares += centred * centred;
  }
  real scale = 1 / sqrt(sum_block(squares, shared) / D + eps);
  for (int d = threadIdx.x; d < D; d += blockDim.x) {
    real standard = (x[row * D + d] - average) * scale;
    x_hat[row * D + d] = standard;
    out[row * D + d] = gamma[d] * standard + beta[d];
  }
  if (threadIdx.x == 0) inv_std[row] = scale;
}

KERNEL layernorm_backward(
    const real* dout,     // [rows, D]
    const real* x_hat,    // [rows, D]
    const real* gamma,    // [D]
    const real* inv_std,  // [rows]
    real* dx,             // [rows, D]
    int rows, int D) {
  __shared__ real shared[32];
  int row = blockIdx.x;
  real sum = 0, product = 0;
  for (int d = threadIdx.x; d < D; d += blockDim.x) {
    real dx_hat = dout[row * D + d] * gamma[d];
    sum += dx_hat;
    product += dx_hat * x_hat[row * D + d];
  }
  sum = sum_block(sum, shared) / D;
  product = sum_block(product, shared) / D;
  for (int d = threadIdx.x; d < D; d += blockDim.x) {
    int i = row * D + d;
    dx[i] = inv_std[row] * (dout[i] * gamma[d] - sum - x_hat[i] * product);
  }
}

// dgamma and dbeta, sums over the rows: a thread for each feature.
KERNEL layernorm_parameters(
    const real* dout,   // [rows, D]
    const real* x_hat,  // [rows, D]
    real* dgamma,       // [D]
    real* dbeta,        // [D]
    int rows, int D) {
  unsigned d = thread();
  if (d >= D) return;
  real sum = 0, product = 0;
  for (int row = 0; row < rows; ++row) {
    sum += dout[row * D + d];
    product += dout[row * D + d] * x_hat[row * D + d];
  }
  dbeta[d] = sum;
  dgamma[d] = product;
}
