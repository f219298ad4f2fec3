// A matrix product in one kernel with whatever makes its operands: for nets so small that launches, not
// arithmetic, take the time.  Large products belong to cuBLAS.

const int TILE = 64, DEPTH = 16, LINE = TILE + 1;  // the odd length keeps shared-memory banks apart

// TILE lines of an operand at DEPTH depths; zero outside.
template <bool DEPTH_FIRST, class Operand>
__device__ inline void load_tile(real* tile, Operand operand, int first, int lines, int depth, int depths) {
  for (int e = threadIdx.x; e < TILE * DEPTH; e += blockDim.x) {
    int line = DEPTH_FIRST ? e / DEPTH : e % TILE, k = DEPTH_FIRST ? e % DEPTH : e / TILE;
    bool inside = first + line < lines && depth + k < depths;
    tile[k * LINE + line] = inside ? operand(first + line, depth + k) : real(0);
  }
}

__host__ __device__ inline int tiles(int rows, int columns) {
  return ((rows + TILE - 1) / TILE) * ((columns + TILE - 1) / TILE);
}

// store(row, column, sum over depth of a(row, depth) b(column, depth)) for every entry of one tile of the result,
// by a block of 256 threads with 4 x 4 entries each.  A_FIRST, B_FIRST: neighbours of an operand in memory
// differ in depth, not in row or column.
template <bool A_FIRST, bool B_FIRST, class A, class B, class Store>
__device__ inline void tile_product(
    int tile, int rows, int columns, int depth_from, int depth_to, A a, B b, Store store) {
  __shared__ real a_tile[DEPTH * LINE], b_tile[DEPTH * LINE];
  int across = (columns + TILE - 1) / TILE, row0 = tile / across * TILE, column0 = tile % across * TILE;
  int row = threadIdx.x / 16, column = threadIdx.x % 16;
  real sum[4][4] = {};
  for (int depth = depth_from; depth < depth_to; depth += DEPTH) {
    load_tile<A_FIRST>(a_tile, a, row0, rows, depth, depth_to);
    load_tile<B_FIRST>(b_tile, b, column0, columns, depth, depth_to);
    __syncthreads();
    for (int k = 0; k < DEPTH; ++k) {
      real left[4], right[4];
      for (int i = 0; i < 4; ++i) left[i] = a_tile[k * LINE + row + 16 * i];
      for (int j = 0; j < 4; ++j) right[j] = b_tile[k * LINE + column + 16 * j];
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) sum[i][j] += left[i] * right[j];
    }
    __syncthreads();
  }
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) {
      int to_row = row0 + row + 16 * i, to_column = column0 + column + 16 * j;
      if (to_row < rows && to_column < columns) store(to_row, to_column, sum[i][j]);
    }
}
