// Counter-based random bits (Philox4x64-10; Salmon et al. 2011), equal to NumPy's bit for bit, and dropout.

struct Counter { word64 word[4]; };

// The four words that NumPy's Philox of this key gives at this counter (its high words and the key's are zero).
__device__ inline Counter philox(word64 key, word64 counter) {
  const word64 multiplier0 = 0xD2E7470EE14C6C93ull, multiplier1 = 0xCA5A826395121157ull;
  word64 a = counter, b = 0, c = 0, d = 0, key0 = key, key1 = 0;
  for (int round = 0; round < 10; ++round) {
    word64 high0 = __umul64hi(multiplier0, a), high1 = __umul64hi(multiplier1, c);
    word64 low0 = multiplier0 * a, low1 = multiplier1 * c;
    a = high1 ^ b ^ key0;
    b = low1;
    c = high0 ^ d ^ key1;
    d = low0;
    key0 += 0x9E3779B97F4A7C15ull;
    key1 += 0xBB67AE8584CAA73Bull;
  }
  return {{a, b, c, d}};
}

// The 16 bits number `number` of the four words, lowest first.
__device__ inline int sixteen_bits(const Counter& bits, int number) {
  return int(bits.word[number / 4] >> 16 * (number % 4)) & 0xFFFF;
}

const int NUMBERS = 16 * 256;  // that a block of 256 threads draws, 16 from each counter

// Number e of the block is kept where bit e % 16 of kept[e / 16] is set, and belongs to entry e of the result after the
// one that is returned, which may be negative.
__device__ inline long long draw_block(int* kept, word64 key, word64 start, int threshold) {
  word64 counter = start / 16 + word64(blockIdx.x) * blockDim.x;
  int mask = 0xFFFF;
  if (threshold > 0) {
    Counter bits = philox(key, counter + threadIdx.x + 1);
    mask = 0;
#pragma unroll
    for (int number = 0; number < 16; ++number) mask |= int(sixteen_bits(bits, number) >= threshold) << number;
  }
  kept[threadIdx.x] = mask;
  __syncthreads();
  return (long long)(counter * 16 - start);
}

__device__ inline bool is_kept(const int* kept, int e) { return kept[e / 16] >> e % 16 & 1; }

// keep = bits >= threshold, for numbers start .. start + size - 1 of the stream.  A thread for each 16 of them draws;
// then neighbouring threads write to neighbouring places.
KERNEL random_keep(
    bool* keep,  // [size]
    word64 key, word64 start, int threshold, int size) {
  __shared__ int kept[256];
  long long first = draw_block(kept, key, start, threshold);
  for (int e = threadIdx.x; e < NUMBERS; e += blockDim.x) {
    long long i = first + e;
    if (i >= 0 && i < size) keep[i] = is_kept(kept, e);
  }
}

// Where entry i of the logical (N, C, P) lies: sample and channel are the distances from one to the next.
__device__ inline int place(int i, Divisor C, Divisor P, int sample, int channel) {
  int plane = i / P;
  return plane / C * sample + plane % C * channel + i % P;
}

// random_keep, and what it does to x.  x may lie in any order of its planes, out is (N, C, P).
KERNEL dropout_forward(
    const real* x,  // [size]
    real* out,      // [size]
    bool* keep,     // [size]
    word64 key, word64 start, int threshold, real scale, int size, int C, int P, int sample, int channel) {
  __shared__ int kept[256];
  Divisor by_C(C), by_P(P);
  long long first = draw_block(kept, key, start, threshold);
  for (int e = threadIdx.x; e < NUMBERS; e += blockDim.x) {
    long long i = first + e;
    if (i < 0 || i >= size) continue;
    keep[i] = is_kept(kept, e);
    out[i] = x[place(int(i), by_C, by_P, sample, channel)] * (keep[i] ? scale : real(0));
  }
}

// out = dropout(relu(out + b)), after a product; threshold 0 drops nothing.
KERNEL bias_relu_dropout(
    const real* b,  // [M]
    real* out,      // [N, M]
    word64 key, word64 start, int threshold, real scale, int N, int M) {
  __shared__ int kept[256];
  Divisor by_M(M);
  long long first = draw_block(kept, key, start, threshold);
  for (int e = threadIdx.x; e < NUMBERS; e += blockDim.x) {
    long long i = first + e;
    if (i < 0 || i >= N * M) continue;
    real sum = out[i] + b[int(i) % by_M];
    out[i] = (sum < 0 ? real(0) : sum) * (is_kept(kept, e) ? scale : real(0));
  }
}

// dx in the order of x.
KERNEL dropout_backward(
    const real* dout,  // [size]
    const bool* keep,  // [size]
    real* dx,          // [size]
    real scale, int size, int C, int P, int sample, int channel) {
  unsigned i = thread();
  if (i < size) dx[place(i, Divisor(C), Divisor(P), sample, channel)] = dout[i] * (keep[i] ? scale : real(0));
}
