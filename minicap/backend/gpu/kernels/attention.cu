// Attention weights, and all of additive and soft attention but their products.

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

// hidden = tanh(keys + query + b), weights = softmax of hidden v over the S places of a sample.  By a whole block, a
// warp for each score.
__device__ inline void attend(
    const real* keys, const real* query, const real* b, const real* v, const real* mask, real* hidden, real* weights,
    int S, int A, real* shared) {
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  for (int s = warp; s < S; s += blockDim.x / 32) {
    real score = 0;
    for (int a = lane; a < A; a += 32) {
      int i = s * A + a;
      hidden[i] = tanh(keys[i] + query[a] + b[a]);
      score += hidden[i] * v[a];
    }
    score = sum_warp(score);
    if (lane == 0) weights[s] = score;
  }
  __syncthreads();
  softmax_row(weights, mask, S, shared);
}

// dscores, da = dscores v (1 - hidden^2) and its sum over the places, from dcontext * scale and the weights' own
// gradient.  By a whole block, a warp for each score.
__device__ inline void attend_gradient(
    const real* dcontext, real scale, const real* given, const real* h, const real* v, const real* hidden,
    const real* weights, real* dscores, real* da, real* da_sum, int S, int H, int A, real* shared) {
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  for (int s = warp; s < S; s += blockDim.x / 32) {
    real sum = 0;
    for (int j = lane; j < H; j += 32) sum += h[s * H + j] * (scale * dcontext[j]);
    sum = sum_warp(sum);
    if (lane == 0) dscores[s] = sum + (given ? given[s] : real(0));
  }
  __syncthreads();
  softmax_row_gradient(dscores, weights, S, shared);
  for (int a = threadIdx.x; a < A; a += blockDim.x) {
    real sum = 0;
    for (int s = 0; s < S; ++s) {
      int i = s * A + a;
      da[i] = dscores[s] * v[a] * (1 - hidden[i] * hidden[i]);
      sum += da[i];
    }
    da_sum[a] = sum;
  }
}

__device__ inline real weighted_sum(const real* weights, const real* column, int S, int H) {
  real sum = 0;
  for (int s = 0; s < S; ++s) sum += weights[s] * column[s * H];
  return sum;
}

// In: hidden = h W1, query = d W2.  Out: hidden = tanh(hidden + query + b), weights = softmax of hidden v,
// context = sum of weights h.  A block for each sample.
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
  int n = blockIdx.x;
  real *own = hidden + n * S * A, *row = weights + n * S;
  attend(own, query + n * A, b, v, mask ? mask + n * S : nullptr, own, row, S, A, shared);
  for (int j = threadIdx.x; j < H; j += blockDim.x) context[n * H + j] = weighted_sum(row, h + n * S * H + j, S, H);
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
  int n = blockIdx.x, row = n * S, wide = row * A;
  attend_gradient(
      dcontext + n * H, 1, given ? given + row : nullptr, h + row * H, v, hidden + wide, weights + row, dscores + row,
      da + wide, da_sum + n * A, S, H, A, shared);
}

// A word's look at L places with given keys; query = h Wh.  context = sum of weights features; with a gate
// beta = sigmoid(h w_beta + b_beta), out = beta context.  A block for each sample.
KERNEL soft_attention_step_forward(
    const real* features,  // [N, L, D]
    const real* keys,      // [N, L, A]
    const real* query,     // [N, A]
    const real* b,         // [A]
    const real* v,         // [A]
    const real* h,         // [N, H]
    const real* w_beta,    // [H] or null
    const real* b_beta,    // [1] or null
    const real* mask,      // [N, L] or null
    real* hidden,          // [N, L, A]
    real* weights,         // [N, L]
    real* context,         // [N, D]
    real* beta,            // [N] or null
    real* out,             // [N, D] or null
    int N, int L, int D, int H, int A) {
  __shared__ real shared[32];
  int n = blockIdx.x;
  real *row = weights + n * L, gate = 0;
  const real* own_mask = mask ? mask + n * L : nullptr;
  attend(keys + n * L * A, query + n * A, b, v, own_mask, hidden + n * L * A, row, L, A, shared);
  if (beta) {
    for (int j = threadIdx.x; j < H; j += blockDim.x) gate += h[n * H + j] * w_beta[j];
    gate = sigmoid(sum_block(gate, shared) + b_beta[0]);
    if (threadIdx.x == 0) beta[n] = gate;
  }
  for (int j = threadIdx.x; j < D; j += blockDim.x) {
    real sum = weighted_sum(row, features + n * L * D + j, L, D);
    context[n * D + j] = sum;
    if (out) out[n * D + j] = gate * sum;
  }
}

// dkeys and their sum over the places; with a gate dgate, the gradient of what its sigmoid reads; and dfeatures
// where anybody wants them.  A block for each sample.
KERNEL soft_attention_step_backward(
    const real* dcontext,  // [N, D]
    const real* given,     // [N, L] or null
    const real* features,  // [N, L, D]
    const real* v,         // [A]
    const real* hidden,    // [N, L, A]
    const real* weights,   // [N, L]
    const real* context,   // [N, D]
    const real* beta,      // [N] or null
    real* dscores,         // [N, L]
    real* dkeys,           // [N, L, A]
    real* dquery,          // [N, A]
    real* dgate,           // [N] or null
    real* dfeatures,       // [N, L, D] or null
    int N, int L, int D, int A) {
  __shared__ real shared[32];
  int n = blockIdx.x, row = n * L, wide = row * A;
  const real* of_context = dcontext + n * D;
  real gate = beta ? beta[n] : real(1), sum = 0;
  attend_gradient(
      of_context, gate, given ? given + row : nullptr, features + row * D, v, hidden + wide, weights + row,
      dscores + row, dkeys + wide, dquery + n * A, L, D, A, shared);
  if (dgate) {
    for (int j = threadIdx.x; j < D; j += blockDim.x) sum += of_context[j] * context[n * D + j];
    sum = sum_block(sum, shared);
    if (threadIdx.x == 0) dgate[n] = sum * gate * (1 - gate);
  }
  if (dfeatures)
    for (int l = 0; l < L; ++l)
      for (int j = threadIdx.x; j < D; j += blockDim.x)
        dfeatures[(row + l) * D + j] = weights[row + l] * (gate * of_context[j]);
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
