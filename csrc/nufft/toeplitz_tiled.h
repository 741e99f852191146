// Toeplitz operator of one plane of any size, in a cache-resident plane of tiles.
//
// For each half of the y axis and each coil: y transform of csm * image in the plane's tiles; for `width` rows at a
// time both halves of the x axis; the inverse y transform, conj(csm) and the sum over coils.
// The factor w of the odd y frequencies is on the image and on the sum, not on the coils.
#pragma once
#include "../core/scratch.h"
#include "../fft/rows.h"
#include "toeplitz_arrays.h"
#include "toeplitz_line.h"
#include "toeplitz_weights.h"

namespace mriops {
namespace {

// y transform of map * image down the columns of one tile, and back with conj(map) and the sum. Maps are read in the
// order of their rows, and those of the next tile asked for: strided tiles defeat the hardware's prefetchers.
template <class T>
__attribute__((noinline)) void toeplitz_expand(const Plan<T>& plan, const T* map, int64_t step, int lanes,
                                               const Cx<T>* image, Cx<T>* column, Cx<T>* work) {
    for (int64_t i = 0; i < plan.n; ++i) {
        const T* row = map + i * step;
        prefetch_row<T>(row + 2 * Lanes<T>::width);
        column[i] = load_complex(row, lanes) * image[i];
    }
    forward_columns(plan, column, work);
}
// `ahead`: the maps of the next tile are not in the cache yet.
template <class T>
__attribute__((noinline)) void toeplitz_combine(const Plan<T>& plan, const T* map, int64_t step, int lanes, Cx<T>* sum,
                                                bool first, bool ahead, Cx<T>* column, Cx<T>* work) {
    inverse_columns(plan, column, work);
    for (int64_t i = 0; i < plan.n; ++i) {
        const T* row = map + i * step;
        if (ahead) prefetch_row<T>(row + 2 * Lanes<T>::width);
        const Cx<T> u = mul_conj(load_complex(row, lanes), column[i]);
        sum[i] = first ? u : sum[i] + u;
    }
}

template <class T>
class TiledToeplitz {
    static constexpr int W = Lanes<T>::width;

  public:
    explicit TiledToeplitz(const ToeplitzProblem& p)
        : y_(p.ny),
          x_(p.nx),
          tiles_(toeplitz_ceil(p.nx, W)),
          groups_(toeplitz_ceil(p.ny, W)),
          pitch_(groups_ * W + 1) {}  // odd: the tiles of one row must not share a cache set

    int64_t planar_rows() const { return tiles_ * pitch_; }
    int64_t weight_count() const { return 4 * groups_ * W * x_.n; }
    int64_t weight_jobs() const { return groups_; }

    // [y half][row group][x half][x position][lane = y position], scaled.
    void arrange(const T* kernel, int64_t group, T* out) const {
        const T scale = T(1 / (4.0 * double(y_.n) * double(x_.n)));
        T* lanes = scratch<T>(Scratch::work, size_t(lane_rows_size<T>(x_.n)));
        for (int odd_y = 0; odd_y < 2; ++odd_y) {
            const T* rows[W];
            for (int l = 0; l < W; ++l) {
                const int64_t position = group * W + l;
                rows[l] = position < y_.n ? kernel + y_.frequency(position, odd_y) * 2 * x_.n : nullptr;
            }
            T* to = out + (odd_y * groups_ + group) * 2 * x_.n * W;
            for (int odd_x = 0; odd_x < 2; ++odd_x, to += x_.n * W) {
                half_spectrum_lanes(rows, x_.n, odd_x, scale, lanes);
                for (int64_t x = 0; x < x_.n; ++x) std::copy_n(lanes + x_.bin(x) * W, W, to + x * W);
            }
        }
    }

    // Rows [y0, y1) of the image for both halves: as it is, and times w.
    void prepare(const T* image, Cx<T>* out, int64_t y0, int64_t y1) const {
        for (int64_t t = 0; t < tiles_; ++t)
            for (int64_t y = y0; y < y1; ++y) {
                const Cx<T> v = load_complex(image + 2 * (y * x_.n + t * W), lanes(t));
                out[t * pitch_ + y] = v;
                out[planar_rows() + t * pitch_ + y] = y_.twist.times(y, v);
            }
    }

    void write(const Cx<T>* parts, int64_t count, T* image, int64_t y0, int64_t y1) const {
        for (int64_t t = 0; t < tiles_; ++t)
            for (int64_t y = y0; y < y1; ++y) {
                const int64_t i = t * pitch_ + y;
                Cx<T> even = parts[i], odd = parts[planar_rows() + i];
                for (int64_t n = 1; n < count; ++n) {
                    even = even + parts[2 * n * planar_rows() + i];
                    odd = odd + parts[(2 * n + 1) * planar_rows() + i];
                }
                store_complex(image + 2 * (y * x_.n + t * W), even + y_.twist.conj_times(y, odd), lanes(t));
            }
    }

    void coils(const ToeplitzArrays<T>& at, int64_t b, const Cx<T>* image, const T* weights, int64_t begin, int64_t end,
               Cx<T>* sum) const {
        const Plane<T> plane{scratch<Cx<T>>(Scratch::columns, size_t(planar_rows())), pitch_, tiles_};
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(std::max(y_.work_rows(), x_.work_rows())));
        Cx<T>* rows = scratch<Cx<T>>(Scratch::rows, size_t(tiles_ * W + x_.n));
        Cx<T>* other = rows + tiles_ * W;
        for (int64_t t = 0; t < tiles_; ++t)  // rows that pad the last group: read by the transposes, never used
            std::fill_n(plane.data + t * pitch_ + y_.n, pitch_ - y_.n, Cx<T>{});
        const int64_t half_group = x_.n * W;
        for (int half = 0; half < 2; ++half)
            for (int64_t c = begin; c < end; ++c) {
                const CoilMap<T> map = at.map(b, c);
                for (int64_t t = 0; t < tiles_; ++t)
                    toeplitz_expand(y_.plan, map.at(0, 0, t), map.row_step, lanes(t),
                                    image + half * planar_rows() + t * pitch_, plane.data + t * pitch_, work);
                for (int64_t g = 0; g < groups_; ++g) {
                    const T* w = weights + (half * groups_ + g) * 2 * half_group;
                    rows_from_plane(plane, g * W, rows);
                    doubled_roundtrip(x_, rows, 1, rows, other, work, LaneWeight<T>{w}, LaneWeight<T>{w + half_group});
                    rows_to_plane(rows, plane, g * W);
                }
                for (int64_t t = tiles_; t-- > 0;)
                    toeplitz_combine(y_.plan, map.at(0, 0, t), map.row_step, lanes(t),
                                     sum + half * planar_rows() + t * pitch_, c == begin, false,
                                     plane.data + t * pitch_, work);
            }
    }

  private:
    int lanes(int64_t t) const { return int(std::min<int64_t>(W, x_.n - t * W)); }

    DoubledAxis<T> y_, x_;
    int64_t tiles_, groups_, pitch_;
};

}  // namespace
}  // namespace mriops
