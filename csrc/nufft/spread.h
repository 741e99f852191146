// The inner loops: sums of taps over the grid for a block of samples, all coils of a cell at once.
#pragma once
#include "cells.h"
#include "coil_blocks.h"
#include "samples.h"
#include "taps.h"

namespace mriops {
namespace {

// The weights of one row of taps, each in all lanes. W = 0: as many as `width` says. Rows are given as the first tap's
// whole vectors and the rest, or the group of rests that it is in.
template <class T, int N, int W>
struct RowWeights {
    static constexpr int together = int(cells_together<T>(N));
    using Sum = Cell<T, N, together>;
    static constexpr int whole = Sum::whole * Sum::L, rest = Sum::rest, rest_step = rest * together;
    static constexpr int rests = rest == 0 ? 0 : (W + together - 1 + together - 1) / together;  // reads in a row
    Vec<T> w[W];
    Vec<T> group[together > 1 ? rests : 1];
    // `lead`: cells of its group before the first tap's
    MRIOPS_INLINE RowWeights(const T* weight, int, int lead) {
#pragma GCC unroll 16
        for (int j = 0; j < W; ++j) w[j] = weight[j] - Vec<T>{};
        if constexpr (together > 1) spread_groups(weight, lead);
    }
    MRIOPS_INLINE Sum sum(const T* row, const T* behind) const {
        Sum total;
#pragma GCC unroll 16
        for (int i = 0; i < Sum::whole; ++i) total.v[i] = w[0] * load_unaligned(row + i * Sum::L);
        if constexpr (rest != 0) total.tail = of_rest(0) * Sum::load_rest(behind);
#pragma GCC unroll 16
        for (int j = 1; j < W; ++j) {
#pragma GCC unroll 16
            for (int i = 0; i < Sum::whole; ++i) total.v[i] += w[j] * load_unaligned(row + j * whole + i * Sum::L);
        }
#pragma GCC unroll 16
        for (int j = 1; j < rests; ++j) total.tail += of_rest(j) * Sum::load_rest(behind + j * rest_step);
        return total;
    }
    MRIOPS_INLINE void add_to(T* row, T* behind, const Sum& value) const {
        update(
            row, behind, [&](Vec<T> v, int j, int i) MRIOPS_LAMBDA_INLINE { return v + w[j] * value.v[i]; },
            [&](Rest v, int j) MRIOPS_LAMBDA_INLINE { return v + of_rest(j) * value.tail; });
    }
    // Of two samples that have their taps in the same cells, this one first.
    MRIOPS_INLINE void add_both_to(T* row, T* behind, const Sum& value, const RowWeights& next,
                                   const Sum& next_value) const {
        update(
            row, behind,
            [&](Vec<T> v, int j, int i)
                MRIOPS_LAMBDA_INLINE { return v + w[j] * value.v[i] + next.w[j] * next_value.v[i]; },
            [&](Rest v, int j)
                MRIOPS_LAMBDA_INLINE { return v + of_rest(j) * value.tail + next.of_rest(j) * next_value.tail; });
    }

