// What spreading and interpolation need to know of a block of samples: rows of the grid, offset in a row, weights.
#pragma once
#include <algorithm>

#include "cells.h"
#include "nufft.h"
#include "points.h"
#include "spreading_kernel.h"

namespace mriops {
namespace {

constexpr int kBlockSamples = 32;
constexpr int kWidest = 16;

// The kernels of a problem's axes, slowest first, in the working precision and padded to whole vectors.
template <class T>
struct AxisKernel {
    int64_t grid;
    double scale;  // see position_scale
    T cells_per_unit;
    int degree;
    alignas(64) T taps[32 * kWidest];    // [degree + 1][kWidest]; up to 8 taps stand there twice
    alignas(64) T slopes[32 * kWidest];  // derivative by the position, [degree][kWidest]

    void set(int64_t n, int64_t g, int w) {
        const SpreadingKernel& kernel = spreading_kernel(w, n, g, sizeof(T) == 4);
        grid = g;
        scale = position_scale(n, g);
        cells_per_unit = T(double(g) / double(n));
        degree = kernel.degree;
        std::fill_n(taps, 32 * kWidest, T(0));
        std::fill_n(slopes, 32 * kWidest, T(0));
        for (int k = 0; k <= degree; ++k)
            for (int j = 0; j < w; ++j) {
                const T tap = T(kernel.taps[size_t(k * w + j)]);
                // Position and fraction run in opposite directions, and x = 2 fraction - 1.
                const T slope = T(-2 * (degree - k)) * tap;
                for (int copy = j; copy < kWidest; copy += w <= 8 ? 8 : kWidest) {
                    taps[k * kWidest + copy] = tap;
                    if (k < degree) slopes[k * kWidest + copy] = slope;
                }
            }
    }
};

template <class T>
MRIOPS_INLINE void store_lower(T* p, Vec<T> v) {
    std::memcpy(p, &v, sizeof v / 2);
}
namespace shuffle {
template <class T, int... I>
MRIOPS_INLINE Vec<T> swap_halves(Vec<T> v, std::integer_sequence<int, I...>) {
    return MRIOPS_SHUFFLE(v, v, ((I + Lanes<T>::width / 2) % Lanes<T>::width)...);
}
}  // namespace shuffle

// Horner's rule for P taps of `count` samples: out[s][kWidest]. A vector holds the taps of several samples or a part of
// those of one; a few run side by side to hide the latency of the chain.
template <class T, int P>
__attribute__((noinline)) void evaluate(const T* coefficients, int degree, const T* x, int count, T* out) {
    constexpr int L = Lanes<T>::width, samples = std::max(1, L / P), parts = std::max(1, P / L), at_once = 4;
    Vec<T> upper{};  // lanes of the second of two samples
    for (int l = P; l < L; ++l) upper[l] = 1;
    for (int s0 = 0; s0 < count; s0 += samples * at_once)
        for (int part = 0; part < parts; ++part) {
            const T* c = coefficients + part * L;
            Vec<T> sum[at_once], at[at_once];
#pragma GCC unroll 4
            for (int i = 0; i < at_once; ++i) {
                at[i] = x[s0 + i * samples] - Vec<T>{};
                if constexpr (samples == 2) at[i] = upper != 0 ? x[s0 + i * samples + 1] - Vec<T>{} : at[i];
                sum[i] = load_unaligned(c);
            }
            for (int k = 1; k <= degree; ++k) {
                const Vec<T> next = load_unaligned(c + k * kWidest);
#pragma GCC unroll 4
                for (int i = 0; i < at_once; ++i) sum[i] = sum[i] * at[i] + next;
            }
#pragma GCC unroll 4
            for (int i = 0; i < at_once; ++i) {
                T* to = out + (s0 + i * samples) * kWidest + part * L;
                if constexpr (samples == 2) {
                    store_lower(to, sum[i]);
                    store_lower(to + kWidest, shuffle::swap_halves<T>(sum[i], LaneIndex<T>{}));
                } else {
                    store_unaligned(to, sum[i]);
                }
            }
        }
}

template <class T>
struct Taps {
    int ndim, width;
    bool by_cell;           // how samples are sorted, see points.h
    AxisKernel<T> axis[3];  // the last ndim are set: z, y, x

