#include "scratch.h"

#include <cstdlib>
#include <new>

#include "huge_pages.h"

namespace mriops {
namespace {

struct Buffers {
    void* data[int(Scratch::count)] = {};
    size_t bytes[int(Scratch::count)] = {};
    bool compact[int(Scratch::count)] = {};
    void release(int i) {
        std::free(data[i]);
        data[i] = nullptr;
        bytes[i] = 0;
    }
    ~Buffers() {
        for (int i = 0; i < int(Scratch::count); ++i) release(i);
    }
};

thread_local Buffers buffers;

}  // namespace

void* scratch_bytes(Scratch purpose, size_t bytes, bool compact) {
    const int i = int(purpose);
    // A plane of a megabyte lies on one huge page: a pass down its columns touches a page of memory with every row, and
    // small pages scattered over memory crowd some sets of the cache while others stay empty.
    constexpr size_t kWorthOne = kHugePage / 4;
    compact = compact || bytes < kWorthOne;
    if (buffers.data[i] && buffers.bytes[i] >= bytes && (compact || !buffers.compact[i])) return buffers.data[i];
    buffers.release(i);
    const size_t alignment = compact ? 64 : kHugePage;
    const size_t rounded = (bytes / alignment + 1) * alignment;
    void* p = std::aligned_alloc(alignment, rounded);
    if (!p) throw std::bad_alloc();
    if (!compact) prefer_huge_pages(p, rounded);
    buffers.data[i] = p;
    buffers.bytes[i] = rounded;
    buffers.compact[i] = compact;
    return p;
}

void release_scratch() {
    for (int i = 0; i < int(Scratch::count); ++i) buffers.release(i);
}

}  // namespace mriops
