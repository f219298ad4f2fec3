// Runs CUDA C++ kernels on the CPU: for correctness, not for speed, and without the GPU's memory model.
//
// Blocks run one after the other (those of a cooperative launch at once, an OS thread each).  Inside a block
// every CUDA thread that waits is a fibre: barriers of the block, the warp and the grid are real, and a barrier
// that not every thread of its scope reaches is an error, not a deadlock.  Threads and blocks start in forward,
// reversed or shuffled order; correct results do not depend on it.  Shared memory holds garbage at first.
// Built with -fsanitize=thread, every CUDA thread is one to ThreadSanitizer, too (races.h).
#pragma once
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __shared__ static thread_local

struct dim3 { unsigned x = 1, y = 1, z = 1; };
struct alignas(16) float4 { float x, y, z, w; };

inline thread_local dim3 threadIdx, blockIdx, blockDim, gridDim;

#include "races.h"

namespace on_cpu {

enum Order { FORWARD, REVERSED, SHUFFLED };
enum Error { NONE, DIVERGED, TOO_LARGE };
enum State { UNSTARTED, READY, AT_WARP, AT_BLOCK, AT_GRID, NEVER, DONE };

// Where the blocks of a cooperative launch wait for each other, each on its OS thread.
struct GridBarrier {
  std::mutex mutex;
  std::condition_variable everyone;
  long missing, blocks;
  unsigned round = 0;
  bool broken = false;

  explicit GridBarrier(long count) : missing(count), blocks(count) {}

  // False when a block has failed and will never come.
  bool wait() {
    std::unique_lock<std::mutex> lock(mutex);
    if (--missing == 0) {
      missing = blocks;
      ++round;
      everyone.notify_all();
    } else {
      unsigned mine = round;
      everyone.wait(lock, [&] { return broken || round != mine; });
    }
    return !broken;
  }

  void fail() {
    std::lock_guard<std::mutex> lock(mutex);
    broken = true;
    everyone.notify_all();
  }
};

struct Fibre {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
};

struct Thread {
  State state = UNSTARTED;
  Fibre* fibre = nullptr;  // where it waits
};

// The fibres and threads of the block that this OS thread is running.
struct Block {
  std::vector<Thread> threads;
  std::vector<int> order;  // in which threads start, and go on after a barrier
  size_t next = 0;         // of `order`, to be started
  int current = 0;
  ucontext_t scheduler;
  Fibre* running = nullptr;
  std::vector<std::unique_ptr<Fibre>> fibres;
  std::vector<Fibre*> idle, spent;  // spent: idle again in the next block
  std::vector<std::array<char, 8>> lanes;  // what each thread hands over in a shuffle
  void (*kernel)(void*) = nullptr;
  void* arguments = nullptr;
  GridBarrier* grid = nullptr;  // of a cooperative launch
};

inline thread_local Block* block = nullptr;
inline thread_local char* dynamic_shared = nullptr;
inline std::atomic<int> error{NONE};

inline int thread_number() { return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z); }

inline void become(int number) {
  block->current = number;
  unsigned n = number;
  threadIdx = {n % blockDim.x, n / blockDim.x % blockDim.y, n / (blockDim.x * blockDim.y)};
}

inline void wait(State barrier) {
  races::arrive(barrier == AT_WARP, block->current);
  int number = block->current;
  Thread& me = block->threads[number];
  me.state = barrier;
  me.fibre = block->running;
  swapcontext(&me.fibre->context, &block->scheduler);
  become(number);
  races::leave(barrier == AT_WARP, number);
}

// Every fibre starts threads for as long as there are any; one that never waits needs no fibre of its own.
RACES_UNSEEN inline void fibre_main() {
  for (;;) {
    while (block->next < block->order.size()) {
      become(block->order[block->next++]);
      int number = block->current;
      block->threads[number].state = READY;
      races::begin(number);
      block->kernel(block->arguments);
      races::end();
      block->threads[number].state = DONE;
      if (races::ARE_SOUGHT) break;  // on one stack, threads would come one after the other
    }
    Fibre* self = block->running;
    (races::ARE_SOUGHT ? block->spent : block->idle).push_back(self);
    swapcontext(&self->context, &block->scheduler);
  }
}

RACES_UNSEEN inline void resume(Fibre* fibre) {
  block->running = fibre;
  swapcontext(&block->scheduler, &fibre->context);
}

