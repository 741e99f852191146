// The inner loops: sums of taps over the grid for a block of samples, all coils of a cell at once.
#pragma once
#include "cells.h"
#include "taps.h"

namespace mriops {
namespace {

// The weights of one row of taps, each in all lanes. W = 0: as many as `width` says.
template <class T, int W>
struct RowWeights {
    Vec<T> w[W];
    MRIOPS_INLINE RowWeights(const T* weight, int) {
#pragma GCC unroll 16
        for (int j = 0; j < W; ++j) w[j] = weight[j] - Vec<T>{};
    }
    template <int N>
    MRIOPS_INLINE Cell<T, N> sum(const T* row) const {
        Cell<T, N> total = Cell<T, N>::load(row).times(w[0]);
#pragma GCC unroll 16
        for (int j = 1; j < W; ++j) total.add(w[j], Cell<T, N>::load(row + j * N));
        return total;
    }
    template <int N>
    MRIOPS_INLINE void add_to(T* row, const Cell<T, N>& value) const {
#pragma GCC unroll 16
        for (int j = 0; j < W; ++j) {
            Cell<T, N> cell = Cell<T, N>::load(row + j * N);
            cell.add(w[j], value);
            cell.store(row + j * N);
        }
    }
};
template <class T>
struct RowWeights<T, 0> {
    const T* w;
    int width;
    MRIOPS_INLINE RowWeights(const T* weight, int width) : w(weight), width(width) {}
    template <int N>
    MRIOPS_INLINE Cell<T, N> sum(const T* row) const {
        Cell<T, N> total = Cell<T, N>::zero();
        for (int j = 0; j < width; ++j) total.add(w[j] - Vec<T>{}, Cell<T, N>::load(row + j * N));
        return total;
    }
    template <int N>
    MRIOPS_INLINE void add_to(T* row, const Cell<T, N>& value) const {
        for (int j = 0; j < width; ++j) {
            Cell<T, N> cell = Cell<T, N>::load(row + j * N);
            cell.add(w[j] - Vec<T>{}, value);
            cell.store(row + j * N);
        }
    }
};

// values[s] = sum of taps, [count][N].
template <class T, int N, int W>
__attribute__((noinline)) void interpolate(const Block<T>& b, T* values) {
    const int rows = W ? W : b.width;
    for (int s = 0; s < b.count; ++s) {
        const int at = s * kWidest;
        const RowWeights<T, W> x(b.weight[2] + at, b.width);
        T* const* line = b.line + at;
        const T* const y = b.weight[1] + at;
        Cell<T, N> total = Cell<T, N>::zero();
        if (b.ndim == 2) {
            for (int i = 0; i < rows; ++i) total.add(y[i] - Vec<T>{}, x.template sum<N>(line[i]));
        } else {
            for (int i = 0; i < rows; ++i) {
                Cell<T, N> plane = Cell<T, N>::zero();
                const T* row = line[i];
                for (int j = 0; j < rows; ++j, row += b.row_step) plane.add(y[j] - Vec<T>{}, x.template sum<N>(row));
                total.add(b.weight[0][at + i] - Vec<T>{}, plane);
            }
        }
        total.store(values + s * N);
    }
}

// The transpose: the grid gains weight * values[s].
template <class T, int N, int W>
__attribute__((noinline)) void spread(const Block<T>& b, const T* values) {
    const int rows = W ? W : b.width;
    for (int s = 0; s < b.count; ++s) {
        const int at = s * kWidest;
        const RowWeights<T, W> x(b.weight[2] + at, b.width);
        T* const* line = b.line + at;
        const T* const y = b.weight[1] + at;
        const Cell<T, N> value = Cell<T, N>::load(values + s * N);
        if (b.ndim == 2) {
            for (int i = 0; i < rows; ++i) x.template add_to<N>(line[i], value.times(y[i] - Vec<T>{}));
        } else {
            for (int i = 0; i < rows; ++i) {
                const Cell<T, N> plane = value.times(b.weight[0][at + i] - Vec<T>{});
                T* row = line[i];
                for (int j = 0; j < rows; ++j, row += b.row_step)
                    x.template add_to<N>(row, plane.times(y[j] - Vec<T>{}));
            }
        }
    }
}

// values[a][s] = derivative of the sum by the position along axis a (z, y, x), [3][kBlockSamples][N].
template <class T, int N>
__attribute__((noinline)) void interpolate_slopes(const Block<T>& b, T* values) {
    const bool deep = b.ndim == 3;
    for (int s = 0; s < b.count; ++s) {
        const int at = s * kWidest;
        const RowWeights<T, 0> along(b.weight[2] + at, b.width), across(b.slope[2] + at, b.width);
        Cell<T, N> z = Cell<T, N>::zero(), y = z, x = z;
        for (int i = 0; i < b.width; ++i) {
            const T* row = b.line[at + i];
            // In 2D the lines are rows themselves.
            Cell<T, N> along_y = Cell<T, N>::zero(), slope_y = along_y, slope_x = along_y;
            for (int j = deep ? 0 : i; j < (deep ? b.width : i + 1); ++j, row += b.row_step) {
                const Cell<T, N> sum = along.template sum<N>(row);
                if (deep) along_y.add(b.weight[1][at + j] - Vec<T>{}, sum);
                slope_y.add(b.slope[1][at + j] - Vec<T>{}, sum);
                slope_x.add(b.weight[1][at + j] - Vec<T>{}, across.template sum<N>(row));
            }
            const Vec<T> weight = (deep ? b.weight[0][at + i] : T(1)) - Vec<T>{};
            if (deep) z.add(b.slope[0][at + i] - Vec<T>{}, along_y);
            y.add(weight, slope_y);
            x.add(weight, slope_x);
        }
        const int64_t axis = int64_t(kBlockSamples) * N;
        z.store(values + s * N);
        y.store(values + axis + s * N);
        x.store(values + 2 * axis + s * N);
    }
}

// Calls f with the reals per cell and the width of the kernel as constants where loops of that size are worth a copy of
// their own, else with width 0.
template <class T, class F>
inline void with_cell_and_width(int64_t stored, int width, const F& f) {
    with_cell(stored, [&](auto n) {
        if constexpr (sizeof(T) == 4 && Lanes<T>::width >= 8 && decltype(n)::value >= 8) switch (width) {
                case 4: return f(n, std::integral_constant<int, 4>{});
                case 5: return f(n, std::integral_constant<int, 5>{});
                case 6: return f(n, std::integral_constant<int, 6>{});
                case 7: return f(n, std::integral_constant<int, 7>{});
                case 8: return f(n, std::integral_constant<int, 8>{});
                default: break;
            }
        f(n, std::integral_constant<int, 0>{});
    });
}
template <class T>
inline void interpolate_block(int64_t stored, const Block<T>& block, T* values) {
    with_cell_and_width<T>(stored, block.width, [&](auto n, auto w) {
        interpolate<T, decltype(n)::value, decltype(w)::value>(block, values);
    });
}
template <class T>
inline void spread_block(int64_t stored, const Block<T>& block, const T* values) {
    with_cell_and_width<T>(stored, block.width,
                           [&](auto n, auto w) { spread<T, decltype(n)::value, decltype(w)::value>(block, values); });
}

}  // namespace
}  // namespace mriops