  private:
    using Rest = typename Sum::Rest;
    // whole(v, tap, vector) and rest(v, group) become what v was.
    template <class Whole, class Tail>
    static MRIOPS_INLINE void update(T* row, T* behind, const Whole& of_whole, const Tail& of_tail) {
#pragma GCC unroll 16
        for (int j = 0; j < W; ++j) {
#pragma GCC unroll 16
            for (int i = 0; i < Sum::whole; ++i) {
                T* const at = row + j * whole + i * Sum::L;
                store_unaligned(at, of_whole(load_unaligned(at), j, i));
            }
        }
#pragma GCC unroll 16
        for (int j = 0; j < rests; ++j) {
            T* const at = behind + j * rest_step;
            Sum::store_rest(at, of_tail(Sum::load_rest(at), j));
        }
    }
    MRIOPS_INLINE Rest of_rest(int j) const {
        Rest out;
        std::memcpy(&out, together > 1 ? &group[j] : &w[j], sizeof out);
        return out;
    }
    // Lane l of group k has the weight of tap k * together + l / rest - lead; there are eight, the last of them zero
    // where W is less, and the others zero.
    MRIOPS_INLINE void spread_groups([[maybe_unused]] const T* weight, [[maybe_unused]] int lead) {
        static_assert(W <= 8, "");
#if defined(__AVX512F__)
        const __m512 taps = _mm512_zextps256_ps512(_mm256_loadu_ps(weight));
        const __m512i cell =
            _mm512_srli_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), kRestShift);
#pragma GCC unroll 16
        for (int k = 0; k < rests; ++k)
            group[k] = reinterpret_cast<Vec<T>>(
                _mm512_permutexvar_ps(_mm512_add_epi32(cell, _mm512_set1_epi32(k * together - lead)), taps));
#elif defined(__AVX2__)
        const __m256 taps = _mm256_loadu_ps(weight);
        const __m256i cell = _mm256_srli_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), kRestShift);
#pragma GCC unroll 16
        for (int k = 0; k < rests; ++k) {
            const __m256i tap = _mm256_add_epi32(cell, _mm256_set1_epi32(k * together - lead)),
                          there =
                              _mm256_cmpeq_epi32(_mm256_and_si256(tap, _mm256_set1_epi32(-8)), _mm256_setzero_si256());
            group[k] = reinterpret_cast<Vec<T>>(
                _mm256_and_ps(_mm256_permutevar8x32_ps(taps, tap), _mm256_castsi256_ps(there)));
        }
#endif
    }
    static constexpr int kRestShift = rest <= 2 ? 1 : rest <= 4 ? 2 : 3;  // log2(rest)
};
template <class T, int N>
struct RowWeights<T, N, 0> {
    using Sum = Cell<T, N>;
    static constexpr int whole = Sum::whole * Sum::L, rest = Sum::rest;
    const T* w;
    int width, lead;
    MRIOPS_INLINE RowWeights(const T* weight, int width, int lead) : w(weight), width(width), lead(lead) {}
    MRIOPS_INLINE Sum sum(const T* row, const T* behind) const {
        Sum total = Sum::zero();
        behind += lead * rest;
        for (int j = 0; j < width; ++j) total.add(w[j] - Vec<T>{}, Sum::load(row + j * whole, behind + j * rest));
        return total;
    }
    MRIOPS_INLINE void add_to(T* row, T* behind, const Sum& value) const {
        behind += lead * rest;
        for (int j = 0; j < width; ++j) {
            Sum cell = Sum::load(row + j * whole, behind + j * rest);
            cell.add(w[j] - Vec<T>{}, value);
            cell.store(row + j * whole, behind + j * rest);
        }
    }
    MRIOPS_INLINE void add_both_to(T* row, T* behind, const Sum& value, const RowWeights& next,
                                   const Sum& next_value) const {
        behind += lead * rest;
        for (int j = 0; j < width; ++j) {
            Sum cell = Sum::load(row + j * whole, behind + j * rest);
            cell.add(w[j] - Vec<T>{}, value);
            cell.add(next.w[j] - Vec<T>{}, next_value);
            cell.store(row + j * whole, behind + j * rest);
        }
    }
};

// Where the numbers of a block's samples lie: one after the other, or in cells that are elsewhere in an array.
struct SampleCells {
    const UserOrder* order = nullptr;
    int64_t first = 0, end = 0;  // of the block, and of all samples, in sorted order