    explicit Taps(const NufftProblem& p) : ndim(p.ndim), width(p.width), by_cell(sorted_by_cell(p)) {
        if (ndim == 3) axis[0].set(p.nz, p.gz, width);
        axis[1].set(p.ny, p.gy, width);
        axis[2].set(p.nx, p.gx, width);
    }
    int outer() const { return 3 - ndim; }
    int rows() const { return ndim == 3 ? width * width : width; }
    // Of the leftmost tap of a sample along an axis.
    int64_t cell(const T* points, int64_t s, int along) const {
        const AxisKernel<T>& a = axis[along];
        const int64_t at = place(double(points[s * ndim + along - outer()]), a.scale, a.grid, width).cell;
        return std::min(std::max<int64_t>(at, 0), a.grid);
    }
};

// The grid rows (2D) or planes (3D) that are in memory: those of cells first .. first + span, in a ring.
template <class T>
struct Ring {
    T* const* lines;      // of cells first, first + 1 ...: width - 1 more than span
    int64_t first, span;  // leftmost taps that may be asked for
    int64_t row_step;     // between rows of a plane (3D), in units of T
    CellPlaces cells;     // of a row
};

template <class T>
struct Block {
    int count, width, ndim;
    bool by_cell;      // how they are sorted, see points.h
    int64_t row_step;  // 3D: between rows of a plane, in units of T
    int64_t first;     // position in sorted order of the first of these samples
    T* const* lines;   // the ring's
    // [count]: the first line that the kernel reaches, and where on each of its lines the first row of taps begins
    int64_t row[kBlockSamples], offset[kBlockSamples];
    // [count]: how far behind its whole vectors the group of rests is that the first tap's cell is in, and which of
    // them it is
    int64_t rest[kBlockSamples];
    int lead[kBlockSamples];
    // Of the taps of samples s and s + 1.
    MRIOPS_INLINE bool same_cells_as_next(int s) const {
        return s + 1 < count && row[s + 1] == row[s] && offset[s + 1] == offset[s] && rest[s + 1] == rest[s] &&
               lead[s + 1] == lead[s];
    }
    // [axis][count][kWidest]: weights along z, y, x and their derivatives by the position; the last ndim are set
    alignas(64) T weight[3][kBlockSamples * kWidest];
    alignas(64) T slope[3][kBlockSamples * kWidest];
};

// Cells and x = 2 fraction - 1 of a block of samples along one axis.
template <class T>
struct Places {
    int64_t cell[kBlockSamples];
    alignas(64) T x[kBlockSamples];
};

template <class T>
inline void find_places(const AxisKernel<T>& axis, int width, const T* points, int64_t step, int count,
                        Places<T>& out) {
    double coordinate[kBlockSamples];
    for (int s = 0; s < count; ++s) coordinate[s] = double(points[s * step]);
    for (int s = count; s < kBlockSamples; ++s) coordinate[s] = 0;
    const double scale = axis.scale;
    const int64_t grid = axis.grid;
    for (int s = 0; s < kBlockSamples; ++s) {  // as many as there is room for, in whole vectors
        const Place at = place(coordinate[s], scale, grid, width);
        out.cell[s] = std::min(std::max<int64_t>(at.cell, 0), grid);
        out.x[s] = T(double(at.fraction) * (2.0 / double(int64_t(1) << kPositionBits)) - 1.0);
    }
}

template <class T>
inline void weigh(const T* coefficients, int degree, int width, const Places<T>& at, int count, T* out) {
    if (width <= 8)
        evaluate<T, 8>(coefficients, degree, at.x, count, out);
    else
        evaluate<T, 16>(coefficients, degree, at.x, count, out);
}

// Fills in lines and weights of the samples of the block. Coordinates that do not belong where a sorted plan has them
// are moved into the ring: a wrong plan gives a wrong result, not a wrong address.
template <class T>
void make_block(const Taps<T>& taps, const Ring<T>& ring, const T* points, bool slopes, Block<T>& b) {
    const int w = taps.width, ndim = taps.ndim, outer = 3 - ndim, count = b.count;
    b.width = w;
    b.ndim = ndim;
    b.by_cell = taps.by_cell;
    b.row_step = ring.row_step;
    Places<T> at[3];
    for (int a = outer; a < 3; ++a) {
        const AxisKernel<T>& axis = taps.axis[a];
        find_places(axis, w, points + b.first * ndim + a - outer, ndim, count, at[a]);
        weigh(axis.taps, axis.degree, w, at[a], count, b.weight[a]);
        if (slopes) weigh(axis.slopes, axis.degree - 1, w, at[a], count, b.slope[a]);
    }
    b.lines = ring.lines;
    const CellPlaces cells = ring.cells;
    for (int s = 0; s < kBlockSamples; ++s) {  // whole vectors, as in find_places
        const int64_t cell = at[2].cell[s], lead = cell & (cells.together - 1);
        b.row[s] = std::min(std::max<int64_t>(at[outer].cell[s] - ring.first, 0), ring.span - 1);
        b.offset[s] = cell * cells.whole;
        b.rest[s] = cells.rests + (cell - lead) * cells.rest - cell * cells.whole;
        b.lead[s] = int(lead);
    }
    if (ndim == 3)
        for (int s = 0; s < count; ++s) b.offset[s] += at[1].cell[s] * ring.row_step;
}

}  // namespace
}  // namespace mriops
