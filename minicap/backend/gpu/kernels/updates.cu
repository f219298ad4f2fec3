// Update rules: one launch moves many parameters.  Each block works on 1024 entries of one of them.

const int MOST_TENSORS = 32, ENTRIES_A_BLOCK = 1024;

// Addresses of parameters, gradients and up to two memory arrays of each; block b belongs to the tensor t with
// first_block[t] <= b < first_block[t + 1].
struct Tensors {
  word64 w[MOST_TENSORS], dw[MOST_TENSORS], memory0[MOST_TENSORS], memory1[MOST_TENSORS];
  int size[MOST_TENSORS], first_block[MOST_TENSORS + 1], count;
};

// What one thread has to do: entries from `i` on, 256 apart, up to `end`, of one tensor.
struct Share {
  real *w, *memory0, *memory1;
  const real* dw;
  int i, end;
};

__device__ inline Share share_of(const Tensors& tensors) {
  int t = 0, block = blockIdx.x;
  while (t + 1 < tensors.count && tensors.first_block[t + 1] <= block) ++t;
  int first = (block - tensors.first_block[t]) * ENTRIES_A_BLOCK;
  return {(real*)tensors.w[t], (real*)tensors.memory0[t], (real*)tensors.memory1[t], (const real*)tensors.dw[t],
          first + int(threadIdx.x), min(first + ENTRIES_A_BLOCK, tensors.size[t])};
}

// For clipping: the sum of squares of each block's share of the gradients, and into memory0 gradients times
// limit / norm where the norm is larger, and finite.
KERNEL sum_squares(
    Tensors tensors,
    real* sums,  // [blocks]
    int blocks) {
  __shared__ real shared[32];
  Share s = share_of(tensors);
  real sum = 0;
  for (int i = s.i; i < s.end; i += blockDim.x) sum += s.dw[i] * s.dw[i];
  sum = sum_block(sum, shared);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

KERNEL shorten_gradients(
    Tensors tensors,
    const real* norm,  // [1]
    real limit) {
  Share s = share_of(tensors);
  real scale = limit / *norm;
  if (!(scale > 0 && scale < 1)) scale = 1;
  for (int i = s.i; i < s.end; i += blockDim.x) s.memory0[i] = scale * s.dw[i];
}

KERNEL sgd_update(Tensors tensors, real learning_rate, real weight_decay) {
  Share s = share_of(tensors);
  for (int i = s.i; i < s.end; i += blockDim.x) s.w[i] -= learning_rate * (s.dw[i] + weight_decay * s.w[i]);
}

KERNEL momentum_update(Tensors tensors, real learning_rate, real weight_decay, real momentum) {
  Share s = share_of(tensors);
  for (int i = s.i; i < s.end; i += blockDim.x) {
    real v = momentum * s.memory0[i] - learning_rate * (s.dw[i] + weight_decay * s.w[i]);
    s.memory0[i] = v;
    s.w[i] += v;
  }
}

KERNEL nesterov_update(Tensors tensors, real learning_rate, real weight_decay, real momentum) {
  Share s = share_of(tensors);
  for (int i = s.i; i < s.end; i += blockDim.x) {
    real step = learning_rate * (s.dw[i] + weight_decay * s.w[i]);
    real v = momentum * s.memory0[i] - step;
    s.memory0[i] = v;
    s.w[i] += momentum * v - step;
  }
}

KERNEL adagrad_update(Tensors tensors, real learning_rate, real weight_decay, real eps) {
  Share s = share_of(tensors);
  for (int i = s.i; i < s.end; i += blockDim.x) {
    real dw = s.dw[i] + weight_decay * s.w[i];
    real sum = s.memory0[i] + dw * dw;
    s.memory0[i] = sum;
    s.w[i] -= learning_rate * dw / (sqrt(sum) + eps);
  }
}

KERNEL adadelta_update(Tensors tensors, real learning_rate, real weight_decay, real decay, real new_share, real eps) {
  Share s = share_of(tensors);
  for (int i = s.i; i < s.end; i += blockDim.x) {
    real dw = s.dw[i] + weight_decay * s.w[i];
    real square = decay * s.memory0[i] + new_share * dw * dw;
    real delta = sqrt(s.memory1[i] + eps) / sqrt(square + eps) * dw;
    s.memory0[i] = square;
    s.memory1[i] = decay * s.memory1[i] + new_share * delta * delta;
    s.w[i] -= learning_rate * delta;
  }
}

KERNEL rmsprop_update(Tensors tensors, real learning_rate, real weight_decay, real decay, real new_share, real eps) {
  Share s = share_of(tensors);
  for (int i = s.i; i < s.end; i += blockDim.x) {
    real dw = s.dw[i] + weight_decay * s.w[i];
    real square = decay * s.memory0[i] + new_share * dw * dw;
    s.memory0[i] = square;
    s.w[i] -= learning_rate * dw / (sqrt(square) + eps);
  }
}

// new_share = 1 - beta: in float32, 1 - beta itself would be off by 1e-5.  correction = 1 - beta^step.
KERNEL adam_update(
    Tensors tensors, real learning_rate, real weight_decay, real new_share1, real new_share2, real correction1,
    real correction2, real eps) {
  Share s = share_of(tensors);
  for (int i = s.i; i < s.end; i += blockDim.x) {
    real dw = s.dw[i] + weight_decay * s.w[i];
    real m = s.memory0[i] + new_share1 * (dw - s.memory0[i]);
    real v = s.memory1[i] + new_share2 * (dw * dw - s.memory1[i]);
    s.memory0[i] = m;
    s.memory1[i] = v;
    s.w[i] -= learning_rate * (m / correction1) / (sqrt(v / correction2) + eps);
  }
}

KERNEL adamw_update(
    Tensors tensors, real learning_rate, real weight_decay, real new_share1, real new_share2, real correction1,
    real correction2, real eps) {
  Share s = share_of(tensors);
  for (int i = s.i; i < s.end; i += blockDim.x) {
    real dw = s.dw[i];
    real m = s.memory0[i] + new_share1 * (dw - s.memory0[i]);
    real v = s.memory1[i] + new_share2 * (dw * dw - s.memory1[i]);
    s.memory0[i] = m;
    s.memory1[i] = v;
    s.w[i] -= learning_rate * ((m / correction1) / (sqrt(v / correction2) + eps) + weight_decay * s.w[i]);
  }
}
