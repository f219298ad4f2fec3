#include "cells.cuh"

// A recurrent layer over all steps in one launch, all but its products with x.
//
// A block owns `units` numbers of the state and some of the samples.  It keeps the units' part of Wh in shared memory
// throughout, and waits after each step for the `across` blocks that own the other units of its samples: all blocks
// must run at the same time.  A thread works on one unit of two samples.  Arrays over time are (N, T, ...).  Where a
// mask is 0, the step carries the state on as it is.

#ifndef DYNAMIC_SHARED
#define DYNAMIC_SHARED(type, name) extern __shared__ __align__(16) type name[]
#endif

const int THREADS = 256, CHUNK = 1024;  // CHUNK: numbers of a state that a block reads at a time

// The weights from one number of the state to the gates of one unit, or back.
template <int G> struct alignas(G == 4 ? 16 : sizeof(real)) Gates { real value[G]; };

// A number of the state of a thread's two samples, read at once.
struct alignas(2 * sizeof(real)) Pair { real value[2]; };

// What a block works on: units from `first_unit` on, and the groups of `samples` that begin at `first_sample`,
// `stride` apart.  And what a thread does: one unit, the samples 2 * pair and 2 * pair + 1 of a group.
struct Work {
  int units, first_unit, unit, samples, first_sample, stride, pair, across, group, depth;
  Divisor by_depth;
};

__device__ inline Work work_of(int units, int across) {
  int thread = threadIdx.x, samples = 2 * THREADS / units, depth = CHUNK / samples;
  int group = blockIdx.x / across, first_unit = blockIdx.x % across * units;
  int stride = int(gridDim.x) / across * samples;
  return {units, first_unit, thread % units, samples, group * samples, stride, thread / units, across, group, depth,
          Divisor(depth)};
}

// The block's part of Wh, (H, units) of G gates each.  BACKWARD: of its transpose.
template <int G, bool BACKWARD>
__device__ inline void load_weights(Work work, Gates<G>* weights, const real* Wh, int H) {
  Divisor by(BACKWARD ? H : work.units);
  for (int e = threadIdx.x; e < H * work.units; e += THREADS) {
    int k = BACKWARD ? e % by : e / by, u = BACKWARD ? e / by : e % by, unit = work.first_unit + u;
    for (int gate = 0; gate < G; ++gate) {
      int row = BACKWARD ? unit : k, column = gate * H + (BACKWARD ? k : unit);
      weights[k * work.units + u].value[gate] = unit < H ? Wh[row * G * H + column] : real(0);
    }
  }
}

// Adds to the sums of a thread's two samples: state(n, k) weights(k, unit), over all numbers k of the state.  STATES is
// how many there are of it: one for all gates, or G, one each.  state: (N, STATES * H), its rows `stride` apart.
// Other blocks have written it during this launch, so it is read past the L1 cache.
template <int G, int STATES>
__device__ inline void add_product(
    Work work, const Gates<G>* weights, real* tile, const real* state, int stride, int first, int N, int H,
    real (&sums)[2][G]) {
  const int READS = CHUNK / THREADS, line = work.samples + 2;
  real next[READS][STATES];  // the next tile is on its way while this one is worked on
  for (int depth = -work.depth; depth < H; depth += work.depth) {
    if (depth >= 0) {
      __syncthreads();
#pragma unroll
      for (int read = 0; read < READS; ++read) {
        int e = read * THREADS + threadIdx.x, k = e % work.by_depth, sample = e / work.by_depth;
#pragma unroll
        for (int i = 0; i < STATES; ++i) tile[(k * STATES + i) * line + sample] = next[read][i];
      }
      __syncthreads();
    }
#pragma unroll
    for (int read = 0; read < READS; ++read) {
      int e = read * THREADS + threadIdx.x;
      int k = depth + work.depth + e % work.by_depth, n = first + e / work.by_depth;
#pragma unroll
      for (int i = 0; i < STATES; ++i)
        next[read][i] = n < N && k < H ? __ldcg(state + n * stride + i * H + k) : real(0);
    }
    if (depth < 0) continue;
    int depths = min(work.depth, H - depth);
#pragma unroll 2
    for (int k = 0; k < depths; ++k) {
      Gates<G> weight = weights[(depth + k) * work.units + work.unit];
#pragma unroll
      for (int gate = 0; gate < G; ++gate) {
        Pair pair = *(const Pair*)(tile + (k * STATES + gate % STATES) * line + 2 * work.pair);
        sums[0][gate] += pair.value[0] * weight.value[gate];
        sums[1][gate] += pair.value[1] * weight.value[gate];
      }
    }
  }
}

