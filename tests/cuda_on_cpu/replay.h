// Replays launches that replay.py has recorded, in a program of its own: ThreadSanitizer wants to be there from the
// start.  Included behind the kernels; REPLAYED lists them.
#include <stdlib.h>

namespace replay {

inline FILE* file;

template <class T>
T number() {
  T value;
  if (fread(&value, sizeof value, 1, file) != 1) abort();
  return value;
}

inline char* bytes(size_t count) {
  char* room = (char*)aligned_alloc(64, (count + 63) / 64 * 64 + 64);
  if (fread(room, 1, count, file) != count) abort();
  return room;
}

struct Kernel { const char* name; int (*launch)(on_cpu::Launch*, void**); };
extern const Kernel kernels[];

// Memory of its arrays, then its arguments: a place in one of the arrays, or a number.
inline int launch() {
  int kernel = number<int>();
  on_cpu::Launch how = {};
  for (unsigned& size : how.grid) size = number<unsigned>();
  for (unsigned& size : how.block) size = number<unsigned>();
  how.shared_bytes = number<uint64_t>();
  how.cooperative = number<int>();
  how.order = on_cpu::Order(number<int>());
  std::vector<char*> memory, numbers;
  for (int left = number<int>(); left; --left) memory.push_back(bytes(number<uint64_t>()));
  std::vector<void*> places, arguments;
  int count = number<int>();
  places.reserve(count);
  for (int i = 0; i < count; ++i) {
    int array = number<int>();
    uint64_t size = number<uint64_t>();
    if (array < 0) {
      numbers.push_back(bytes(size));
      arguments.push_back(numbers.back());
    } else {
      places.push_back(memory[array] + size);
      arguments.push_back(&places.back());
    }
  }
  int error = kernels[kernel].launch(&how, arguments.data());
  printf("%s %d\n", kernels[kernel].name, error);
  for (char* room : memory) free(room);
  for (char* room : numbers) free(room);
  return error;
}

}  // namespace replay

int main(int, char** arguments) {
  replay::file = fopen(arguments[1], "rb");
  if (!replay::file) return 2;
  for (int left = replay::number<int>(); left; --left)
    if (replay::launch()) return 3;
  return 0;
}
