// Transforms along x between rows of lanes and rows of grid cells.
//
// On one side a line of tiles of `width` neighbouring x (Cx) for each row and coil, pixels only; on the other the
// oversampled row of cells, coil innermost, with the halo that kernels reach into. A call does rows x coils lanes.
#pragma once
#include <algorithm>
#include <vector>

#include "../core/scratch.h"
#include "../fft/plan_cache.h"
#include "../fft/rows.h"
#include "cells.h"

namespace mriops {
namespace {

// One axis: n pixels in a transform of `grid` points. Cell e of the grid holds frequency (e - width/2) mod grid.
template <class T>
struct GridAxis {
    int64_t n, grid, shift;
    const Plan<T>* plan;

    GridAxis(int64_t n, int64_t grid, int width) : n(n), grid(grid), shift(width / 2), plan(&plan_for<T>(grid)) {}
    // Index in the transform of pixel r.
    int64_t index_of_pixel(int64_t r) const { return r < n / 2 ? r - n / 2 + grid : r - n / 2; }
    // The indices that no pixel has.
    int64_t gap_begin() const { return n - n / 2; }
    int64_t gap_end() const { return grid - n / 2; }
    int64_t cell_of_frequency(int64_t f) const { return f + shift < grid ? f + shift : f + shift - grid; }
    int64_t frequency_of_cell(int64_t e) const { return (e + grid - shift) % grid; }
};

// Pieces of D doubles of `Rows` rows at one offset, in registers one after the other. In units of doubles: a complex
// number is one or two of them.
template <int D, int Rows>
struct Pieces {
    static constexpr int n = D * Rows;
    using Vector = typename Narrow<double, n>::vec;
    using Index = std::make_integer_sequence<int, n / 2>;

    template <class T>
    static MRIOPS_INLINE Vector load(T* const* row, int64_t offset) {
        Vector v;
        if constexpr (Rows == 1) {
            std::memcpy(&v, row[0] + offset, sizeof v);
            return v;
        } else if constexpr (n == 2) {
            double a, b;
            std::memcpy(&a, row[0] + offset, sizeof a);
            std::memcpy(&b, row[1] + offset, sizeof b);
            return Vector{a, b};
        } else {
            using Half = Pieces<D, Rows / 2>;
            return joined(Half::load(row, offset), Half::load(row + Rows / 2, offset),
                          std::make_integer_sequence<int, n>{});
        }
    }
    template <class T>
    static MRIOPS_INLINE void store(Vector v, T* const* row, int64_t offset) {
        if constexpr (Rows == 1) {
            std::memcpy(row[0] + offset, &v, sizeof v);
        } else if constexpr (n == 2) {
            const double a = v[0], b = v[1];
            std::memcpy(row[0] + offset, &a, sizeof a);
            std::memcpy(row[1] + offset, &b, sizeof b);
        } else {
            using Half = Pieces<D, Rows / 2>;
            Half::store(half<0>(v, Index{}), row, offset);
            Half::store(half<n / 2>(v, Index{}), row + Rows / 2, offset);
        }
    }

  private:
    template <class V, int... I>
    static MRIOPS_INLINE Vector joined(V a, V b, std::integer_sequence<int, I...>) {
        return MRIOPS_SHUFFLE(a, b, I...);
    }
    template <int From, int... I>
    static MRIOPS_INLINE typename Narrow<double, n / 2>::vec half(Vector v, std::integer_sequence<int, I...>) {
        return MRIOPS_SHUFFLE(v, v, (From + I)...);
    }
};

// Lanes of v are rows x Q coils: Q complex numbers to each of the rows, or from them.
template <class T, int Q>
MRIOPS_INLINE void store_cells(Cx<T> v, T* const* row, int64_t offset) {
    constexpr int L = Lanes<T>::width, rows = L / Q;
    if constexpr (rows == 1) {
        store_complex(row[0] + offset, v);
    } else {
        using Half = Pieces<int(2 * Q * sizeof(T) / 8), rows / 2>;
        const Vec<T> lower = shuffle::interleave<T, 0>(v.re, v.im, LaneIndex<T>{}),
                     upper = shuffle::interleave<T, 1>(v.re, v.im, LaneIndex<T>{});
        Half::store(reinterpret_cast<Vec<double>>(lower), row, offset);
        Half::store(reinterpret_cast<Vec<double>>(upper), row + rows / 2, offset);
    }
}
template <class T, int Q>
MRIOPS_INLINE Cx<T> load_cells(T* const* row, int64_t offset) {
    constexpr int L = Lanes<T>::width, rows = L / Q;
    if constexpr (rows == 1) {
        return load_complex(row[0] + offset);
    } else {
        using Half = Pieces<int(2 * Q * sizeof(T) / 8), rows / 2>;
        const Vec<T> a = reinterpret_cast<Vec<T>>(Half::load(row, offset)),
                     b = reinterpret_cast<Vec<T>>(Half::load(row + rows / 2, offset));
        return {shuffle::even<T>(a, b, LaneIndex<T>{}), shuffle::odd<T>(a, b, LaneIndex<T>{})};
    }
}

// Some coils of a cell whose transforms share vectors: where their numbers lie in a row, and how many.
struct CoilGroup {
    int64_t first;         // coil of the block
    int count;             // Q: 1, 2, 4 or 8 lanes of a row are its coils
    int64_t offset, step;  // of the first cell, and from one cell to the next
};

template <class T>
struct RowPass {
    static constexpr int L = Lanes<T>::width;
    GridAxis<T> x;
    int width;      // of the halo
    int64_t tiles;  // of a line
    CellPlaces cells;
    std::vector<CoilGroup> groups;
    std::vector<int64_t> cell;  // where the transform's k-th result belongs

