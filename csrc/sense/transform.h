// Multi-coil transforms between an image array and a k-space array, both interleaved, over any of the three axes.
//
// Forward: the first pass reads through `source` (z, y, tile of x) and transforms z if it is transformed, else y; what
// follows is plane by plane in a cache-resident plane of tiles: y in place, then x in groups of `width` rows whose
// results are weighted and stored. Adjoint is the mirror image, its last pass writing through `sink`.
#pragma once
#include "../core/parallel.h"
#include "../core/scratch.h"
#include "../fft/rows.h"
#include "../fft/wide_columns.h"
#include "arrays.h"
#include "axes.h"

namespace mriops {
namespace {

// How far ahead of a sample the next ones are asked for, 0 for not at all.
struct AheadBy {
    int64_t factor, image;
};

template <class T>
struct VolumeTransform {
    static constexpr int W = kWidth<T>;
    Axes<T> axes;
    int64_t tiles, pitch;

    explicit VolumeTransform(const Axes<T>& a) : axes(a), tiles(ceil_div(a.x.n, W)), pitch(ceil_div(a.y.n, W) * W) {}

    int64_t plane_rows() const { return tiles * pitch; }

    // One plane of k-space at index kz, its y transform done: x transform, weights, store.
    void plane_to_kspace(const Plane<T>& plane, int64_t kz, const Weights<T>& weights, T scale, T* kspace,
                         bool streaming) const {
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
        Cx<T>* rows = scratch<Cx<T>>(Scratch::rows, size_t(tiles * W));
        T* weight_rows = scratch<T>(Scratch::weights, size_t(W * tiles * W));
        for (int64_t r0 = 0; r0 < axes.y.n; r0 += W) {
            const int count = int(std::min<int64_t>(W, axes.y.n - r0));
            for (int l = 0; l < count; ++l)
                weights.row(kz, axes.y.spectral(r0 + l), axes.x.n, scale, weight_rows + l * tiles * W);
            if (axes.x.plan) transform_rows(plane, r0, rows, work);
            for (int64_t t = 0; t < tiles; ++t) {
                Cx<T> v[W];
                if (axes.x.plan)
                    gather_transposed(rows, t, v, [&](int64_t x) { return axes.x.position_of_spectral(x); });
                else
                    for (int l = 0; l < W; ++l) v[l] = plane.data[t * pitch + r0 + l];
                const int lanes = tile_lanes<T>(axes.x.n, t);
                for (int l = 0; l < count; ++l) {
                    const Vec<T> w = load_unaligned(weight_rows + (l * tiles + t) * W);
                    T* out = kspace + 2 * ((kz * axes.y.n + axes.y.spectral(r0 + l)) * axes.x.n + t * W);
                    const Cx<T> k{v[l].re * w, v[l].im * w};
                    if (streaming)
                        stream_complex(out, k);
                    else
                        store_complex(out, k, lanes);
                }
            }
        }
        if (streaming) end_streaming();
    }

    // The reverse: k-space plane kz, weighted, x inverse; `plane` then holds rows for the y inverse.
    void plane_from_kspace(const T* kspace, int64_t kz, const Weights<T>& weights, T scale,
                           const Plane<T>& plane) const {
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
        Cx<T>* rows = scratch<Cx<T>>(Scratch::rows, size_t(tiles * W));
        T* weight_rows = scratch<T>(Scratch::weights, size_t(W * tiles * W));
        for (int64_t r0 = 0; r0 < axes.y.n; r0 += W) {
            const int count = int(std::min<int64_t>(W, axes.y.n - r0));
            for (int l = 0; l < count; ++l)
                weights.row(kz, axes.y.spectral(r0 + l), axes.x.n, scale, weight_rows + l * tiles * W);
            for (int64_t t = 0; t < tiles; ++t) {
                Cx<T> v[W] = {};
                const int lanes = tile_lanes<T>(axes.x.n, t);
                for (int l = 0; l < count; ++l) {
                    const Vec<T> w = load_unaligned(weight_rows + (l * tiles + t) * W);
                    const T* in = kspace + 2 * ((kz * axes.y.n + axes.y.spectral(r0 + l)) * axes.x.n + t * W);
                    const int64_t next = std::min(r0 + W + l, axes.y.n - 1);
                    prefetch_row<T>(kspace + 2 * ((kz * axes.y.n + axes.y.spectral(next)) * axes.x.n + t * W));
                    const Cx<T> k = load_complex(in, lanes);
                    v[l] = {k.re * w, k.im * w};
                }
                if (axes.x.plan)
                    scatter_transposed(v, t, rows, [&](int64_t x) { return axes.x.position_of_spectral(x); });
                else
                    for (int l = 0; l < W; ++l) plane.data[t * pitch + r0 + l] = v[l];
            }
            if (axes.x.plan) {
                inverse_columns(*axes.x.plan, rows, work);
                for (int64_t t = 0; t < tiles; ++t) {
                    Cx<T> v[W];
                    gather_transposed(rows, t, v, [&](int64_t x) { return axes.x.index_of_spatial(x); });
                    for (int l = 0; l < W; ++l) plane.data[t * pitch + r0 + l] = v[l];
                }
            }
        }
    }