// Waits for all `blocks` blocks that call it with this counter; what they wrote before, every thread then sees.
// Their additions come to 2^31: the top bit turns over and the others return to 0, ready for the next time.
__device__ inline void meet(int* counter, bool first, int blocks) {
  __syncthreads();
  if (threadIdx.x == 0) {
    const unsigned top = 1u << 31;
    unsigned* turn = (unsigned*)counter;
    __threadfence();
    unsigned before = atomicAdd(turn, first ? top - (blocks - 1) : 1u);
    while (((before ^ *(volatile unsigned*)turn) & top) == 0) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 700  // Pascal has no such instruction
      __nanosleep(20);
#endif
    }
    __threadfence();
  }
  __syncthreads();
}

__device__ inline void meet(Work work, int* barriers) {
  meet(barriers + work.group, work.first_unit == 0, work.across);
}

// In: gates = x Wx.  Out: gates i, f, o, g; prev_h, prev_c = the states that the steps began with; out = h.
KERNEL lstm_sequence(
    const real* Wh,    // [H, 4 * H]
    const real* b,     // [4 * H]
    const real* h0,    // [N, H]
    const real* c0,    // [N, H] or null
    const real* mask,  // [N, T] or null
    real* gates,       // [N, T, 4 * H]
    real* prev_h,      // [N, T, H]
    real* prev_c,      // [N, T, H]
    real* out,         // [N, T, H]
    int* barriers,     // [256]
    int units, int across, int N, int T, int H) {
  DYNAMIC_SHARED(real, shared);
  Work work = work_of(units, across);
  Gates<4>* weights = (Gates<4>*)shared;
  load_weights<4, false>(work, weights, Wh, H);
  int j = work.first_unit + work.unit;
  for (int t = 0; t < T; ++t) {
    for (int first = work.first_sample; first < N; first += work.stride) {
      real sums[2][4] = {};
      add_product<4, 1>(work, weights, shared + H * units * 4, t ? prev_h + t * H : h0, t ? T * H : H, first, N, H,
                        sums);
#pragma unroll
      for (int s = 0; s < 2; ++s) {
        int n = first + 2 * work.pair + s, step = n * T + t, place = step * H + j;
        if (n >= N || j >= H) continue;
        if (t == 0) prev_h[place] = h0[n * H + j], prev_c[place] = c0 ? c0[n * H + j] : real(0);
        real* a = gates + step * 4 * H + j;
        for (int gate = 0; gate < 4; ++gate) sums[s][gate] += a[gate * H] + b[gate * H + j];
        LstmCell cell = lstm_cell(sums[s], prev_c[place]);
        a[0] = cell.i, a[H] = cell.f, a[2 * H] = cell.o, a[3 * H] = cell.g;
        real next_h = carry(mask, step, cell.next_h, prev_h[place]);
        out[place] = next_h;
        if (t + 1 < T) prev_h[place + H] = next_h, prev_c[place + H] = carry(mask, step, cell.next_c, prev_c[place]);
      }
    }
    if (t + 1 < T) meet(work, barriers);
  }
}

