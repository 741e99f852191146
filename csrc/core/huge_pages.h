// Large arrays on large pages: fewer page faults when they are new, fewer TLB misses when they are strided over.
#pragma once
#include <cstddef>
#include <cstdint>

namespace mriops {

constexpr size_t kHugePage = size_t(2) << 20;

// A hint for the whole huge pages inside [p, p + bytes); does nothing where the system has none. New memory costs one
// page fault per 4 KiB without it, which for an output of a few MiB takes longer than computing it.
void prefer_huge_pages(void* p, size_t bytes);

// The same of an array of complex values.
template <class T>
void prefer_huge_pages_for(T* array, int64_t values) {
    prefer_huge_pages(array, 2 * sizeof(T) * size_t(values));
}

}  // namespace mriops