    // The transforms of `count` volumes: k-space of volume i at kspace(i), its weights weights(i). source(i).template
    // at<Fast>(from, step, lanes, ahead) is a functor of j: the sample at from + j * step of a tile; the one `ahead` of
    // it is asked for. Steps are in units of the real type of an array of this volume. Fast means a full tile;
    // `source(i).fuses()` says whether that is worth compiling into the first stage of every radix.
    template <class Source, class MakeWeights, class Kspace>
    void forward(int64_t count, const Source& source, const MakeWeights& weights, T scale, const Kspace& kspace,
                 int threads) const {
        if (axes.z.plan) return forward_volumes(count, source, weights, scale, kspace, threads);
        for (int64_t i = 0; i < count; ++i)
            parallel_for(axes.z.n, threads,
                         [&](int64_t z, int) { forward_plane(source(i), z, weights(i), scale, kspace(i)); });
    }

    // sink(i).template at<Fast>(from, step, lanes, ahead) is a functor of j and the value that belongs there.
    template <class Sink, class MakeWeights, class Kspace>
    void adjoint(int64_t count, const Kspace& kspace, const MakeWeights& weights, T scale, const Sink& sink,
                 int threads) const {
        if (axes.z.plan) return adjoint_volumes(count, kspace, weights, scale, sink, threads);
        for (int64_t i = 0; i < count; ++i)
            parallel_for(axes.z.n, threads,
                         [&](int64_t z, int) { adjoint_plane(kspace(i), z, weights(i), scale, sink(i)); });
    }

    // Volumes at a time: rows of an array that they share are fetched once for them.
    static constexpr int64_t kHeld = 2;
    int64_t held(int64_t count) const { return axes.z.plan ? std::min(kHeld, count) : 1; }

  private:
    template <class Source>
    void forward_plane(const Source& source, int64_t z, const Weights<T>& weights, T scale, T* kspace) const {
        const Plane<T> plane = own_plane();
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
        for (int64_t t = 0; t < tiles; ++t) {
            Cx<T>* column = plane.data + t * pitch;
            with_fast(source.fuses() && full(t), [&](auto fuse) {
                constexpr bool Fast = Source::kFuses && decltype(fuse)::value;
                const auto load = source.template at<Fast>(offset(z, 0, t), row_step(), lanes(t), {2 * W, 0});
                if constexpr (Fast) {
                    if (axes.y.plan) {
                        const auto shifted = [&](int64_t i) MRIOPS_LAMBDA_INLINE { return load(axes.y.spatial(i)); };
                        return forward_columns_from(*axes.y.plan, column, work, shifted);
                    }
                }
                for (int64_t i = 0; i < axes.y.n; ++i) column[i] = load(axes.y.spatial(i));
                if (axes.y.plan) forward_columns(*axes.y.plan, column, work);
            });
        }
        plane_to_kspace(plane, z, weights, scale, kspace, false);
    }