    RowPass(const GridAxis<T>& x, int width, int64_t stored, int64_t tiles, const CellPlaces& cells)
        : x(x), width(width), tiles(tiles), cells(cells), cell(size_t(x.grid)) {
        for (int64_t k = 0; k < x.grid; ++k) cell[size_t(k)] = x.cell_of_frequency(x.plan->frequency[size_t(k)]);
        for (int64_t c = 0; c < stored; c += groups.back().count) {
            const int64_t left = stored - c;
            const int count = int(std::min<int64_t>(left >= 8 ? 8 : left >= 4 ? 4 : left, L));
            groups.push_back({c, count, cells.at(0, 2 * c), cells.step(2 * c)});
        }
    }

    static int rows_at_once(const CoilGroup& group) { return L / group.count; }
    int most_rows() const { return rows_at_once(groups.back()); }

    // from[l] is the line of lane l; to[r] the row of cells of lanes r * Q ...; `work` serves Bluestein. The rows of
    // the next call lie `ahead` behind these: cells are visited in the plan's order, which no hardware foresees, so
    // unless they are in a cache they are asked for, each while its like of this call is written. 0: they are.
    void forward(const CoilGroup& group, const Cx<T>* const* from, T* const* to, int64_t ahead, Cx<T>* line,
                 Cx<T>* work) const {
        std::fill(line + x.gap_begin(), line + x.gap_end(), Cx<T>{});
        for (int64_t t = 0; t < tiles; ++t) {
            Cx<T> u[L], v[L];
            for (int l = 0; l < L; ++l) u[l] = from[l][t];
            transpose_complex(u, v);
            const int lanes = int(std::min<int64_t>(L, x.n - t * L));
            for (int j = 0; j < lanes; ++j) line[x.index_of_pixel(t * L + j)] = v[j];
        }
        with_coils(group, [&](auto coils) {
            constexpr int Q = decltype(coils)::value;
            const Targets<L / Q> row(to, group);
            const int64_t* const at = cell.data();
            const int64_t step = group.step;
            forward_columns_into(*x.plan, line, work, [=](int64_t k, Cx<T> v) MRIOPS_LAMBDA_INLINE {
                if (ahead) row.template prefetch<1>(at[k] * step + ahead);
                store_cells<T, Q>(v, row.of, at[k] * step);
            });
        });
        for (int r = 0; r < rows_at_once(group); ++r) {
            T* const row = to[r] + group.offset;
            for (int e = 0; e < width; ++e)
                std::memcpy(row + (x.grid + e) * group.step, row + e * group.step, size_t(2 * group.count) * sizeof(T));
            for (int64_t e = width; e < width + cells.spare(); ++e)  // read with weight zero
                std::fill_n(row + (x.grid + e) * group.step, 2 * group.count, T(0));
        }
    }

    // The transpose but for scale: rows of cells, halo included, to lines. The rows are changed. `streams`: lines are
    // written round the caches.
    void inverse(const CoilGroup& group, T* const* from, Cx<T>* const* to, int64_t ahead, bool streams, Cx<T>* line,
                 Cx<T>* work) const {
        for (int r = 0; r < rows_at_once(group); ++r) {
            T* const row = from[r] + group.offset;
            for (int e = 0; e < width; ++e)
                for (int i = 0; i < 2 * group.count; ++i) row[e * group.step + i] += row[(x.grid + e) * group.step + i];
        }
        with_coils(group, [&](auto coils) {
            constexpr int Q = decltype(coils)::value;
            const Targets<L / Q> row(from, group);
            const int64_t* const at = cell.data();
            const int64_t step = group.step;
            inverse_columns_from(*x.plan, line, work, [=](int64_t k) MRIOPS_LAMBDA_INLINE {
                if (ahead) row.template prefetch<0>(at[k] * step + ahead);
                return load_cells<T, Q>(row.of, at[k] * step);
            });
        });
        for (int64_t t = 0; t < tiles; ++t) {
            Cx<T> u[L], v[L];
            const int lanes = int(std::min<int64_t>(L, x.n - t * L));
            for (int j = 0; j < lanes; ++j) u[j] = line[x.index_of_pixel(t * L + j)];
            for (int j = lanes; j < L; ++j) u[j] = Cx<T>{};
            transpose_complex(u, v);
            for (int l = 0; l < L; ++l) {
                if (streams)
                    stream_lanes(to[l] + t, v[l]);
                else
                    to[l][t] = v[l];
            }
        }
    }

  private:
    template <int R>
    struct Targets {
        T* of[R];
        Targets(T* const* rows, const CoilGroup& group) {
            for (int r = 0; r < R; ++r) of[r] = rows[r] + group.offset;
        }
        template <int Write>
        MRIOPS_INLINE void prefetch(int64_t offset) const {
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) __builtin_prefetch(of[r] + offset, Write, 2);
        }
    };

    template <class F>
    void with_coils(const CoilGroup& group, const F& f) const {
        if constexpr (L >= 8)
            if (group.count == 8) return f(std::integral_constant<int, 8>{});
        if constexpr (L >= 4)
            if (group.count == 4) return f(std::integral_constant<int, 4>{});
        if (group.count == 2) return f(std::integral_constant<int, 2>{});
        f(std::integral_constant<int, 1>{});
    }
};

}  // namespace
}  // namespace mriops