    MRIOPS_INLINE int64_t operator()(int s) const { return order ? (*order)[first + s] : s; }
    // Asks for the cell of a sample that comes soon: cells lie in short runs, and no hardware looks ahead from one to
    // the next. Into L1: on Zen 5, once a pass before has filled the caches, they come from L2 so late that the taps
    // take twice as long.
    template <class T, int N, int Write>
    MRIOPS_INLINE void prefetch(const T* values, int s) const {
        constexpr int64_t kAhead = 16;
        if (!order || first + s + kAhead >= end) return;
        const T* const next = values + (*order)[first + s + kAhead] * N;
        for (int i = 0; i < N; i += int(64 / sizeof(T))) __builtin_prefetch(next + i, Write, 3);
        __builtin_prefetch(next + N - 1, Write, 3);
    }
};

// values[s] = sum of taps, [count][N]; D axes.
template <class T, int N, int W, int D>
__attribute__((noinline)) void interpolate(const Block<T>& b, const SampleCells& cell, T* values) {
    const int rows = W ? W : b.width;
    for (int s = 0; s < b.count; ++s) {
        const int at = s * kWidest;
        cell.prefetch<T, N, 1>(values, s);
        const RowWeights<T, N, W> x(b.weight[2] + at, b.width, b.lead[s]);
        using Sum = typename RowWeights<T, N, W>::Sum;
        const int64_t behind = b.rest[s];
        T* const* const line = b.lines + b.row[s];
        const int64_t offset = b.offset[s];
        const T* const y = b.weight[1] + at;
        Sum total = Sum::zero();
        for (int i = 0; i < rows; ++i) {
            if constexpr (D == 2) {
                const T* const row = line[i] + offset;
                total.add(y[i] - Vec<T>{}, x.sum(row, row + behind));
            } else {
                Sum plane = Sum::zero();
                const T* row = line[i] + offset;
                for (int j = 0; j < rows; ++j, row += b.row_step) plane.add(y[j] - Vec<T>{}, x.sum(row, row + behind));
                total.add(b.weight[0][at + i] - Vec<T>{}, plane);
            }
        }
        total.store_sample(values + cell(s) * N);
    }
}

// The transpose: the grid gains weight * values[s]. InTwos: samples that follow each other and share their cells are
// added together, so that each cell is read and written once; it is stores that spreading takes longest for. In 2D.
template <class T, int N, int W, int D, bool InTwos>
__attribute__((noinline)) void spread(const Block<T>& b, const SampleCells& cell, const T* values) {
    using Row = RowWeights<T, N, W>;
    using Sum = typename Row::Sum;
    const int rows = W ? W : b.width;
    const auto weights_of = [&](int s)
                                MRIOPS_LAMBDA_INLINE { return Row(b.weight[2] + s * kWidest, b.width, b.lead[s]); };
    const auto value_of = [&](int s) MRIOPS_LAMBDA_INLINE {
        cell.prefetch<T, N, 0>(values, s);
        return Sum::load_sample(values + cell(s) * N);
    };
    for (int s = 0; s < b.count; ++s) {
        const int at = s * kWidest;
        const Row x = weights_of(s);
        const Sum value = value_of(s);
        const int64_t behind = b.rest[s];
        T* const* const line = b.lines + b.row[s];
        const int64_t offset = b.offset[s];
        const T* const y = b.weight[1] + at;
        if constexpr (InTwos)
            if (b.same_cells_as_next(s)) {
                const Row next_x = weights_of(++s);
                const Sum next = value_of(s);
                for (int i = 0; i < rows; ++i) {
                    T* const row = line[i] + offset;
                    x.add_both_to(row, row + behind, value.times(y[i] - Vec<T>{}), next_x,
                                  next.times(y[kWidest + i] - Vec<T>{}));
                }
                continue;
            }
        for (int i = 0; i < rows; ++i) {
            if constexpr (D == 2) {
                T* const row = line[i] + offset;
                x.add_to(row, row + behind, value.times(y[i] - Vec<T>{}));
            } else {
                const Sum plane = value.times(b.weight[0][at + i] - Vec<T>{});
                T* row = line[i] + offset;
                for (int j = 0; j < rows; ++j, row += b.row_step)
                    x.add_to(row, row + behind, plane.times(y[j] - Vec<T>{}));
            }
        }
    }
}

