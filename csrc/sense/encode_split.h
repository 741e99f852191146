// Encoding and adjoint of one coil of one plane whose sides are whole vectors (multiples of the width).
//
// Forward: `width` rows at a time csm * image, transposed so that a lane is a row, x transform; the vectors of a column
// then hold y = width * i + lane, whose transform is split (fft/split_rows.h): over i, then, transposed with `width`
// neighbouring columns, across what were the lanes. That leaves `width` neighbouring kx in the lanes: weights, store.
// Memory is read and written in whole rows or whole cache lines, and the plane is visited once. Adjoint: the mirror
// image. For even lengths the centred transform is the plain one with the signs (-1)^k at the frequencies k, which are
// part of the weights.
#pragma once
#include "../core/scratch.h"
#include "../fft/split_rows.h"
#include "arrays.h"
#include "axes.h"

namespace mriops {
namespace {

template <class T>
class SplitEncode {
    static constexpr int W = kWidth<T>;

  public:
    explicit SplitEncode(const SenseProblem& p)
        : at_(p),
          axes_(p.nz, p.ny, p.nx, false, true, true),
          columns_(split_rows_for<T>(p.ny)),
          groups_(columns_.vectors()),
          tiles_(p.nx / W),
          pitch_(groups_ | 1) {}  // odd: the columns of one group must not share a cache set

    static bool possible(const SenseProblem& p) {
        return p.nx % W == 0 && SplitRows<T>::possible(p.ny) && fusible(plan_for<T>(p.nx));
    }

    int64_t weight_groups() const { return groups_; }
    int64_t weight_count() const { return at_.p.nx * (at_.p.ny + 1); }
    int64_t planar_rows() const { return tiles_ * at_.p.ny; }

    // Weights of the rows at position k of the split transform: [tile of kx][k][f2][lane = kx], with scale and signs.
    // Behind those of all k a row of flags: columns that have a weight.
    void arrange(const Weights<T>& w, int64_t k, T* out) const {
        const int64_t nx = at_.p.nx;
        T* row = scratch<T>(Scratch::rows, size_t(nx));
        for (int64_t f2 = 0; f2 < W; ++f2) {
            const int64_t y = row_of(k, f2);
            const T scale = (y + (at_.p.ny + nx) / 2) % 2 ? -axes_.scale() : axes_.scale();
            w.row(0, y, nx, scale, row);
            for (int64_t t = 0; t < tiles_; ++t)
                for (int64_t l = 0; l < W; ++l)
                    out[((t * groups_ + k) * W + f2) * W + l] = l % 2 ? -row[t * W + l] : row[t * W + l];
        }
        if (k == 0) w.any_in_columns(0, at_.p.ny, nx, out + nx * at_.p.ny);
    }

    // What `adjoint` summed, rows [y0, y1) of `count` partial sums, to an interleaved image.
    void write(const Cx<T>* parts, int64_t count, T* image, int64_t image_map_step, int64_t y0, int64_t y1) const {
        write_planar(parts, count, at_.p.maps, tiles_, at_.p.ny, image, image_map_step, y0, y1);
    }

    // kspace = weights F sum over maps of csm * image. `streaming`: the k-space of all coils is larger than the caches.
    template <bool Single>
    void forward(const T* csm, const T* image, const T* weights, T* kspace, bool streaming) const {
        Cx<T>* plane = scratch<Cx<T>>(Scratch::columns, size_t((axes_.x.n + 1) * pitch_));
        const T* any = weights + axes_.x.n * axes_.y.n;
        const int64_t* kept = columns_with_weight(any);
        Cx<T>* rows = scratch<Cx<T>>(Scratch::rows, size_t(std::max(axes_.x.n, groups_ * W)));
        Cx<T>* line = scratch<Cx<T>>(Scratch::work, size_t(groups_));
        for (int64_t g = 0; g < groups_; ++g) {
            for (int64_t t = 0; t < tiles_; ++t) {
                Cx<T> v[W];
                for (int l = 0; l < W; ++l) {
                    const int64_t at = (g * W + l) * at_.row_step() + 2 * t * W;
                    prefetch_row<T>(csm + at + 2 * W);
                    prefetch_row<T>(image + at + 2 * W);
                    v[l] = load_complex(csm + at) * load_complex(image + at);
                    if constexpr (!Single) {
                        for (int64_t m = 1; m < at_.p.maps; ++m)
                            v[l] = v[l] + load_complex(csm + at + m * at_.csm_map_step()) *
                                              load_complex(image + at + m * at_.image_map_step());
                    }
                }
                transpose_complex(v, rows + t * W);
            }
            const Plan<T>& x = *axes_.x.plan;
            dif_first(x, rows);
            dif_middle(x, rows);
            Cx<T>* column = plane + g;
            run_turn<Turn::forward, T>(
                x.stages.back(), Rows<T>{rows}, [=](int64_t k, Cx<T> v) MRIOPS_LAMBDA_INLINE { column[kept[k]] = v; },
                Unweighted<T>{});
        }
        for (int64_t t = 0; t < tiles_; ++t) {
            for (int64_t j = 0; j < W; ++j) {
                if (any[t * W + j] == T(0)) {
                    // What is there could be NaN, which a weight of 0 does not remove.
                    for (int64_t k = 0; k < groups_; ++k) rows[k * W + j] = Cx<T>{};
                    continue;
                }
                const Cx<T>* column = plane + axes_.x.position_of_spectral(t * W + j) * pitch_;
                columns_.forward([=](int64_t i) MRIOPS_LAMBDA_INLINE { return column[i]; }, rows + j, W, line);
            }
            for (int64_t k = 0; k < groups_; ++k) {
                Cx<T> v[W];
                transpose_complex(rows + k * W, v);
                Dft<W, false, T>::run(v);
                const T* w = weights + (t * groups_ + k) * W * W;
#pragma GCC unroll 16
                for (int f2 = 0; f2 < W; ++f2) {
                    const Vec<T> m = load_unaligned(w + f2 * W);
                    T* to = kspace + 2 * (row_of(k, f2) * at_.p.nx + t * W);
                    const Cx<T> u{v[f2].re * m, v[f2].im * m};
                    if (streaming)
                        stream_complex(to, u);
                    else
                        store_complex(to, u);
                }
            }
        }
        if (streaming) end_streaming();
    }

