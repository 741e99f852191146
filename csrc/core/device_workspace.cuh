// The caller's workspace, handed out in pieces, and small tables that the host computes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gpu.h"

namespace mriops::gpu {

// Without memory it only counts, so that the size of a workspace is found by walking through the code that uses it.
class Memory {
  public:
    Memory(void* base, void* stream, bool dry)
        : base_(static_cast<char*>(base)), stream_(static_cast<Stream>(stream)), dry_(dry) {}
    template <class Item>
    Item* take(int64_t count) {
        const std::size_t at = used_;
        used_ += (static_cast<std::size_t>(count) * sizeof(Item) + 255) / 256 * 256;
        peak_ = used_ > peak_ ? used_ : peak_;
        return dry_ ? nullptr : reinterpret_cast<Item*>(base_ + at);
    }
    std::size_t used() const { return used_; }
    void release_to(std::size_t mark) { used_ = mark; }
    std::size_t peak() const { return peak_; }
    Stream stream() const { return stream_; }
    bool dry() const { return dry_; }

  private:
    char* base_;
    Stream stream_;
    bool dry_;
    std::size_t used_ = 0, peak_ = 0;
};

// Copies numbers of the host to the device as arguments of a kernel: nothing waits, nothing is kept alive, and a CUDA
// graph can record it.
template <class T>
void upload(const std::vector<T>& from, T* to, Stream);

}  // namespace mriops::gpu
