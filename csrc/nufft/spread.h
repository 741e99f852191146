// The inner loops: sums of taps over the grid for a block of samples, all coils of a cell at once.
#pragma once
#include "cells.h"
#include "taps.h"

namespace mriops {
namespace {

template <class T, int N>
MRIOPS_INLINE Cell<T, N> row_sum(const T* weight, const T* row, int width) {
    Cell<T, N> sum = Cell<T, N>::load(row).times(weight[0]);
    for (int j = 1; j < width; ++j) sum.add(weight[j], Cell<T, N>::load(row + j * N));
    return sum;
}

// values[s] = sum of taps, [count][N].
template <class T, int N>
__attribute__((noinline)) void interpolate(const Block<T>& b, T* values) {
    for (int s = 0; s < b.count; ++s) {
        Cell<T, N> total = Cell<T, N>::zero();
        for (int q = 0; q < b.rows; ++q)
            total.add(b.row_weight[s * b.rows + q],
                      row_sum<T, N>(b.x_weight + s * kWidest, b.line[s * b.rows + q], b.width));
        total.store(values + s * N);
    }
}

// The transpose: the grid gains weight * values[s].
template <class T, int N>
__attribute__((noinline)) void spread(const Block<T>& b, const T* values) {
    for (int s = 0; s < b.count; ++s) {
        const Cell<T, N> value = Cell<T, N>::load(values + s * N);
        for (int q = 0; q < b.rows; ++q) {
            const Cell<T, N> row_value = value.times(b.row_weight[s * b.rows + q]);
            T* row = b.line[s * b.rows + q];
            for (int j = 0; j < b.width; ++j) {
                Cell<T, N> cell = Cell<T, N>::load(row + j * N);
                cell.add(b.x_weight[s * kWidest + j], row_value);
                cell.store(row + j * N);
            }
        }
    }
}

// values[a][s] = derivative of the sum by the position along axis a (z, y, x), [3][kBlockSamples][N].
template <class T, int N>
__attribute__((noinline)) void interpolate_slopes(const Block<T>& b, int ndim, T* values) {
    for (int s = 0; s < b.count; ++s) {
        Cell<T, N> z = Cell<T, N>::zero(), y = z, x = z;
        for (int q = 0; q < b.rows; ++q) {
            const Cell<T, N> sum = row_sum<T, N>(b.x_weight + s * kWidest, b.line[s * b.rows + q], b.width);
            const Cell<T, N> slope = row_sum<T, N>(b.x_slope + s * kWidest, b.line[s * b.rows + q], b.width);
            if (ndim == 3) z.add(b.row_slope[0][s * b.rows + q], sum);
            y.add(b.row_slope[1][s * b.rows + q], sum);
            x.add(b.row_weight[s * b.rows + q], slope);
        }
        const int64_t axis = int64_t(kBlockSamples) * N;
        z.store(values + s * N);
        y.store(values + axis + s * N);
        x.store(values + 2 * axis + s * N);
    }
}

}  // namespace
}  // namespace mriops
