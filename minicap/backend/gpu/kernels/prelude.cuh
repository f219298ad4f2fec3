// What every kernel file begins with.  Compiled with -DREAL=float or double, -DLABEL=int or "long long".
//
// A parameter list says everything about a launch: the launcher reads it, comments too.  An array's comment
// begins with its shape in terms of the integers beside it, [N, 4 * H]; arrays are C-contiguous, smaller than
// 2^31 entries, and null only where the comment says "or null".  `real` is the dtype of the layer, `label` that
// of class and word indices.  No result depends on the order in which threads run.  What is hidden is multiplied by 0,
// as in the textbook, so that NaN and infinity stay to be seen.

typedef REAL real;
typedef LABEL label;
typedef unsigned long long word64;

#define KERNEL extern "C" __global__ void

// The thread's number in the whole launch; kernels without rows work on entry `thread()` and no other.
__device__ inline unsigned thread() { return blockIdx.x * blockDim.x + threadIdx.x; }

// Division, by two multiplications, of a number that is not negative: a division proper is some twenty instructions.
// inverse = floor((2^32 - 1) / by) makes the product's high half the quotient, or one less.
struct Divisor {
  unsigned by, inverse;

  __device__ explicit Divisor(int by) : by(by), inverse(~0u / by) {}
};

__device__ inline int operator/(int number, Divisor d) {
  unsigned quotient = __umulhi(number, d.inverse);
  return quotient + (number - quotient * d.by >= d.by);
}

__device__ inline int operator%(int number, Divisor d) { return number - number / d * d.by; }

__device__ inline real sigmoid(real x) { return real(0.5) * (tanh(real(0.5) * x) + 1); }

// Sum or maximum over the warp, in an order that is always the same; every thread gets it.  All threads must call it.
__device__ inline real sum_warp(real value) {
  for (int distance = 16; distance; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
  return value;
}

__device__ inline real max_warp(real value) {
  for (int distance = 16; distance; distance /= 2) value = fmax(value, __shfl_xor_sync(~0u, value, distance));
  return value;
}

// The same over the block, with room for 32 numbers in shared memory.
__device__ inline real sum_block(real value, real* shared) {
  value = sum_warp(value);
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
  __syncthreads();
  value = sum_warp(threadIdx.x % 32 < blockDim.x / 32 ? shared[threadIdx.x % 32] : real(0));
  __syncthreads();
  return value;
}

__device__ inline real max_block(real value, real* shared) {
  value = max_warp(value);
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
  __syncthreads();
  value = max_warp(shared[threadIdx.x % 32 % (blockDim.x / 32)]);
  __syncthreads();
  return value;
}

// Sums over parts[part * size + entry], of entry 32 * blockIdx.x + threadIdx.x % 32: eight warps share the parts, and the
// first one gets the sum.  With room for 256 numbers in shared memory.
__device__ inline real sum_parts(const real* partial, int parts, int size, real* shared) {
  int entry = blockIdx.x * 32 + threadIdx.x % 32;
  real sum = 0;
  if (entry < size) {
#pragma unroll 4
    for (int part = threadIdx.x / 32; part < parts; part += 8) sum += partial[part * size + entry];
  }
  shared[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x < 32)
    for (int slice = 1; slice < 8; ++slice) sum += shared[slice * 32 + threadIdx.x];
  return sum;
}
