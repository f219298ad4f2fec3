// Sums of the gradient rows that belong to one word: no atomics, so the order of every sum is always the same.

// dtable[v] = sum of rows[order[m]] over the places m where words[m] == v; words is sorted, order says where
// each came from.  A block for each word; words that do not occur, and the padding, get zeros.
KERNEL sum_rows_by_word(
    const label* words,      // [M]
    const long long* order,  // [M]
    const real* rows,        // [M, D]
    real* dtable,            // [V, D]
    int padding, int M, int D, int V) {
  int word = blockIdx.x, first = 0, last = M;
  while (first < last) {
    int middle = (first + last) / 2;
    if (words[middle] < word) first = middle + 1; else last = middle;
  }
  for (int d = threadIdx.x; d < D; d += blockDim.x) {
    real sum = 0;
    if (word != padding)
      for (int m = first; m < M && words[m] == word; ++m) sum += rows[int(order[m]) * D + d];
    dtable[word * D + d] = sum;
  }
}
