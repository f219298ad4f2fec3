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

// keep = bits >= threshold, for numbers start .. start + size - 1 of the stream; a thread for each 16 of them.
KERNEL random_keep(
    bool* keep,  // [size]
    word64 key, word64 start, int threshold, int size) {
  word64 counter = start / 16 + thread();
  if (counter * 16 >= start + size) return;
  Counter bits = philox(key, counter + 1);
  for (int number = 0; number < 16; ++number) {
    long long i = (long long)(counter * 16 + number - start);
    if (i >= 0 && i < size) keep[i] = sixteen_bits(bits, number) >= threshold;
  }
}

// Where entry i of the logical (N, C, P) lies: sample and channel are the distances from one to the next.
__device__ inline int place(unsigned i, int C, int P, int sample, int channel) {
  return i / P / C * sample + i / P % C * channel + i % P;
}

// random_keep, and what it does to x.  x may lie in any order of its planes, out is (N, C, P).
KERNEL dropout_forward(
    const real* x,  // [size]
    real* out,      // [size]
    bool* keep,     // [size]
    word64 key, word64 start, int threshold, real scale, int size, int C, int P, int sample, int channel) {
  word64 counter = start / 16 + thread();
  if (counter * 16 >= start + size) return;
  Counter bits = philox(key, counter + 1);
  for (int number = 0; number < 16; ++number) {
    long long i = (long long)(counter * 16 + number - start);
    if (i < 0 || i >= size) continue;
    keep[i] = sixteen_bits(bits, number) >= threshold;
    out[i] = keep[i] ? x[place(i, C, P, sample, channel)] * scale : real(0);
  }
}

// dx in the order of x.
KERNEL dropout_backward(
    const real* dout,  // [size]
    const bool* keep,  // [size]
    real* dx,          // [size]
    real scale, int size, int C, int P, int sample, int channel) {
  unsigned i = thread();
  if (i < size) dx[place(i, C, P, sample, channel)] = keep[i] ? dout[i] * scale : real(0);
}
