// Lines that two neighbouring chunks add to: the chunk that comes first leaves its share, the other adds it to its own
// and goes on with the sum, whichever comes first. a + b is b + a, so results do not depend on that.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace mriops {
namespace {

template <class T>
class Seams {
  public:
    // `lines` lines of `reals` numbers where each chunk begins, which the one before it (the last before the first)
    // adds to as well.
    Seams(int64_t chunks, int64_t lines, int64_t reals, T* memory)
        : lines_(lines),
          reals_(reals),
          memory_(memory),
          kept_(size_t(chunks * lines)),
          locks_(new std::mutex[chunks]) {}
    static int64_t size(int64_t chunks, int64_t lines, int64_t reals) { return chunks * lines * reals; }

    // Line i of the seam where a chunk begins: false if its other share is still to come; else `line` is the sum now.
    bool join(int64_t chunk, int64_t i, T* line) {
        const int64_t at = chunk * lines_ + i;
        T* const share = memory_ + at * reals_;
        const std::lock_guard<std::mutex> lock(locks_[chunk]);
        if (kept_[size_t(at)]) {
            for (int64_t k = 0; k < reals_; ++k) line[k] += share[k];
            return true;
        }
        std::copy_n(line, reals_, share);
        kept_[size_t(at)] = 1;
        return false;
    }

  private:
    int64_t lines_, reals_;
    T* memory_;
    std::vector<char> kept_;
    std::unique_ptr<std::mutex[]> locks_;
};

}  // namespace
}  // namespace mriops