    // Row by row of y the z transforms of all its columns, left as [z position][y][tile]; plane by plane the rest.
    template <class Source, class MakeWeights, class Kspace>
    void forward_volumes(int64_t count, const Source& source, const MakeWeights& weights, T scale, const Kspace& kspace,
                         int threads) const {
        const int64_t step = held_plane(), size = axes.z.n * step;
        Cx<T>* volumes = scratch<Cx<T>>(Scratch::columns, size_t(count * size));
        parallel_for(axes.y.n, threads, [&](int64_t y, int) {
            Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
            each_block([&](int64_t t0, int64_t width) {
                for (int64_t i = 0; i < count; ++i)
                    with_fast(source(i).fuses() && full(t0), [&](auto fuse) {
                        constexpr bool Fast = decltype(source(i))::kFuses && decltype(fuse)::value;
                        const auto from =
                            source(i).template at<Fast>(offset(0, y, t0), 1, lanes(t0), {row_step(), row_step()});
                        const auto load = [&](int64_t z, int64_t t)
                                              MRIOPS_LAMBDA_INLINE { return from(offset(axes.z.spatial(z), 0, t)); };
                        Cx<T>* to = volumes + i * size + y * tiles + t0;
                        const auto store = [=](int64_t z, int64_t t, Cx<T> v)
                                               MRIOPS_LAMBDA_INLINE { to[z * step + t] = v; };
                        forward_wide(*axes.z.plan, block(), width, work, load, store);
                    });
            });
        });
        for (int64_t i = 0; i < count; ++i) {
            const Weights<T> w = weights(i);
            T* to = kspace(i);
            const bool streaming = streams(to);
            parallel_for(axes.z.n, threads, [&](int64_t z, int) {
                const Plane<T> plane = own_plane();
                y_from_held(volumes + i * size + z * step, plane);
                plane_to_kspace(plane, axes.z.spectral(z), w, scale, to, streaming);
            });
        }
    }

    // y transforms of a plane of the volume.
    void y_from_held(const Cx<T>* held, const Plane<T>& plane) const {
        for (int64_t y = 0; y < axes.y.n; ++y) {
            Cx<T>* to = plane.data + axes.y.index_of_spatial(y);
            for (int64_t t = 0; t < tiles; ++t) to[t * pitch] = held[y * tiles + t];
        }
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
        if (axes.y.plan)
            for (int64_t t = 0; t < tiles; ++t) forward_columns(*axes.y.plan, plane.data + t * pitch, work);
    }

    template <class Sink>
    void adjoint_plane(const T* kspace, int64_t z, const Weights<T>& weights, T scale, const Sink& sink) const {
        const Plane<T> plane = own_plane();
        plane_from_kspace(kspace, z, weights, scale, plane);
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
        for (int64_t t = 0; t < tiles; ++t) {
            Cx<T>* column = plane.data + t * pitch;
            with_fast(sink.fuses() && full(t), [&](auto fuse) {
                constexpr bool Fast = Sink::kFuses && decltype(fuse)::value;
                const auto store = sink.template at<Fast>(offset(z, 0, t), row_step(), lanes(t), {2 * W, 0});
                if constexpr (Fast) {
                    if (axes.y.plan) {
                        const auto shifted = [&](int64_t i, Cx<T> v)
                                                 MRIOPS_LAMBDA_INLINE { store(axes.y.spatial(i), v); };
                        return inverse_columns_into(*axes.y.plan, column, work, shifted);
                    }
                }
                if (axes.y.plan) inverse_columns(*axes.y.plan, column, work);
                for (int64_t i = 0; i < axes.y.n; ++i) store(axes.y.spatial(i), column[i]);
            });
        }
    }

    template <class Sink, class MakeWeights, class Kspace>
    void adjoint_volumes(int64_t count, const Kspace& kspace, const MakeWeights& weights, T scale, const Sink& sink,
                         int threads) const {
        const int64_t step = held_plane(), size = axes.z.n * step;
        Cx<T>* volumes = scratch<Cx<T>>(Scratch::columns, size_t(count * size));
        for (int64_t i = 0; i < count; ++i) {
            const Weights<T> w = weights(i);
            parallel_for(axes.z.n, threads, [&](int64_t z, int) {
                const Plane<T> plane = own_plane();
                plane_from_kspace(kspace(i), axes.z.spectral(z), w, scale, plane);
                y_to_held(plane, volumes + i * size + z * step);
            });
        }
        parallel_for(axes.y.n, threads, [&](int64_t y, int) {
            Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
            each_block([&](int64_t t0, int64_t width) {
                for (int64_t i = 0; i < count; ++i)
                    with_fast(sink(i).fuses() && full(t0), [&](auto fuse) {
                        constexpr bool Fast = decltype(sink(i))::kFuses && decltype(fuse)::value;
                        const Cx<T>* from = volumes + i * size + y * tiles + t0;
                        const auto load = [=, next = tiles](int64_t z, int64_t t) MRIOPS_LAMBDA_INLINE {
                            prefetch_row<T>(from + z * step + t + next);
                            return from[z * step + t];
                        };
                        const auto put =
                            sink(i).template at<Fast>(offset(0, y, t0), 1, lanes(t0), {row_step(), row_step()});
                        const auto store = [&](int64_t z, int64_t t, Cx<T> v)
                                               MRIOPS_LAMBDA_INLINE { put(offset(axes.z.spatial(z), 0, t), v); };
                        inverse_wide(*axes.z.plan, block(), width, work, load, store);
                    });
            });
        });
    }

