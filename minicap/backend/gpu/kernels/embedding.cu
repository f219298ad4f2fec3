// Sums of the gradient rows that belong to one word: no atomics, so the order of every sum is always the same.

// The first place whose word is not below this one.
__device__ inline int first_place(const label* words, int M, int word) {
  int first = 0, last = M;
  while (first < last) {
    int middle = (first + last) / 2;
    if (words[middle] < word) first = middle + 1; else last = middle;
  }
  return first;
}

// dtable[v] = sum of rows[order[m]] over the places m where words[m] == v; words is sorted, order says where
// each came from.  A block for 32 columns of each word, whose eight warps share its rows: the most frequent words of a
// batch make up a tenth of it.  Words that do not occur, and the padding, get zeros.
KERNEL sum_rows_by_word(
    const label* words,      // [M]
    const long long* order,  // [M]
    const real* rows,        // [M, D]
    real* dtable,            // [V, D]
    int padding, int M, int D, int V) {
  __shared__ real shared[256];
  int tiles = (D + 31) / 32, word = blockIdx.x / tiles, d = blockIdx.x % tiles * 32 + threadIdx.x % 32;
  int first = first_place(words, M, word), last = word == padding ? first : first_place(words, M, word + 1);
  real sum = 0;
  if (d < D) {
#pragma unroll 4
    for (int m = first + threadIdx.x / 32; m < last; m += 8) sum += rows[int(order[m]) * D + d];
  }
  shared[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x >= 32 || d >= D) return;
  for (int slice = 1; slice < 8; ++slice) sum += shared[slice * 32 + threadIdx.x];
  dtable[word * D + d] = sum;
}