// values[a][s] = derivative of the sum by the position along axis a (z, y, x), [3][kBlockSamples][N].
template <class T, int N, int W>
__attribute__((noinline)) void interpolate_slopes(const Block<T>& b, T* values) {
    const bool deep = b.ndim == 3;
    const int rows = W ? W : b.width;
    for (int s = 0; s < b.count; ++s) {
        const int at = s * kWidest;
        const RowWeights<T, N, W> along(b.weight[2] + at, b.width, b.lead[s]),
            across(b.slope[2] + at, b.width, b.lead[s]);
        const int64_t behind = b.rest[s];
        using Sum = typename RowWeights<T, N, W>::Sum;
        Sum z = Sum::zero(), y = z, x = z;
        for (int i = 0; i < rows; ++i) {
            const T* row = b.lines[b.row[s] + i] + b.offset[s];
            // In 2D the lines are rows themselves.
            Sum along_y = Sum::zero(), slope_y = along_y, slope_x = along_y;
            for (int j = deep ? 0 : i; j < (deep ? rows : i + 1); ++j, row += b.row_step) {
                const Sum sum = along.sum(row, row + behind);
                if (deep) along_y.add(b.weight[1][at + j] - Vec<T>{}, sum);
                slope_y.add(b.slope[1][at + j] - Vec<T>{}, sum);
                slope_x.add(b.weight[1][at + j] - Vec<T>{}, across.sum(row, row + behind));
            }
            const Vec<T> weight = (deep ? b.weight[0][at + i] : T(1)) - Vec<T>{};
            if (deep) z.add(b.slope[0][at + i] - Vec<T>{}, along_y);
            y.add(weight, slope_y);
            x.add(weight, slope_x);
        }
        const int64_t axis = int64_t(kBlockSamples) * N;
        z.store_sample(values + s * N);
        y.store_sample(values + axis + s * N);
        x.store_sample(values + 2 * axis + s * N);
    }
}

// Calls f with what a block is made of as constants: reals per cell, axes, and the width of the kernel where loops of
// that size are worth a copy of their own, else 0.
template <class T, class F>
inline void with_constants(int64_t stored, const Block<T>& block, const F& f) {
    with_cell(stored, [&](auto n) {
        const auto with_axes = [&](auto w) {
            if (block.ndim == 2) return f(n, w, std::integral_constant<int, 2>{});
            if constexpr (decltype(n)::value <= 2 * kMostCoilsOfVolumes<T>) f(n, w, std::integral_constant<int, 3>{});
        };
        if constexpr (sizeof(T) == 4 && Lanes<T>::width >= 8) switch (block.width) {
                case 4: return with_axes(std::integral_constant<int, 4>{});
                case 5: return with_axes(std::integral_constant<int, 5>{});
                case 6: return with_axes(std::integral_constant<int, 6>{});
                case 7: return with_axes(std::integral_constant<int, 7>{});
                case 8: return with_axes(std::integral_constant<int, 8>{});
                default: break;
            }
        with_axes(std::integral_constant<int, 0>{});
    });
}
template <class T>
inline void interpolate_block(int64_t stored, const Block<T>& block, T* values, const SampleCells& cell = {}) {
    with_constants(stored, block, [&](auto n, auto w, auto axes) {
        interpolate<T, decltype(n)::value, decltype(w)::value, decltype(axes)::value>(block, cell, values);
    });
}
template <class T>
inline void spread_block(int64_t stored, const Block<T>& block, const T* values, const SampleCells& cell = {}) {
    with_constants(stored, block, [&](auto n, auto w, auto axes) {
        constexpr int N = decltype(n)::value, W = decltype(w)::value, D = decltype(axes)::value;
        if constexpr (D == 2)
            if (block.by_cell) return spread<T, N, W, D, true>(block, cell, values);
        spread<T, N, W, D, false>(block, cell, values);
    });
}

}  // namespace
}  // namespace mriops
