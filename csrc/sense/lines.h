// Which lines along x of a plane of k-space have a weight: the others are zero whatever the image, and are not read.
#pragma once
#include "../core/scratch.h"
#include "axes.h"

namespace mriops {
namespace {

struct Lines {
    int64_t count;
    const int64_t* at;    // [ny] centred index of y: `count` lines with weight, then those without
    const int64_t* kept;  // [ny] position of the y transform -> place in `at`, ny of a line without weight
};

// Valid until this thread asks for those of another plane. A line is never kept behind the position it comes from.
template <class T>
Lines lines_with_weight(const Weights<T>& weights, const Axes<T>& axes, int64_t kz) {
    const int64_t ny = axes.y.n;
    int64_t *at = scratch<int64_t>(Scratch::lines, size_t(2 * ny)), *kept = at + ny, count = 0, without = ny;
    for (int64_t k = 0; k < ny; ++k) {
        const int64_t y = axes.y.spectral(k);
        const bool any = weights.any_in_row(kz, y, axes.x.n);
        kept[k] = any ? count : ny;
        at[any ? count++ : --without] = y;
    }
    return {count, at, kept};
}

}  // namespace
}  // namespace mriops
