// Where the arrays of a Toeplitz problem keep coil and batch item.
#pragma once
#include <algorithm>
#include <vector>

#include "../fft/columns.h"
#include "toeplitz.h"

namespace mriops {
namespace {

inline int64_t toeplitz_ceil(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The maps of one coil; without maps every step is 0 and `base` a row of ones.
template <class T>
struct CoilMap {
    const T* base;
    int64_t plane_step, row_step, vector_step;  // from z to z + 1, y to y + 1, x to x + width
    const T* at(int64_t z, int64_t y, int64_t vector) const {
        return base + z * plane_step + y * row_step + vector * vector_step;
    }
};

template <class T>
class ToeplitzArrays {
    static constexpr int W = Lanes<T>::width;

  public:
    // Without maps every coil of every batch item is an item of its own with one coil.
    ToeplitzArrays(const ToeplitzProblem& problem, const T* csm)
        : p(problem), voxels(p.nz * p.ny * p.nx), csm_(csm), ones_(size_t(2 * W)) {
        for (int l = 0; l < W; ++l) ones_[size_t(2 * l)] = 1;
        if (csm) return;
        p.batch *= p.coils;
        p.batch_per_kernel *= p.coils;
        p.coils = 1;
    }

    ToeplitzProblem p;
    int64_t voxels;

    int64_t image(int64_t b) const { return b * 2 * voxels; }
    int64_t kernel(int64_t item) const { return item * (p.ndim == 3 ? 8 : 4) * voxels; }
    int64_t row_step() const { return 2 * p.nx; }
    CoilMap<T> map(int64_t b, int64_t c) const {
        if (!csm_) return {ones_.data(), 0, 0, 0};
        return {csm_ + (b / p.batch_per_csm * p.coils + c) * 2 * voxels, 2 * p.ny * p.nx, 2 * p.nx, 2 * W};
    }
    int lanes(int64_t tile) const { return int(std::min<int64_t>(W, p.nx - tile * W)); }

  private:
    const T* csm_;
    std::vector<T> ones_;
};

}  // namespace
}  // namespace mriops
