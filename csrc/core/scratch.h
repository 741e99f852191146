// Working memory of a thread: kept between calls, so that a kernel pays no page faults after its first call.
#pragma once
#include <cstddef>

namespace mriops {

// What a buffer is for. Buffers of different purpose never alias; a thread has one of each.
enum class Scratch : int { image, accumulator, columns, rows, lines, weights, work, count };

// At least `bytes` bytes, 64-byte aligned, contents undefined; valid until this thread asks for more of the same
// purpose. `compact`: large pages, of which the last one is never full, are not asked for.
void* scratch_bytes(Scratch purpose, size_t bytes, bool compact = false);

template <class T>
T* scratch(Scratch purpose, size_t count, bool compact = false) {
    return static_cast<T*>(scratch_bytes(purpose, count * sizeof(T), compact));
}

// Gives back what the calling thread holds.
void release_scratch();

}  // namespace mriops