// Out: da of all steps, and the gradients of h0 and c0.  Between the steps dh0 holds what reaches the state before past
// the product, and dc0 the gradient of the cell.
KERNEL lstm_sequence_gradient(
    const real* Wh,      // [H, 4 * H]
    const real* mask,    // [N, T] or null
    const real* gates,   // [N, T, 4 * H]
    const real* prev_c,  // [N, T, H]
    const real* dout,    // [N, T, H]
    real* da,            // [N, T, 4 * H]
    real* dh0,           // [N, H]
    real* dc0,           // [N, H]
    int* barriers,       // [256]
    int units, int across, int N, int T, int H) {
  DYNAMIC_SHARED(real, shared);
  Work work = work_of(units, across);
  Gates<4>* weights = (Gates<4>*)shared;
  load_weights<4, true>(work, weights, Wh, H);
  int j = work.first_unit + work.unit;
  for (int t = T - 1; t >= -1; --t) {
    for (int first = work.first_sample; first < N; first += work.stride) {
      real sums[2][4] = {};
      if (t + 1 < T)
        add_product<4, 4>(work, weights, shared + H * units * 4, da + (t + 1) * 4 * H, T * 4 * H, first, N, H, sums);
#pragma unroll
      for (int s = 0; s < 2; ++s) {
        int n = first + 2 * work.pair + s, step = n * T + t;
        if (n >= N || j >= H) continue;
        real &past = dh0[n * H + j], &dc = dc0[n * H + j];
        if (t + 1 == T) past = 0, dc = 0;
        real dh = sums[s][0] + sums[s][1] + sums[s][2] + sums[s][3] + past;
        past = dh;
        if (t < 0) continue;
        dh += dout[step * H + j];
        past = of_old(mask, step, dh);
        LstmGradient gradient = lstm_cell_gradient(
            gates + step * 4 * H + j, H, prev_c[step * H + j], of_next(mask, step, dh), of_next(mask, step, dc));
        for (int gate = 0; gate < 4; ++gate) da[(step * 4 + gate) * H + j] = gradient.da[gate];
        dc = gradient.dc + of_old(mask, step, dc);
      }
    }
    if (t >= 0) meet(work, barriers);
  }
}

// In: gates = x Wx.  Out: gates r, z, n; hn = h Wh_n + bh_n; prev_h, out as above.  The reset comes after the product.
KERNEL gru_sequence(
    const real* Wh,    // [H, 3 * H]
    const real* b,     // [3 * H]
    const real* bh,    // [3 * H]
    const real* h0,    // [N, H]
    const real* mask,  // [N, T] or null
    real* gates,       // [N, T, 3 * H]
    real* hn,          // [N, T, H]
    real* prev_h,      // [N, T, H]
    real* out,         // [N, T, H]
    int* barriers,     // [256]
    int units, int across, int N, int T, int H) {
  DYNAMIC_SHARED(real, shared);
  Work work = work_of(units, across);
  Gates<3>* weights = (Gates<3>*)shared;
  load_weights<3, false>(work, weights, Wh, H);
  int j = work.first_unit + work.unit;
  for (int t = 0; t < T; ++t) {
    for (int first = work.first_sample; first < N; first += work.stride) {
      real sums[2][3] = {};
      add_product<3, 1>(work, weights, shared + H * units * 3, t ? prev_h + t * H : h0, t ? T * H : H, first, N, H,
                        sums);
#pragma unroll
      for (int s = 0; s < 2; ++s) {
        int n = first + 2 * work.pair + s, step = n * T + t, place = step * H + j;
        if (n >= N || j >= H) continue;
        if (t == 0) prev_h[place] = h0[n * H + j];
        real* gate = gates + step * 3 * H + j;
        real a[3];
        for (int block = 0; block < 3; ++block) {
          a[block] = gate[block * H] + b[block * H + j];
          sums[s][block] += bh[block * H + j];
        }
        GruCell cell = gru_cell(a, sums[s], prev_h[place]);
        gate[0] = cell.r, gate[H] = cell.z, gate[2 * H] = cell.n;
        hn[place] = cell.hn;
        real next_h = carry(mask, step, cell.next_h, prev_h[place]);
        out[place] = next_h;
        if (t + 1 < T) prev_h[place + H] = next_h;
      }
    }
    if (t + 1 < T) meet(work, barriers);
  }
}

