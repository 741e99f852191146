// Between a plane of columns whose y transform is done and a plane of k-space in the caller's array: x transforms of
// the lines that have a weight, `width` at a time, and the weights.
#pragma once
#include "../core/scratch.h"
#include "../fft/rows.h"
#include "arrays.h"
#include "lines.h"

namespace mriops {
namespace {

template <class T>
struct LinePass {
    static constexpr int W = kWidth<T>;
    Axes<T> axes;
    int64_t tiles, pitch, kspace_samples;
    T sign;  // of the imaginary parts that are written

    // `volumes`: how many volumes of k-space the caller writes or reads; `conjugate`: it is written conjugated. A
    // column has room for whole groups of lines and, at ny, for those without weight.
    LinePass(const Axes<T>& a, int64_t volumes, bool conjugate)
        : axes(a),
          tiles(ceil_div(a.x.n, W)),
          pitch((a.y.n + W) | 1),
          kspace_samples(volumes * a.volume()),
          sign(conjugate ? T(-1) : T(1)) {}

    Plane<T> own_plane() const { return {scratch<Cx<T>>(Scratch::image, size_t(tiles * pitch)), pitch, tiles}; }

    // One plane of k-space at index kz, its y transform done: x transform of the kept lines, weights, store. `kspace`:
    // the first of the volume; it is written round the caches where they do not hold all volumes.
    void to_kspace(const Plane<T>& plane, const Lines& lines, int64_t kz, const Weights<T>& weights, T scale,
                   T* kspace) const {
        const bool streaming = axes.x.n % W == 0 && streamed(kspace, kspace_samples);
        each_group(lines, kz, weights, scale,
                   [&](int64_t r0, int count, const T* weight_rows, Cx<T>* rows, Cx<T>* work) {
                       if (axes.x.plan) transform_rows(plane, r0, rows, work);
                       for (int64_t t = 0; t < tiles; ++t)
                           with_fast(count == W && lanes_of(t) == W, [&](auto fast) {
                               constexpr bool Fast = decltype(fast)::value;
                               Cx<T> v[W];
                               if (axes.x.plan)
                                   gather_transposed<Fast>(rows, t, v,
                                                           [&](int64_t x) { return axes.x.position_of_spectral(x); });
                               else
                                   std::copy_n(plane.data + t * pitch + r0, W, v);
#pragma GCC unroll 16
                               for (int l = 0; l < (Fast ? W : count); ++l) {
                                   const Vec<T> w = load_unaligned(weight_rows + (l * tiles + t) * W);
                                   store(kspace + line(kz, lines.at[r0 + l]) + 2 * t * W,
                                         {v[l].re * w, v[l].im * (w * sign)}, t, streaming);
                               }
                           });
                   });
        for (int64_t i = lines.count; i < axes.y.n; ++i)
            for (int64_t t = 0; t < tiles; ++t)
                store(kspace + line(kz, lines.at[i]) + 2 * t * W, Cx<T>{}, t, streaming);
        if (streaming) end_streaming();
    }

