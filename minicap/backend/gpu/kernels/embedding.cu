// Sums of the gradient rows that belong to one word: no atomics, so the order of every sum is always the same.

const int COLUMNS = 128;  // that a block works on, with two halves of its threads

// dtable[v] += sum of rows[order[m]] over the places m where words[m] == v; words is sorted, order says where each came
// from.  A block for each place and 128 columns: that of a word's first place adds up all its rows, the others have
// nothing to do.  Words that do not occur cost nothing.
KERNEL sum_rows_by_word(
    const label* words,      // [M]
    const long long* order,  // [M]
    const real* rows,        // [M, D]
    real* dtable,            // [V, D]
    int padding, int M, int D, int V) {
  __shared__ real shared[COLUMNS];
  int tiles = (D + COLUMNS - 1) / COLUMNS, first = blockIdx.x / tiles, half = threadIdx.x / COLUMNS;
  int d = blockIdx.x % tiles * COLUMNS + threadIdx.x % COLUMNS, last = M;
  label word = words[first];
  if (word == padding || word < 0 || word >= V || (first > 0 && words[first - 1] == word)) return;
  for (int from = first + 1; from < last;) {
    int middle = (from + last) / 2;
    if (words[middle] == word) from = middle + 1; else last = middle;
  }
  real sum = 0;
  if (d < D) {
#pragma unroll 4
    for (int m = first + half; m < last; m += 2) sum += rows[int(order[m]) * D + d];
  }
  if (half == 1) shared[threadIdx.x % COLUMNS] = sum;
  __syncthreads();
  if (half == 0 && d < D) dtable[int(word) * D + d] = sum + shared[threadIdx.x];
}
