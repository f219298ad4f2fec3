// Attention weights, and all of additive attention but its products.

// Scores in place to weights: softmax over S entries where the mask (null for none) is not 0, times the mask;
// zeros where the mask is.  By a whole block.
__device__ inline void softmax_row(real* row, const real* mask, int S, real* shared) {
  const real lowest = log(real(0));
  real largest = lowest, sum = 0;
  for (int s = threadIdx.x; s < S; s += blockDim.x)
    if (!mask || mask[s] != 0) largest = fmax(largest, row[s]);
  largest = max_block(largest, shared);
  for (int s = threadIdx.x; s < S; s += blockDim.x) {
    row[s] = mask && mask[s] == 0 ? real(0) : exp(row[s] - largest) * (mask ? mask[s] : real(1));
    sum += row[s];
  }
  sum = sum_block(sum, shared);
  for (int s = threadIdx.x; s < S; s += blockDim.x) row[s] /= sum == 0 ? real(1) : sum;
  __syncthreads();
}

// In place: dweights to dscores = weights (dweights - sum dweights weights).  By a whole block.
__device__ inline void softmax_row_gradient(real* row, const real* weights, int S, real* shared) {
  real sum = 0;
  for (int s = threadIdx.x; s < S; s += blockDim.x) sum += row[s] * weights[s];
  sum = sum_block(sum, shared);
  for (int s = threadIdx.x; s < S; s += blockDim.x) row[s] = weights[s] * (row[s] - sum);
  __syncthreads();
}

// weights = softmax(scale * weights), a block for each row; each mask row serves `queries` rows.
KERNEL attention_weights(
    real* weights,     // [rows, S]
    const real* mask,  // [rows / queries, S] or null
    real scale, int rows, int queries, int S) {
  __shared__ real shared[32];
  real* row = weights + blockIdx.x * S;
  for (int s = threadIdx.x; s < S; s += blockDim.x) row[s] *= scale;
  softmax_row(row, mask ? mask + blockIdx.x / queries * S : nullptr, S, shared);
}

// dscores from dweights + given (null for none), times scale.
KERNEL attention_weights_gradient(
    real* dweights,       // [rows, S]
    const real* given,    // [rows, S] or null
    const real* weights,  // [rows, S]
    real scale, int rows, int S) {
  __shared__ real shared[32];
  real* row = dweights + blockIdx.x * S;
  if (given)
    for (int s = threadIdx.x; s < S; s += blockDim.x) row[s] += given[blockIdx.x * S + s];
  softmax_row_gradient(row, weights + blockIdx.x * S, S, shared);
  for (int s = threadIdx.x; s < S; s += blockDim.x) row[s] *= scale;
}

// In: hidden = h W1, query = d W2.  Out: hidden = tanh(hidden + query + b), weights = softmax of hidden v,
// context = sum of weights h.  A block for each sample, a warp for each score.
KERNEL additive_attention_forward(
    const real* h,      // [N, S, H]
    const real* query,  // [N, A]
    const real* b,      // [A]
    const real* v,      // [A]
    const real* mask,   // [N, S] or null
    real* hidden,       // [N, S, A]
    real* weights,      // [N, S]
    real* context,      // [N, H]
    int N, int S, int H, int A) {
  __shared__ real shared[32];
  int n = blockIdx.x, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  real* row = weights + n * S;
  for (int s = warp; s < S; s += blockDim.x / 32) {
    real score = 0;
    for (int a = lane; a < A; a += 32) {
      int i = (n * S + s) * A + a;
      hidden[i] = tanh(hidden[i] + query[n * A + a] + b[a]);
      score += hidden[i] * v[a];
    }
    score = sum_warp(score);
    if (lane == 0) row[s] = score;
  }
  __syncthreads();
  softmax_row(row, mask ? mask + n * S : nullptr, S, shared);
  for (int j = threadIdx.x; j < H; j += blockDim.x) {
    real sum = 0;
    for (int s = 0; s < S; ++s) sum += row[s] * h[(n * S + s) * H + j];
    context[n * H + j] = sum;
  }
}

// dscores, da = dscores v (1 - hidden^2), and its sum over s.  A block for each sample.
KERNEL additive_attention_backward(
    const real* dcontext,  // [N, H]
    const real* given,     // [N, S] or null
    const real* h,         // [N, S, H]
    const real* v,         // [A]
    const real* hidden,    // [N, S, A]
    const real* weights,   // [N, S]
    real* dscores,         // [N, S]
    real* da,              // [N, S, A]
    real* da_sum,          // [N, A]
    int N, int S, int H, int A) {
  __shared__ real shared[32];
  int n = blockIdx.x, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  real* row = dscores + n * S;
  for (int s = warp; s < S; s += blockDim.x / 32) {
    real sum = 0;
    for (int j = lane; j < H; j += 32) sum += h[(n * S + s) * H + j] * dcontext[n * H + j];
    sum = sum_warp(sum);
    if (lane == 0) row[s] = sum + (given ? given[n * S + s] : real(0));
  }
  __syncthreads();
  softmax_row_gradient(row, weights + n * S, S, shared);
  for (int a = threadIdx.x; a < A; a += blockDim.x) {
    real sum = 0;
    for (int s = 0; s < S; ++s) {
      int i = (n * S + s) * A + a;
      da[i] = row[s] * v[a] * (1 - hidden[i] * hidden[i]);
      sum += da[i];
    }
    da_sum[n * A + a] = sum;
  }
}

// dh += weights dcontext: h was summed up in the context, too.
KERNEL add_context_gradient(
    const real* dcontext,  // [N, H]
    const real* weights,   // [N, S]
    real* dh,              // [N, S, H]
    int N, int S, int H) {
  unsigned entry = thread();
  if (entry >= N * S * H) return;
  int row = entry / H;
  dh[entry] += weights[row] * dcontext[row / S * H + entry % H];
}
