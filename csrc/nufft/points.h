// Where a coordinate falls on the grid, in integers: every instruction set and every device finds the same cell.
#pragma once
#include <cmath>
#include <cstdint>

#include "../core/hostdevice.h"
#include "nufft.h"

namespace mriops {

// A grid position in units of 2^-44 cells: exact to the rounding of a double for grids up to 2^9 cells, and within
// 64 bits for grids up to 2^18.
constexpr int kPositionBits = 44;

// Cells are counted from the leftmost tap of a kernel at coordinate 0, that is from -width/2: no sample has a tap left
// of cell 0, nor right of cell grid + width - 1. Cells at `grid` and beyond alias those at 0 and beyond.
struct Place {
    int64_t cell;      // of the leftmost tap, 0 .. grid
    int64_t fraction;  // distance of that tap from the left end of the kernel, in units of 2^-44 cells
};

// `coordinate` in [-n/2, n/2), `scale` = grid / n * 2^44.
MRIOPS_HD Place place(double coordinate, double scale, int64_t grid, int width) {
    const int64_t one = int64_t(1) << kPositionBits, period = grid * one;
    int64_t at = static_cast<int64_t>(coordinate * scale);
    at += at < 0 ? period : 0;
    at -= at >= period ? period : 0;
    const int64_t left = at - width * (one / 2);             // where the kernel begins
    const int64_t cell = (left + one - 1) >> kPositionBits;  // the first cell in it
    return {cell + width / 2, cell * one - left};
}

MRIOPS_HD double position_scale(int64_t n, int64_t grid) {
    return static_cast<double>(grid) * static_cast<double>(int64_t(1) << kPositionBits) / static_cast<double>(n);
}

// Into [-n/2, n/2). Exact: the result is a multiple of the last digit of a number that is not smaller.
template <class T>
MRIOPS_HD T wrapped(T coordinate, double n) {
    const double k = coordinate;
    if (k >= -n / 2 && k < n / 2) return coordinate;
    double rest = fmod(k, n);
    if (rest < -n / 2) rest += n;
    if (rest >= n / 2) rest -= n;
    return T(rest);
}

// Samples are sorted by tiles of this many cells along each axis, the slowest axis first.
constexpr int64_t kTileCells = 8;

// In planes with many samples beside cells also by cell within a tile: most samples then share their cells with a
// neighbour. Larger planes would need a larger table than the caches hold.
inline bool sorted_by_cell(const NufftProblem& p) {
    const int64_t cells = p.gy * p.gx;
    return p.ndim == 2 && p.samples >= cells / 2 && cells <= 1 << 22;
}

// What samples of a problem are sorted by, one axis after the other, the slowest first.
struct SortKey {
    int64_t tile = 0, within = 0;

    MRIOPS_HD void add(int64_t cell, int64_t tiles) {
        tile = tile * tiles + cell / kTileCells;
        within = within * kTileCells + cell % kTileCells;
    }
    MRIOPS_HD int64_t value(bool by_cell) const { return by_cell ? tile * (kTileCells * kTileCells) + within : tile; }
};

}  // namespace mriops
