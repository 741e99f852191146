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
    AxisKernel<T> axis[3];  // the last ndim are set: z, y, x

    explicit Taps(const NufftProblem& p) : ndim(p.ndim), width(p.width) {
        if (ndim == 3) axis[0].set(p.nz, p.gz, width);
        axis[1].set(p.ny, p.gy, width);
        axis[2].set(p.nx, p.gx, width);
    }
    int outer() const { return 3 - ndim; }
    int rows() const { return ndim == 3 ? width * width : width; }
    int64_t outer_cell(const T* points, int64_t s) const {
        const AxisKernel<T>& a = axis[outer()];
        return place(double(points[s * ndim]), a.scale, a.grid, width).cell;
    }
    int64_t x_cell(const T* points, int64_t s) const {
        return place(double(points[s * ndim + ndim - 1]), axis[2].scale, axis[2].grid, width).cell;
    }
};

// The grid rows (2D) or planes (3D) that are in memory: those of cells first .. first + span, in a ring.
template <class T>
struct Ring {
    T* const* lines;      // of cells first, first + 1 ...: width - 1 more than span
    int64_t first, span;  // leftmost taps that may be asked for
    int64_t row_step;     // between rows of a plane (3D), in units of T
};

template <class T>
struct Block {
    int count, rows, row_stride, width;
    const int32_t* sample;  // positions in sorted order of these samples and `left` more to come
    int64_t left;
    // [count][row_stride]: where each row of taps begins, its weight, and its derivatives by the position along z and y
    T* line[kBlockSamples * kWidest * kWidest];
    alignas(64) T row_weight[kBlockSamples * kWidest * kWidest];
    alignas(64) T row_slope[2][kBlockSamples * kWidest * kWidest];
    // [count][kWidest]: weight within a row, and its derivative by the position along x
    alignas(64) T x_weight[kBlockSamples * kWidest];
    alignas(64) T x_slope[kBlockSamples * kWidest];
};

// Cells and x = 2 fraction - 1 of a block of samples along one axis.
template <class T>
struct Places {
    int64_t cell[kBlockSamples];
    alignas(64) T x[kBlockSamples];
};

template <class T>
inline void find_places(const AxisKernel<T>& axis, int width, const T* points, int64_t step, const int32_t* sample,
                        int count, Places<T>& out) {
    for (int s = 0; s < count; ++s) {
        const Place at = place(double(points[sample[s] * step]), axis.scale, axis.grid, width);
        out.cell[s] = std::min(std::max<int64_t>(at.cell, 0), axis.grid);
        out.x[s] = T(double(at.fraction) * (2.0 / double(int64_t(1) << kPositionBits)) - 1.0);
    }
    for (int s = count; s < kBlockSamples; ++s) out.x[s] = 0;
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
void make_block(const Taps<T>& taps, const Ring<T>& ring, const T* points, int64_t cell_reals, bool slopes,
                Block<T>& b) {
    const int w = taps.width, ndim = taps.ndim, outer = 3 - ndim, count = b.count;
    const AxisKernel<T>*axis = taps.axis, &x_axis = axis[2];
    b.rows = taps.rows();
    b.width = w;
    b.row_stride = ndim == 2 ? kWidest : b.rows;
    Places<T> at[3];
    for (int a = outer; a < 3; ++a) find_places(axis[a], w, points + a - outer, ndim, b.sample, count, at[a]);
    for (int s = 0; s < count; ++s)
        at[outer].cell[s] = std::min(std::max<int64_t>(at[outer].cell[s] - ring.first, 0), ring.span - 1);
    weigh(x_axis.taps, x_axis.degree, w, at[2], count, b.x_weight);
    if (slopes) weigh(x_axis.slopes, x_axis.degree - 1, w, at[2], count, b.x_slope);
    if (ndim == 2) {
        weigh(axis[1].taps, axis[1].degree, w, at[1], count, b.row_weight);
        if (slopes) weigh(axis[1].slopes, axis[1].degree - 1, w, at[1], count, b.row_slope[1]);
        for (int s = 0; s < count; ++s)
            for (int i = 0; i < w; ++i)
                b.line[s * kWidest + i] = ring.lines[at[1].cell[s] + i] + at[2].cell[s] * cell_reals;
        return;
    }
    alignas(64) T weight[2][kBlockSamples * kWidest], slope[2][kBlockSamples * kWidest];
    for (int a = 0; a < 2; ++a) {
        weigh(axis[a].taps, axis[a].degree, w, at[a], count, weight[a]);
        if (slopes) weigh(axis[a].slopes, axis[a].degree - 1, w, at[a], count, slope[a]);
    }
    for (int s = 0; s < count; ++s) {
        const int64_t offset = at[1].cell[s] * ring.row_step + at[2].cell[s] * cell_reals;
        const T *wz = weight[0] + s * kWidest, *wy = weight[1] + s * kWidest;
        const T *dz = slope[0] + s * kWidest, *dy = slope[1] + s * kWidest;
        for (int i = 0; i < w; ++i) {
            T* const line = ring.lines[at[0].cell[s] + i] + offset;
            const int q = s * b.row_stride + i * w;
            for (int j = 0; j < w; ++j) b.line[q + j] = line + j * ring.row_step;
            for (int j = 0; j < w; ++j) b.row_weight[q + j] = wz[i] * wy[j];
            if (!slopes) continue;
            for (int j = 0; j < w; ++j) b.row_slope[0][q + j] = dz[i] * wy[j];
            for (int j = 0; j < w; ++j) b.row_slope[1][q + j] = wz[i] * dy[j];
        }
    }
}

}  // namespace
}  // namespace mriops