    // conj(factor) * F^H weights kspace to a planar sum, [y][vector].
    template <bool Single>
    void adjoint(const T* kspace, const T* factor, int64_t factor_map_step, const T* weights,
                 const SumStep<T>& put) const {
        Cx<T>* plane = scratch<Cx<T>>(Scratch::columns, size_t((axes_.x.n + 1) * pitch_));
        const T* any = weights + axes_.x.n * axes_.y.n;
        const int64_t* kept = columns_with_weight(any);
        Cx<T>* rows = scratch<Cx<T>>(Scratch::rows, size_t(std::max(axes_.x.n, groups_ * W)));
        Cx<T>* line = scratch<Cx<T>>(Scratch::work, size_t(groups_));
        for (int64_t t = 0; t < tiles_; ++t) {
            for (int64_t k = 0; k < groups_; ++k) {
                Cx<T> v[W];
                const T* w = weights + (t * groups_ + k) * W * W;
#pragma GCC unroll 16
                for (int f2 = 0; f2 < W; ++f2) {
                    const Vec<T> m = load_unaligned(w + f2 * W);
                    const T* from = kspace + 2 * (row_of(k, f2) * at_.p.nx + t * W);
                    // Of the next tile: its lines are a row apart, no hardware looks ahead there.
                    prefetch_row<T>(from + 2 * W);
                    const Cx<T> u = load_complex(from);
                    v[f2] = {u.re * m, u.im * m};
                }
                Dft<W, true, T>::run(v);
                transpose_complex(v, rows + k * W);
            }
            for (int64_t j = 0; j < W; ++j) {
                if (any[t * W + j] == T(0)) continue;
                Cx<T>* column = plane + axes_.x.position_of_spectral(t * W + j) * pitch_;
                columns_.inverse(rows + j, W, [=](int64_t i, Cx<T> v) MRIOPS_LAMBDA_INLINE { column[i] = v; }, line);
            }
        }
        std::fill_n(plane + axes_.x.n * pitch_, groups_, Cx<T>{});
        for (int64_t g = 0; g < groups_; ++g) {
            const Plan<T>& x = *axes_.x.plan;
            const Cx<T>* column = plane + g;
            run_turn<Turn::inverse, T>(
                x.stages.back(), [=](int64_t k) MRIOPS_LAMBDA_INLINE { return column[kept[k]]; }, Rows<T>{rows},
                Unweighted<T>{});
            dit_middle(x, rows);
            dit_last(x, rows);
            for (int64_t t = 0; t < tiles_; ++t) {
                Cx<T> v[W];
                transpose_complex(rows + t * W, v);
                for (int l = 0; l < W; ++l) {
                    const int64_t y = g * W + l, at = y * at_.row_step() + 2 * t * W;
                    const int64_t to = y * tiles_ + t;
                    prefetch_row<T>(factor + at + 2 * W);
                    prefetch_row<T>(put.to + to + 1);
                    for (int64_t m = 0; m < (Single ? 1 : at_.p.maps); ++m)
                        put(to + m * planar_rows(), mul_conj(load_complex(factor + at + m * factor_map_step), v[l]));
                }
            }
        }
    }

  private:
    int64_t row_of(int64_t k, int64_t f2) const { return centred(columns_.first_bin(k) + groups_ * f2, at_.p.ny); }

    // Position of the x transform -> where its row of the plane begins: its own, or the last of a column without
    // weight.
    const int64_t* columns_with_weight(const T* any) const {
        int64_t* kept = scratch<int64_t>(Scratch::lines, size_t(axes_.x.n));
        for (int64_t k = 0; k < axes_.x.n; ++k) kept[k] = (any[axes_.x.spectral(k)] == T(0) ? axes_.x.n : k) * pitch_;
        return kept;
    }

    Arrays<T> at_;
    Axes<T> axes_;
    const SplitRows<T>& columns_;
    int64_t groups_, tiles_, pitch_;
};

}  // namespace
}  // namespace mriops