RACES_UNSEEN inline void start_threads() {
  while (block->next < block->order.size()) {
    if (block->idle.empty()) {
      const size_t bytes = 128 << 10;
      block->fibres.push_back(std::make_unique<Fibre>());
      Fibre* fresh = block->fibres.back().get();
      fresh->stack.reset(new char[bytes]);
      getcontext(&fresh->context);
      fresh->context.uc_stack.ss_sp = fresh->stack.get();
      fresh->context.uc_stack.ss_size = bytes;
      fresh->context.uc_link = nullptr;
      makecontext(&fresh->context, fibre_main, 0);
      block->idle.push_back(fresh);
    }
    Fibre* fibre = block->idle.back();
    block->idle.pop_back();
    resume(fibre);
  }
}

inline void arrange(std::vector<int>& order, Order how, uint64_t& seed) {
  if (how == REVERSED) std::sort(order.begin(), order.end(), [](int a, int b) { return a > b; });
  if (how != SHUFFLED) return;
  for (size_t i = order.size(); i > 1; --i) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    std::swap(order[i - 1], order[(seed >> 33) % i]);
  }
}

// Threads [first, last) that wait at the barrier go on, when all that are not done wait there.  Gives how many.
inline int release(State barrier, int first, int last, bool done_count) {
  int waiting = 0, others = 0;
  for (int i = first; i < last; ++i) {
    State state = block->threads[i].state;
    waiting += state == barrier;
    others += state != barrier && (done_count || state != DONE);
  }
  if (!waiting || others) return 0;
  for (int i = first; i < last; ++i)
    if (block->threads[i].state == barrier) block->threads[i].state = READY;
  return waiting;
}

RACES_UNSEEN inline bool run_block(Order how, uint64_t seed) {
  int count = blockDim.x * blockDim.y * blockDim.z;
  block->threads.assign(count, Thread());
  block->lanes.resize(count);
  block->order.resize(count);
  for (int i = 0; i < count; ++i) block->order[i] = i;
  arrange(block->order, how, seed);
  block->next = 0;
  block->idle.insert(block->idle.end(), block->spent.begin(), block->spent.end());
  block->spent.clear();
  races::Block races(count);
  start_threads();
  for (;;) {
    int done = 0, released = 0;
    for (Thread& thread : block->threads) done += thread.state == DONE;
    if (done == count) return true;
    // One warp at a time goes on, as far as the next barrier of the block: the others may be that far behind.
    int warps = (count + 31) / 32;
    for (int w = 0; w < count; w += 32) release(AT_WARP, w, std::min(w + 32, count), true);
    int ready = 0;
    for (Thread& thread : block->threads) ready += thread.state == READY;
    if (!ready) {
      released += release(AT_BLOCK, 0, count, true);
      if (!released && block->grid && release(AT_GRID, 0, count, true)) {
        ++released;
        if (!block->grid->wait()) return false;
      }
      if (!released) return false;
    }
    arrange(block->order, how, seed);
    int chosen = -1;
    for (int number : block->order) {
      Thread& thread = block->threads[number];
      if (thread.state != READY) continue;
      if (chosen < 0) chosen = number / 32;
      if (number / 32 == chosen) resume(thread.fibre);
    }
  }
}

struct Launch {
  unsigned grid[3], block[3];
  uint64_t shared_bytes;
  int cooperative;
  Order order;
  void (*kernel)(void*);
  void* arguments;
  GridBarrier* barrier;
  long first, last;  // blocks to be run by this OS thread
};

RACES_UNSEEN inline void* run_blocks(void* given) {
  Launch& launch = *(Launch*)given;
  races::Scheduler scheduler;
  Block own;
  block = &own;
  own.kernel = launch.kernel;
  own.arguments = launch.arguments;
  own.grid = launch.barrier;
  gridDim = {launch.grid[0], launch.grid[1], launch.grid[2]};
  blockDim = {launch.block[0], launch.block[1], launch.block[2]};
  std::vector<int> order;
  for (long number = launch.first; number < launch.last; ++number) order.push_back(int(number));
  uint64_t seed = 1;
  arrange(order, launch.order, seed);
  std::unique_ptr<char[]> shared(new char[launch.shared_bytes + 16]);
  for (int number : order) {
    unsigned n = number;
    blockIdx = {n % gridDim.x, n / gridDim.x % gridDim.y, n / (gridDim.x * gridDim.y)};
    memset(shared.get(), 0xCD, launch.shared_bytes);
    dynamic_shared = shared.get();
    if (!run_block(launch.order, n + 1)) {
      error = DIVERGED;
      if (launch.barrier) launch.barrier->fail();
      break;
    }
  }
  block = nullptr;
  return nullptr;
}

