// Batch, group and layer normalisation.  Batch statistics are made in two stages: a channel is shared out between `parts`
// blocks, and every block that needs the whole puts their results together.

// The entries from, from + 256, ... below `to` of one thread, in runs of P entries that lie `stride` apart: run n, entry
// p of it, and where that is.  Divisions are done once, not for every entry.
struct Walk {
  int e, to, n, p, at, P, stride, runs, rest;

  __device__ Walk(int from, int to, int start, int P, int stride)
      : e(from + int(threadIdx.x)), to(to), n(e / P), p(e % P), at(start + n * stride + p), P(P), stride(stride),
        runs(blockDim.x / P), rest(blockDim.x % P) {}

  __device__ bool inside() const { return e < to; }

  __device__ void next() {
    e += blockDim.x, n += runs, p += rest, at += runs * stride + rest;
    if (p >= P) n += 1, p -= P, at += stride - P;
  }
};

// A block's channel, its part of the channel's N * P entries, and the walk through them.
struct Part {
  int c, number, from, to, start;

  __device__ Part(int parts, int length, int size, int channel)
      : c(blockIdx.x / parts), number(blockIdx.x % parts), from(number * length), to(min(from + length, size)),
        start(c * channel) {}

  __device__ Walk walk(int P, int sample) const { return Walk(from, to, start, P, sample); }
};

// Mean and sum of squared differences from it, of each part of each channel.
KERNEL batchnorm_statistics(
    const real* x,  // [N * C * P]
    real* means,    // [C, parts]
    real* squares,  // [C, parts]
    int parts, int length, int N, int C, int P, int sample, int channel) {
  __shared__ real shared[32];
  Part part(parts, length, N * P, channel);
  real sum = 0, square = 0;
  for (Walk w = part.walk(P, sample); w.inside(); w.next()) sum += x[w.at];
  real average = sum_block(sum, shared) / (part.to - part.from);
  for (Walk w = part.walk(P, sample); w.inside(); w.next()) {
    real centred = x[w.at] - average;
    square += centred * centred;
  }
  square = sum_block(square, shared);
  if (threadIdx.x == 0) means[blockIdx.x] = average, squares[blockIdx.x] = square;
}

// out = gamma x_hat + beta.  In training mean and variance are the batch's, put together from its parts (Chan et al.
// 1979), and the running ones move towards them; else they are the running ones.
KERNEL batchnorm_forward(
    const real* x,             // [N * C * P]
    const real* gamma,         // [C]
    const real* beta,          // [C]
    const real* running_mean,  // [C]
    const real* running_var,   // [C]
    const real* means,         // [C, parts] or null
    const real* squares,       // [C, parts] or null
    real* out,                 // [N * C * P]
    real* mean,                // [C]
    real* inv_std,             // [C]
    real* next_mean,           // [C] or null
    real* next_var,            // [C] or null
    real momentum, real new_share, real eps, int parts, int length, int N, int C, int P, int sample, int channel) {
  __shared__ real shared[32];
  Part part(parts, length, N * P, channel);
  int c = part.c, k = threadIdx.x;
  real average = running_mean[c], variance = running_var[c];
  if (means) {  // there are at most as many parts as threads
    real share = k < parts ? real(min(length, N * P - k * length)) / (N * P) : real(0);
    real own = k < parts ? means[c * parts + k] : real(0);
    average = sum_block(share * own, shared);
    real apart = own - average;
    variance = sum_block(k < parts ? squares[c * parts + k] / (N * P) + share * apart * apart : real(0), shared);
  }
  real scale = 1 / sqrt(variance + eps), slope = gamma[c], shift = beta[c];
  for (Walk w = part.walk(P, sample); w.inside(); w.next())
    out[w.at] = slope * ((x[w.at] - average) * scale) + shift;
  if (threadIdx.x > 0 || part.number > 0) return;
  mean[c] = average;
  inv_std[c] = scale;
  if (next_mean) {
    next_mean[c] = momentum * running_mean[c] + new_share * average;
    next_var[c] = momentum * running_var[c] + new_share * variance;
  }
}

// Sums of dout and of dout x_hat, of each part of each channel.
KERNEL batchnorm_sums(
    const real* dout,     // [N * C * P]
    const real* x,        // [N * C * P]
    const real* mean,     // [C]
    const real* inv_std,  // [C]
    real* sums,           // [C, parts]
    real* products,       // [C, parts]
    int parts, int length, int N, int C, int P, int sample, int channel) {
  __shared__ real shared[32];
  Part part(parts, length, N * P, channel);
  real average = mean[part.c], scale = inv_std[part.c], sum = 0, product = 0;
  for (Walk w = part.walk(P, sample); w.inside(); w.next()) {
    sum += dout[w.at];
    product += dout[w.at] * ((x[w.at] - average) * scale);
  }
  sum = sum_block(sum, shared);
  product = sum_block(product, shared);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum, products[blockIdx.x] = product;
}

