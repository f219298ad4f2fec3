// What ThreadSanitizer is told of the executor: every CUDA thread is a thread of its own, a barrier orders what it
// orders on a GPU, and the executor's bookkeeping is not looked at.  Included by cuda_on_cpu.h.
#pragma once

#if defined(__SANITIZE_THREAD__)
#define RACES_UNSEEN __attribute__((no_sanitize("thread")))

extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}

namespace on_cpu::races {

const bool ARE_SOUGHT = true;

// Of an OS thread: a fibre for each CUDA thread of its block, and how many barriers each has passed.  Two addresses
// take turns for each barrier, so that who runs ahead to the next does not count as there already.
struct State {
  void *scheduler, *threads[1024];
  unsigned char passed[2][1024];
  char begun, ended, at_block[2], at_warp[32][2];
};

inline thread_local State state;

RACES_UNSEEN inline void become(void* fibre) { __tsan_switch_to_fiber(fibre, 1); }  // 1: the switch orders nothing

RACES_UNSEEN inline char* address(bool of_warp, int number) {
  int turn = state.passed[of_warp][number] & 1;
  return of_warp ? &state.at_warp[number / 32][turn] : &state.at_block[turn];
}

// A thread comes to a barrier, and leaves it; in between the scheduler works.
RACES_UNSEEN inline void arrive(bool of_warp, int number) {
  __tsan_release(address(of_warp, number));
  become(state.scheduler);
}

RACES_UNSEEN inline void leave(bool of_warp, int number) {
  become(state.threads[number]);
  __tsan_acquire(address(of_warp, number));
  ++state.passed[of_warp][number];
}

RACES_UNSEEN inline void begin(int number) {
  become(state.threads[number]);
  __tsan_acquire(&state.begun);
}

RACES_UNSEEN inline void end() {
  __tsan_release(&state.ended);
  become(state.scheduler);
}

// A block, after all that came before it on this OS thread.
struct Block {
  explicit Block(int count) {
    for (int i = 0; i < count; ++i)
      if (!state.threads[i]) state.threads[i] = __tsan_create_fiber(0);
    __tsan_release(&state.begun);
  }
  ~Block() { __tsan_acquire(&state.ended); }
};

struct Scheduler {
  Scheduler() {
    state.scheduler = __tsan_get_current_fiber();
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Scheduler() {
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    for (void*& thread : state.threads)
      if (thread) __tsan_destroy_fiber(thread), thread = nullptr;
  }
};

}  // namespace on_cpu::races
#else
#define RACES_UNSEEN
namespace on_cpu::races {

const bool ARE_SOUGHT = false;
struct Block { explicit Block(int) {} };
struct Scheduler { Scheduler() {} };
inline void arrive(bool, int) {}
inline void leave(bool, int) {}
inline void begin(int) {}
inline void end() {}

}  // namespace on_cpu::races
#endif