    // The reverse: the lines of k-space plane kz, weighted, x inverse; `plane` then holds them for the y inverse.
    void from_kspace(const T* kspace, const Lines& lines, int64_t kz, const Weights<T>& weights, T scale,
                     const Plane<T>& plane) const {
        each_group(
            lines, kz, weights, scale, [&](int64_t r0, int count, const T* weight_rows, Cx<T>* rows, Cx<T>* work) {
                for (int64_t t = 0; t < tiles; ++t)
                    with_fast(count == W && lanes_of(t) == W, [&](auto fast) {
                        constexpr bool Fast = decltype(fast)::value;
                        Cx<T> v[W];
#pragma GCC unroll 16
                        for (int l = 0; l < W; ++l) {
                            if (!Fast && l >= count) {
                                v[l] = Cx<T>{};
                                continue;
                            }
                            const Vec<T> w = load_unaligned(weight_rows + (l * tiles + t) * W);
                            const int64_t next = std::min(r0 + W + l, lines.count - 1);
                            prefetch_row<T>(kspace + line(kz, lines.at[next]) + 2 * t * W);
                            const T* from = kspace + line(kz, lines.at[r0 + l]) + 2 * t * W;
                            const Cx<T> k = Fast ? load_complex(from) : load_complex(from, lanes_of(t));
                            v[l] = {k.re * w, k.im * w};
                        }
                        if (axes.x.plan)
                            scatter_transposed<Fast>(v, t, rows,
                                                     [&](int64_t x) { return axes.x.position_of_spectral(x); });
                        else
                            std::copy_n(v, W, plane.data + t * pitch + r0);
                    });
                if (!axes.x.plan) return;
                inverse_columns(*axes.x.plan, rows, work);
                for (int64_t t = 0; t < tiles; ++t)
                    with_fast(lanes_of(t) == W, [&](auto fast) {
                        gather_transposed<decltype(fast)::value>(rows, t, plane.data + t * pitch + r0,
                                                                 [&](int64_t x) { return axes.x.index_of_spatial(x); });
                    });
            });
        for (int64_t t = 0; t < tiles; ++t) plane.data[t * pitch + axes.y.n] = Cx<T>{};
    }

    int lanes_of(int64_t t) const { return tile_lanes<T>(axes.x.n, t); }

  private:
    // Calls f(first, count, weights, rows, work) for every group of kept lines [first, first + count), at most `width`:
    // their weights are in rows of whole tiles; `rows` and `work` are memory for the transform.
    template <class F>
    MRIOPS_INLINE void each_group(const Lines& lines, int64_t kz, const Weights<T>& weights, T scale,
                                  const F& f) const {
        Cx<T>* rows = scratch<Cx<T>>(Scratch::rows, size_t(tiles * W));
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
        T* weight_rows = scratch<T>(Scratch::weights, size_t(W * tiles * W));
        for (int64_t first = 0; first < lines.count; first += W) {
            const int count = int(std::min<int64_t>(W, lines.count - first));
            for (int l = 0; l < count; ++l)
                weights.row(kz, lines.at[first + l], axes.x.n, scale, weight_rows + l * tiles * W);
            f(first, count, weight_rows, rows, work);
        }
    }

    // Of a line of k-space.
    int64_t line(int64_t kz, int64_t y) const { return 2 * (kz * axes.y.n + y) * axes.x.n; }

    void store(T* out, Cx<T> v, int64_t t, bool streaming) const {
        if (streaming)
            stream_complex(out, v);
        else
            store_complex(out, v, lanes_of(t));
    }

    void transform_rows(const Plane<T>& plane, int64_t r0, Cx<T>* rows, Cx<T>* work) const {
        for (int64_t t = 0; t < tiles; ++t)
            with_fast(lanes_of(t) == W, [&](auto fast) {
                scatter_transposed<decltype(fast)::value>(plane.data + t * pitch + r0, t, rows,
                                                          [&](int64_t x) { return axes.x.index_of_spatial(x); });
            });
        forward_columns(*axes.x.plan, rows, work);
    }

    // lanes <-> rows of tile t; `at` says where column x lives in `rows`. Full: the tile is.
    template <bool Full, class Where>
    MRIOPS_INLINE void gather_transposed(const Cx<T>* rows, int64_t t, Cx<T>* v, const Where& at) const {
        const int lanes = Full ? W : lanes_of(t);
        Cx<T> u[W];
#pragma GCC unroll 16
        for (int j = 0; j < W; ++j) u[j] = j < lanes ? rows[at(t * W + j)] : Cx<T>{};
        transpose_complex(u, v);
    }
    template <bool Full, class Where>
    MRIOPS_INLINE void scatter_transposed(const Cx<T>* v, int64_t t, Cx<T>* rows, const Where& at) const {
        const int lanes = Full ? W : lanes_of(t);
        Cx<T> u[W];
        transpose_complex(v, u);
#pragma GCC unroll 16
        for (int j = 0; j < lanes; ++j) rows[at(t * W + j)] = u[j];
    }
};

}  // namespace
}  // namespace mriops