inline int run(Launch launch) {
  long threads = 1, blocks = 1;
  for (int axis = 0; axis < 3; ++axis) threads *= launch.block[axis], blocks *= launch.grid[axis];
  if (threads > 1024 || launch.shared_bytes > 232448 || blocks > 2147483647L) return TOO_LARGE;
  error = NONE;
  if (!launch.cooperative) {
    launch.barrier = nullptr, launch.first = 0, launch.last = blocks;
    run_blocks(&launch);
    return error;
  }
  GridBarrier barrier(blocks);
  std::vector<Launch> parts(blocks, launch);
  std::vector<pthread_t> workers(blocks);
  for (long i = 0; i < blocks; ++i) {
    parts[i].barrier = &barrier, parts[i].first = i, parts[i].last = i + 1;
    pthread_create(&workers[i], nullptr, run_blocks, &parts[i]);
  }
  for (pthread_t worker : workers) pthread_join(worker, nullptr);
  return error;
}

// The kernel's types, taken from its signature: how many bytes each argument has, and how to call it.
template <class... A>
struct Signature {
  struct Call { void (*kernel)(A...); void** values; };
  template <size_t... I>
  static void call(Call& call, std::index_sequence<I...>) { call.kernel(*(A*)call.values[I]...); }
  static void enter(void* given) { call(*(Call*)given, std::index_sequence_for<A...>()); }
};

template <class... A>
int launch(void (*kernel)(A...), Launch& launch, void** values) {
  typename Signature<A...>::Call call{kernel, values};
  launch.kernel = Signature<A...>::enter;
  launch.arguments = &call;
  return run(launch);
}

template <class... A>
int sizes(void (*)(A...), int* bytes) {
  int count = 0;
  ((bytes[count++] = sizeof(A)), ...);
  return count;
}

template <class T>
T shuffle(T value, int lane) {
  static_assert(sizeof(T) <= 8);
  int me = thread_number(), from = (me & ~31) + (lane & 31);
  memcpy(&block->lanes[me], &value, sizeof value);
  wait(AT_WARP);
  if (from < int(block->lanes.size())) memcpy(&value, &block->lanes[from], sizeof value);
  wait(AT_WARP);
  return value;
}

inline int lane() { return thread_number() & 31; }

}  // namespace on_cpu

#define DYNAMIC_SHARED(type, name) type* name = (type*)on_cpu::dynamic_shared

inline void __syncthreads() { on_cpu::wait(on_cpu::AT_BLOCK); }
inline void __threadfence() { std::atomic_thread_fence(std::memory_order_seq_cst); }

template <class T> T __shfl_sync(unsigned, T value, int lane) { return on_cpu::shuffle(value, lane); }
template <class T> T __shfl_xor_sync(unsigned, T value, int mask) {
  return on_cpu::shuffle(value, on_cpu::lane() ^ mask);
}
template <class T> T __shfl_down_sync(unsigned, T value, int by) {
  int lane = on_cpu::lane();
  return on_cpu::shuffle(value, lane + by < 32 ? lane + by : lane);
}
template <class T> T __ldcg(const T* address) { return *address; }

// A thread that polls for another block lets that run; it waits in vain without a cooperative launch, or when a block
// has failed.
inline void __nanosleep(unsigned) {
  if (!on_cpu::block->grid || on_cpu::error) on_cpu::wait(on_cpu::NEVER);
  sched_yield();
}

inline int atomicAdd(int* address, int value) { return __atomic_fetch_add(address, value, __ATOMIC_SEQ_CST); }
inline unsigned atomicAdd(unsigned* address, unsigned value) {
  return __atomic_fetch_add(address, value, __ATOMIC_SEQ_CST);
}

inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((unsigned long long)a * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}
using std::max;
using std::min;

namespace cooperative_groups {
struct grid_group { void sync() { on_cpu::wait(on_cpu::AT_GRID); } };
inline grid_group this_grid() { return {}; }
}  // namespace cooperative_groups

#define ON_CPU(name)                                                                     \
  extern "C" int name##__launch(on_cpu::Launch* how, void** values) {                    \
    return on_cpu::launch(name, *how, values);                                           \
  }                                                                                      \
  extern "C" int name##__sizes(int* bytes) { return on_cpu::sizes(name, bytes); }