// Out: da of x Wx + b and du of h Wh + bh of all steps, and the gradient of h0, which is used as above.
KERNEL gru_sequence_gradient(
    const real* Wh,      // [H, 3 * H]
    const real* mask,    // [N, T] or null
    const real* gates,   // [N, T, 3 * H]
    const real* hn,      // [N, T, H]
    const real* prev_h,  // [N, T, H]
    const real* dout,    // [N, T, H]
    real* da,            // [N, T, 3 * H]
    real* du,            // [N, T, 3 * H]
    real* dh0,           // [N, H]
    int* barriers,       // [256]
    int units, int across, int N, int T, int H) {
  DYNAMIC_SHARED(real, shared);
  Work work = work_of(units, across);
  Gates<3>* weights = (Gates<3>*)shared;
  load_weights<3, true>(work, weights, Wh, H);
  int j = work.first_unit + work.unit;
  for (int t = T - 1; t >= -1; --t) {
    for (int first = work.first_sample; first < N; first += work.stride) {
      real sums[2][3] = {};
      if (t + 1 < T)
        add_product<3, 3>(work, weights, shared + H * units * 3, du + (t + 1) * 3 * H, T * 3 * H, first, N, H, sums);
#pragma unroll
      for (int s = 0; s < 2; ++s) {
        int n = first + 2 * work.pair + s, step = n * T + t;
        if (n >= N || j >= H) continue;
        real& past = dh0[n * H + j];
        if (t + 1 == T) past = 0;
        real dh = sums[s][0] + sums[s][1] + sums[s][2] + past;
        past = dh;
        if (t < 0) continue;
        dh += dout[step * H + j];
        GruGradient gradient = gru_cell_gradient(
            gates + step * 3 * H + j, H, hn[step * H + j], prev_h[step * H + j], of_next(mask, step, dh));
        for (int gate = 0; gate < 3; ++gate) {
          da[(step * 3 + gate) * H + j] = gradient.da[gate];
          du[(step * 3 + gate) * H + j] = gradient.du[gate];
        }
        past = gradient.carried + of_old(mask, step, dh);
      }
    }
    if (t >= 0) meet(work, barriers);
  }
}

// In: out = x Wx.  Out: out = h, prev_h.
KERNEL rnn_sequence(
    const real* Wh,    // [H, H]
    const real* b,     // [H]
    const real* h0,    // [N, H]
    const real* mask,  // [N, T] or null
    real* prev_h,      // [N, T, H]
    real* out,         // [N, T, H]
    int* barriers,     // [256]
    int relu, int units, int across, int N, int T, int H) {
  DYNAMIC_SHARED(real, shared);
  Work work = work_of(units, across);
  Gates<1>* weights = (Gates<1>*)shared;
  load_weights<1, false>(work, weights, Wh, H);
  int j = work.first_unit + work.unit;
  for (int t = 0; t < T; ++t) {
    for (int first = work.first_sample; first < N; first += work.stride) {
      real sums[2][1] = {};
      add_product<1, 1>(work, weights, shared + H * units, t ? prev_h + t * H : h0, t ? T * H : H, first, N, H, sums);
#pragma unroll
      for (int s = 0; s < 2; ++s) {
        int n = first + 2 * work.pair + s, step = n * T + t, place = step * H + j;
        if (n >= N || j >= H) continue;
        if (t == 0) prev_h[place] = h0[n * H + j];
        real next_h = carry(mask, step, rnn_cell(out[place] + sums[s][0] + b[j], relu), prev_h[place]);
        out[place] = next_h;
        if (t + 1 < T) prev_h[place + H] = next_h;
      }
    }
    if (t + 1 < T) meet(work, barriers);
  }
}

KERNEL rnn_sequence_gradient(
    const real* Wh,    // [H, H]
    const real* mask,  // [N, T] or null
    const real* h,     // [N, T, H]
    const real* dout,  // [N, T, H]
    real* da,          // [N, T, H]
    real* dh0,         // [N, H]
    int* barriers,     // [256]
    int relu, int units, int across, int N, int T, int H) {
  DYNAMIC_SHARED(real, shared);
  Work work = work_of(units, across);
  Gates<1>* weights = (Gates<1>*)shared;
  load_weights<1, true>(work, weights, Wh, H);
  int j = work.first_unit + work.unit;
  for (int t = T - 1; t >= -1; --t) {
    for (int first = work.first_sample; first < N; first += work.stride) {
      real sums[2][1] = {};
      if (t + 1 < T)
        add_product<1, 1>(work, weights, shared + H * units, da + (t + 1) * H, T * H, first, N, H, sums);
#pragma unroll
      for (int s = 0; s < 2; ++s) {
        int n = first + 2 * work.pair + s, step = n * T + t, place = step * H + j;
        if (n >= N || j >= H) continue;
        real& past = dh0[n * H + j];
        if (t + 1 == T) past = 0;
        real dh = sums[s][0] + past;
        past = dh;
        if (t < 0) continue;
        dh += dout[place];
        da[place] = of_next(mask, step, dh) * rnn_cell_slope(h[place], relu);
        past = of_old(mask, step, dh);
      }
    }
    if (t >= 0) meet(work, barriers);
  }
}