// dx = gamma inv_std (dout - mean(dout) - x_hat mean(dout x_hat)), the means only where the batch's were used.
KERNEL batchnorm_backward(
    const real* dout,      // [N * C * P]
    const real* x,         // [N * C * P]
    const real* gamma,     // [C]
    const real* mean,      // [C]
    const real* inv_std,   // [C]
    const real* sums,      // [C, parts]
    const real* products,  // [C, parts]
    real* dx,              // [N * C * P]
    real* dgamma,          // [C]
    real* dbeta,           // [C]
    int train, int parts, int length, int N, int C, int P, int sample, int channel) {
  __shared__ real shared[32];
  Part part(parts, length, N * P, channel);
  int c = part.c, k = threadIdx.x;
  real average = mean[c], scale = inv_std[c], slope = gamma[c] * scale;
  real sum = sum_block(k < parts ? sums[c * parts + k] : real(0), shared);
  real product = sum_block(k < parts ? products[c * parts + k] : real(0), shared);
  if (threadIdx.x == 0 && part.number == 0) dbeta[c] = sum, dgamma[c] = product;
  real of_mean = train ? sum / (N * P) : real(0), of_variance = train ? product / (N * P) : real(0);
  for (Walk w = part.walk(P, sample); w.inside(); w.next())
    dx[w.at] = slope * (dout[w.at] - of_mean - (x[w.at] - average) * scale * of_variance);
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
  for (Walk w(0, size, 0, P, channel); w.inside(); w.next()) sum += group[w.at];
  real average = sum_block(sum, shared) / size;
  for (Walk w(0, size, 0, P, channel); w.inside(); w.next()) {
    real centred = group[w.at] - average;
    squares += centred * centred;
  }
  real scale = 1 / sqrt(sum_block(squares, shared) / size + eps);
  for (Walk w(0, size, 0, P, channel); w.inside(); w.next())
    result[w.at] = gamma[first + w.n] * ((group[w.at] - average) * scale) + beta[first + w.n];
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
    for (Walk w(0, N * P, c * channel, P, sample); w.inside(); w.next()) {
      int group = w.n * groups + c / channels;
      sum += dout[w.at];
      product += dout[w.at] * ((x[w.at] - mean[group]) * inv_std[group]);
    }
    sum = sum_block(sum, shared);
    product = sum_block(product, shared);
    if (threadIdx.x == 0) dbeta[c] = sum, dgamma[c] = product;
    return;
  }
  int n = blockIdx.x / groups, first = blockIdx.x % groups * channels, start = n * sample + first * channel;
  real average = mean[blockIdx.x], scale = inv_std[blockIdx.x];
  for (Walk w(0, size, start, P, channel); w.inside(); w.next()) {
    real dx_hat = dout[w.at] * gamma[first + w.n];
    sum += dx_hat;
    product += dx_hat * ((x[w.at] - average) * scale);
  }
  sum = sum_block(sum, shared) / size;
  product = sum_block(product, shared) / size;
  for (Walk w(0, size, start, P, channel); w.inside(); w.next())
    dx[w.at] = scale * (dout[w.at] * gamma[first + w.n] - sum - (x[w.at] - average) * scale * product);
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

// dgamma and dbeta are sums over the rows, in two stages: a block adds up 32 features over `length` rows, ...
KERNEL layernorm_sums(
    const real* dout,   // [rows, D]
    const real* x_hat,  // [rows, D]
    real* partial,      // [parts, 2, D]
    int parts, int length, int rows, int D) {
  __shared__ real shared[2][256];
  int tiles = (D + 31) / 32, part = blockIdx.x / tiles, d = blockIdx.x % tiles * 32 + threadIdx.x % 32;
  int to = min((part + 1) * length, rows);
  real sum = 0, product = 0;
  if (d < D) {
#pragma unroll 4
    for (int row = part * length + threadIdx.x / 32; row < to; row += 8) {
      sum += dout[row * D + d];
      product += dout[row * D + d] * x_hat[row * D + d];
    }
  }
  shared[0][threadIdx.x] = product, shared[1][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x >= 64 || d >= D) return;
  int which = threadIdx.x / 32;  // dgamma, dbeta
  real total = 0;
  for (int slice = 0; slice < 8; ++slice) total += shared[which][slice * 32 + threadIdx.x % 32];
  partial[(part * 2 + which) * D + d] = total;
}

// ... and the parts are added up, 32 of their entries a block.
KERNEL layernorm_parameters(
    const real* partial,  // [parts, 2, D]
    real* dgamma,         // [D]
    real* dbeta,          // [D]
    int parts, int D) {
  __shared__ real shared[256];
  int entry = blockIdx.x * 32 + threadIdx.x;
  real sum = sum_parts(partial, parts, 2 * D, shared);
  if (threadIdx.x < 32 && entry < 2 * D) (entry < D ? dgamma : dbeta - D)[entry] = sum;
}
