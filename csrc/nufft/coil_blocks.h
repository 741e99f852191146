// How many coils go through a transform together.
#pragma once
#include <algorithm>

#include "nufft.h"

namespace mriops {
namespace {

constexpr int kMostCoils = 16, kMostReals = 2 * kMostCoils;
// Of volumes: a cell is one line of memory. Kernels of larger cells are compiled for planes only.
template <class T>
constexpr int kMostCoilsOfVolumes = 32 / int(sizeof(T));

// More coils share the evaluation of the taps, fewer leave more of the cache to their rows and of the memory to others.
// The taps decide where samples are many beside cells. In volumes the spectrum is most of the memory, so that sharing
// has to gain more.
template <class T>
int64_t coils_per_block(const NufftProblem& p) {
    const int64_t cells = p.gz * p.gy * p.gx;
    int64_t most = kMostCoils * 4 / int64_t(sizeof(T));
    if (p.ndim == 3)
        most = p.samples >= cells / 4 ? kMostCoilsOfVolumes<T> : 4;
    else if (p.samples < cells && p.coils > 12)  // 12 are quicker together than as 8 and 4
        most = 8;
    const int64_t blocks = (p.coils + most - 1) / most,
                  even = std::min(most, ((p.coils + blocks - 1) / blocks + 3) / 4 * 4);
    return p.coils_at_once > 0 ? std::min(even, p.coils_at_once) : even;
}

}  // namespace
}  // namespace mriops