    void y_to_held(const Plane<T>& plane, Cx<T>* held) const {
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
        if (axes.y.plan)
            for (int64_t t = 0; t < tiles; ++t) inverse_columns(*axes.y.plan, plane.data + t * pitch, work);
        for (int64_t y = 0; y < axes.y.n; ++y) {
            const Cx<T>* from = plane.data + axes.y.index_of_spatial(y);
            for (int64_t t = 0; t < tiles; ++t) held[y * tiles + t] = from[t * pitch];
        }
    }

    // Of a tile in an array of this volume, in units of its real type.
    int64_t offset(int64_t z, int64_t y, int64_t t) const { return 2 * ((z * axes.y.n + y) * axes.x.n + t * W); }
    int64_t row_step() const { return 2 * axes.x.n; }
    int lanes(int64_t t) const { return tile_lanes<T>(axes.x.n, t); }
    bool full(int64_t t) const { return lanes(t) == W; }

    // A plane of the volume between two passes, [y][tile]; odd, so that the lines of z do not share cache sets.
    int64_t held_plane() const { return axes.y.n * tiles | 1; }

    // Calls f(first tile, tiles) for runs of neighbouring tiles of a row, so many that their columns over z stay in L2;
    // one that is not full stands alone.
    template <class F>
    void each_block(const F& f) const {
        const int64_t whole = axes.x.n / W, most = block_tiles();
        for (int64_t t = 0; t < whole; t += most) f(t, std::min(most, whole - t));
        if (whole < tiles) f(whole, int64_t(1));
    }
    int64_t block_tiles() const {
        constexpr int64_t kBytes = 400 << 10;
        return std::min(tiles, std::max<int64_t>(1, kBytes / (axes.z.n * int64_t(sizeof(Cx<T>)))));
    }
    WideColumns<T> block() const {
        const int64_t rows = axes.z.n | 1;
        return {scratch<Cx<T>>(Scratch::image, size_t(rows * block_tiles())), rows};
    }

    // Whether k-space is written round the caches.
    bool streams(const T* kspace) const {
        constexpr int64_t kStreamed = int64_t(4) << 20;  // bytes that no cache of a core keeps
        return axes.x.n % W == 0 && reinterpret_cast<uintptr_t>(kspace) % sizeof(Vec<T>) == 0 &&
               int64_t(sizeof(T)) * 2 * axes.volume() >= kStreamed;
    }

    Plane<T> own_plane() const {
        const Plane<T> plane{scratch<Cx<T>>(Scratch::image, size_t(plane_rows())), pitch, tiles};
        for (int64_t t = 0; t < tiles; ++t) clear_padding(plane.data + t * pitch);
        return plane;
    }
    // The rows that fill up the last group are read by the transposes, though nothing comes of them.
    void clear_padding(Cx<T>* column) const { std::fill_n(column + axes.y.n, pitch - axes.y.n, Cx<T>{}); }

    void transform_rows(const Plane<T>& plane, int64_t r0, Cx<T>* rows, Cx<T>* work) const {
        for (int64_t t = 0; t < tiles; ++t) {
            Cx<T> v[W];
            for (int l = 0; l < W; ++l) v[l] = plane.data[t * pitch + r0 + l];
            scatter_transposed(v, t, rows, [&](int64_t x) { return axes.x.index_of_spatial(x); });
        }
        forward_columns(*axes.x.plan, rows, work);
    }

    // lanes <-> rows of tile t; `at` says where column x lives in `rows`.
    template <class Where>
    void gather_transposed(const Cx<T>* rows, int64_t t, Cx<T>* v, const Where& at) const {
        const int lanes = tile_lanes<T>(axes.x.n, t);
        Cx<T> u[W];
        for (int j = 0; j < lanes; ++j) u[j] = rows[at(t * W + j)];
        for (int j = lanes; j < W; ++j) u[j] = Cx<T>{};
        transpose_complex(u, v);
    }
    template <class Where>
    void scatter_transposed(const Cx<T>* v, int64_t t, Cx<T>* rows, const Where& at) const {
        const int lanes = tile_lanes<T>(axes.x.n, t);
        Cx<T> u[W];
        transpose_complex(v, u);
        for (int j = 0; j < lanes; ++j) rows[at(t * W + j)] = u[j];
    }
};

}  // namespace
}  // namespace mriops
