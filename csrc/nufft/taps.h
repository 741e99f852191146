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
    int width, padded, degree;
    alignas(64) T taps[32 * kWidest];    // [degree + 1][padded]
    alignas(64) T slopes[32 * kWidest];  // derivative by the position, [degree][padded]

    void set(int64_t n, int64_t g, int w) {
        const SpreadingKernel& kernel = spreading_kernel(w, n, g, sizeof(T) == 4);
        grid = g;
        scale = position_scale(n, g);
        cells_per_unit = T(double(g) / double(n));
        width = w;
        padded = w <= 8 ? 8 : 16;
        degree = kernel.degree;
        std::fill_n(taps, 32 * kWidest, T(0));
        std::fill_n(slopes, 32 * kWidest, T(0));
        for (int k = 0; k <= degree; ++k)
            for (int j = 0; j < w; ++j) taps[k * padded + j] = T(kernel.taps[size_t(k * w + j)]);
        // Position and fraction run in opposite directions, and x = 2 fraction - 1.
        for (int k = 0; k < degree; ++k)
            for (int j = 0; j < w; ++j) slopes[k * padded + j] = T(-2 * (degree - k)) * taps[k * padded + j];
    }
};

// Horner's rule for all taps of one axis at once.
template <class T, int P>
inline void evaluate_padded(const T* coefficients, int degree, T x, T* out) {
    constexpr int V = std::min(P, Lanes<T>::width);
    typedef typename Narrow<T, V>::vec vec;
    vec sum[P / V];
    for (int i = 0; i < P / V; ++i) sum[i] = *reinterpret_cast<const vec*>(coefficients + i * V);
    for (int k = 1; k <= degree; ++k)
#pragma GCC unroll 16
        for (int i = 0; i < P / V; ++i)
            sum[i] = sum[i] * x + *reinterpret_cast<const vec*>(coefficients + k * P + i * V);
    for (int i = 0; i < P / V; ++i) *reinterpret_cast<vec*>(out + i * V) = sum[i];
}
template <class T>
inline void evaluate(const T* coefficients, int degree, int padded, T x, T* out) {
    if (padded == 8)
        evaluate_padded<T, 8>(coefficients, degree, x, out);
    else
        evaluate_padded<T, 16>(coefficients, degree, x, out);
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
    int count, rows, width;
    // [count][rows]: where each row of taps begins, its weight, and the derivatives of that by the position along z, y
    T* line[kBlockSamples * kWidest * kWidest];
    alignas(64) T row_weight[kBlockSamples * kWidest * kWidest];
    alignas(64) T row_slope[2][kBlockSamples * kWidest * kWidest];
    // [count][kWidest]: weight within a row, and its derivative by the position along x
    alignas(64) T x_weight[kBlockSamples * kWidest];
    alignas(64) T x_slope[kBlockSamples * kWidest];
};

template <class T>
MRIOPS_INLINE T unit_interval(int64_t fraction) {  // x = 2 fraction - 1
    return T(double(fraction) * (2.0 / double(int64_t(1) << kPositionBits)) - 1.0);
}

// Fills the block with samples first .. first + count. Coordinates that do not belong where a sorted plan has them are
// moved into the ring: a wrong plan gives a wrong result, not a wrong address.
template <class T>
void make_block(const Taps<T>& taps, const Ring<T>& ring, const T* points, int count, int64_t cell_reals, bool slopes,
                Block<T>& b) {
    const int w = taps.width, ndim = taps.ndim;
    b.count = count;
    b.rows = taps.rows();
    b.width = w;
    alignas(64) T weight[2][kWidest], slope[2][kWidest];
    for (int s = 0; s < count; ++s) {
        int64_t cell[3] = {};
        for (int a = 3 - ndim; a < 3; ++a) {
            const AxisKernel<T>& axis = taps.axis[a];
            const Place at = place(double(points[s * ndim + a - 3 + ndim]), axis.scale, axis.grid, w);
            cell[a] = std::min(std::max<int64_t>(at.cell, 0), axis.grid);
            const T x = unit_interval<T>(at.fraction);
            evaluate(axis.taps, axis.degree, axis.padded, x, a == 2 ? b.x_weight + s * kWidest : weight[a]);
            if (slopes)
                evaluate(axis.slopes, axis.degree - 1, axis.padded, x, a == 2 ? b.x_slope + s * kWidest : slope[a]);
        }
        const int outer = 3 - ndim, from = s * b.rows;
        const int64_t local = std::min(std::max<int64_t>(cell[outer] - ring.first, 0), ring.span - 1);
        if (ndim == 2) {
            for (int i = 0; i < w; ++i) {
                b.line[from + i] = ring.lines[local + i] + cell[2] * cell_reals;
                b.row_weight[from + i] = weight[1][i];
                if (slopes) b.row_slope[1][from + i] = slope[1][i];
            }
            continue;
        }
        const int64_t offset = cell[1] * ring.row_step + cell[2] * cell_reals;
        for (int i = 0; i < w; ++i)
            for (int j = 0; j < w; ++j) {
                const int q = from + i * w + j;
                b.line[q] = ring.lines[local + i] + offset + j * ring.row_step;
                b.row_weight[q] = weight[0][i] * weight[1][j];
                if (!slopes) continue;
                b.row_slope[0][q] = slope[0][i] * weight[1][j];
                b.row_slope[1][q] = weight[0][i] * slope[1][j];
            }
    }
}

}  // namespace
}  // namespace mriops
