// A matrix product in one kernel with whatever makes its operands, and with whatever is done to its results: for
// operands that are nowhere in memory, and for nets so small that launches take the time.  The largest products
// belong to cuBLAS.
//
// result(row, column) = sum over depth of a(row, depth) b(column, depth).  An operand says what a line (a row, or a
// column) and what a depth add to the place of an entry; so that each is worked out once and not for every entry.

const int DEPTH = 16, THREADS = 256, TILE_ENTRIES = 8192, MOST_LINES = 256, PAD = 4;
const int OUTSIDE = -(1 << 29), ONES = 1 << 27;  // as a row h: all entries are 0, or 1

// Where an entry of an operand is: its distance in memory, and its pixel where that may lie outside the image.
struct Where { int offset, h, w; };

__device__ inline Where operator+(Where a, Where b) { return {a.offset + b.offset, a.h + b.h, a.w + b.w}; }

// DEPTH_FIRST: neighbours in memory differ in depth, not in line.
template <bool FIRST, class Line, class Depth, class At>
struct Operand {
  static const bool DEPTH_FIRST = FIRST;
  Line line;
  Depth depth;
  At at;
};

template <bool DEPTH_FIRST, class Line, class Depth, class At>
__device__ inline Operand<DEPTH_FIRST, Line, Depth, At> operand(Line line, Depth depth, At at) {
  return {line, depth, at};
}

// The shared memory of a block: a tile of each operand, line after line at each depth, and the places of both.
struct Room {
  alignas(16) real a[DEPTH * (64 + PAD)], b[DEPTH * (MOST_LINES + PAD)];
  Where a_lines[64], b_lines[MOST_LINES], a_depths[DEPTH], b_depths[DEPTH];
};

struct alignas(16) Four { real value[4]; };

template <int LINES, class O>
__device__ inline void place_lines(Where* places, O operand, int first, int lines) {
  for (int line = threadIdx.x; line < LINES; line += THREADS)
    places[line] = first + line < lines ? operand.line(first + line) : Where{0, OUTSIDE, 0};
}

template <int LINES, class O>
__device__ inline void load_tile(real* tile, const Where* lines, const Where* depths, O operand) {
#pragma unroll 4
  for (int first = 0; first < LINES * DEPTH; first += THREADS) {
    int e = first + threadIdx.x;
    int line = O::DEPTH_FIRST ? e / DEPTH : e % LINES, k = O::DEPTH_FIRST ? e % DEPTH : e / LINES;
    Where place = lines[line] + depths[k];
    real entry = place.h > ONES / 2 ? real(1) : real(0);
    if (place.h > OUTSIDE / 2 && place.h < ONES / 2) entry = operand.at(place);
    tile[k * (LINES + PAD) + line] = entry;
  }
}

// Tiles have 32 rows and 256 columns where that takes fewer of them, else 64 and 128.
__device__ inline int tiles_of(int tile_rows, int rows, int columns) {
  int tile_columns = TILE_ENTRIES / tile_rows;
  return ((rows + tile_rows - 1) / tile_rows) * ((columns + tile_columns - 1) / tile_columns);
}

__device__ inline int tiles(int rows, int columns) {
  return min(tiles_of(32, rows, columns), tiles_of(64, rows, columns));
}

// store(row, column, sum over the depths from .. to - 1) for every entry of one tile of the result, by a block of
// 256 threads with 4 x 8 entries each.
template <int ROWS, class A, class B, class Store>
__device__ inline void sized_tile_product(
    Room& room, int tile, int rows, int columns, int from, int to, A a, B b, Store store) {
  const int COLUMNS = TILE_ENTRIES / ROWS;
  int across = (columns + COLUMNS - 1) / COLUMNS, row0 = tile / across * ROWS, column0 = tile % across * COLUMNS;
  int row = threadIdx.x / (COLUMNS / 8) * 4, column = threadIdx.x % (COLUMNS / 8) * 4;
  place_lines<ROWS>(room.a_lines, a, row0, rows);
  place_lines<COLUMNS>(room.b_lines, b, column0, columns);
  real sum[4][8] = {};
  for (int depth = from; depth < to; depth += DEPTH) {
    int k = threadIdx.x % DEPTH;
    if (threadIdx.x < DEPTH) room.a_depths[k] = depth + k < to ? a.depth(depth + k) : Where{0, OUTSIDE, 0};
    else if (threadIdx.x < 2 * DEPTH) room.b_depths[k] = depth + k < to ? b.depth(depth + k) : Where{0, OUTSIDE, 0};
    __syncthreads();
    load_tile<ROWS>(room.a, room.a_lines, room.a_depths, a);
    load_tile<COLUMNS>(room.b, room.b_lines, room.b_depths, b);
    __syncthreads();
#pragma unroll 2
    for (int k = 0; k < DEPTH; ++k) {
      const real* b_line = room.b + k * (COLUMNS + PAD) + column;
      Four left = *(const Four*)(room.a + k * (ROWS + PAD) + row);
      Four right[2] = {*(const Four*)b_line, *(const Four*)(b_line + COLUMNS / 2)};
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 8; ++j) sum[i][j] += left.value[i] * right[j / 4].value[j % 4];
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i)
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      int to_row = row0 + row + i, to_column = column0 + column + j / 4 * (COLUMNS / 2) + j % 4;
      if (to_row < rows && to_column < columns) store(to_row, to_column, sum[i][j]);
    }
}

template <class A, class B, class Store>
__device__ inline void tile_product(
    Room& room, int tile, int rows, int columns, int from, int to, A a, B b, Store store) {
  if (tiles_of(32, rows, columns) < tiles_of(64, rows, columns))
    sized_tile_product<32>(room, tile, rows, columns, from, to, a, b, store);
  else
    sized_tile_product<64>(room, tile, rows, columns, from, to, a, b, store);
}
