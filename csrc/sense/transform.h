// Multi-coil transforms between an image array and a k-space array, both interleaved, over any of the three axes.
//
// Forward: the first pass reads through `source` (z, y, tile of x) and transforms z if it is transformed, else y; what
// follows is plane by plane in a cache-resident plane of tiles: y, then x of the lines that have a weight
// (line_pass.h). Adjoint is the mirror image, its last pass writing through `sink`.
#pragma once
#include "../core/parallel.h"
#include "../core/scratch.h"
#include "../fft/rows.h"
#include "../fft/wide_columns.h"
#include "arrays.h"
#include "axes.h"
#include "line_pass.h"

namespace mriops {
namespace {

// How far ahead of a sample the next ones are asked for, 0 for not at all.
struct AheadBy {
    int64_t factor, image;
};

template <class T>
struct VolumeTransform {
    static constexpr int W = kWidth<T>;
    LinePass<T> pass;
    Axes<T> axes;
    int64_t tiles, pitch;

    // `volumes`, `conjugate`: as LinePass says.
    VolumeTransform(const Axes<T>& a, int64_t volumes, bool conjugate = false)
        : pass(a, volumes, conjugate), axes(a), tiles(pass.tiles), pitch(pass.pitch) {}

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
    // Volumes between two passes, [z position][y][tile]. `put` a row: what does not stay in the caches goes round them.
    struct Held {
        Cx<T>* data;
        int64_t step, size;  // of a plane, odd, so that the lines of z do not share cache sets; of a volume
        bool streaming;
        Cx<T>* plane(int64_t i, int64_t z) const { return data + i * size + z * step; }
        MRIOPS_INLINE void put(Cx<T>* to, Cx<T> v) const {
            if (streaming)
                stream_lanes(to, v);
            else
                *to = v;
        }
    };
    Held hold(int64_t count) const {
        const int64_t step = axes.y.n * tiles | 1, size = axes.z.n * step;
        Cx<T>* data = scratch<Cx<T>>(Scratch::columns, size_t(count * size));
        return {data, step, size, streamed(reinterpret_cast<const T*>(data), count * size * W, true)};
    }

    template <class Source>
    void forward_plane(const Source& source, int64_t z, const Weights<T>& weights, T scale, T* kspace) const {
        const Plane<T> plane = pass.own_plane();
        const Lines lines = lines_with_weight(weights, axes, z);
        Cx<T>* column = scratch<Cx<T>>(Scratch::columns, size_t(axes.y.n));
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
        for (int64_t t = 0; t < tiles; ++t) {
            const auto keep = [kept = lines.kept, to = plane.data + t * pitch](int64_t k, Cx<T> v)
                                  MRIOPS_LAMBDA_INLINE { to[kept[k]] = v; };
            with_fast(source.fuses() && full(t), [&](auto fuse) {
                constexpr bool Fast = Source::kFuses && decltype(fuse)::value;
                const auto load = source.template at<Fast>(offset(z, 0, t), row_step(), pass.lanes_of(t), {2 * W, 0});
                if constexpr (Fast) {
                    if (axes.y.plan) {
                        const auto shifted = [&](int64_t i) MRIOPS_LAMBDA_INLINE { return load(axes.y.spatial(i)); };
                        return forward_columns_through(*axes.y.plan, column, work, shifted, keep);
                    }
                }
                for (int64_t i = 0; i < axes.y.n; ++i) column[i] = load(axes.y.spatial(i));
                kept_forward(column, work, keep);
            });
        }
        pass.to_kspace(plane, lines, z, weights, scale, kspace);
    }

    template <class Keep>
    void kept_forward(Cx<T>* column, Cx<T>* work, const Keep& keep) const {
        if (axes.y.plan) return forward_columns_into(*axes.y.plan, column, work, keep);
        for (int64_t k = 0; k < axes.y.n; ++k) keep(k, column[k]);
    }

    // Row by row of y the z transforms of all its columns, left as [z position][y][tile]; plane by plane the rest.
    template <class Source, class MakeWeights, class Kspace>
    void forward_volumes(int64_t count, const Source& source, const MakeWeights& weights, T scale, const Kspace& kspace,
                         int threads) const {
        const Held volumes = hold(count);
        parallel_for(axes.y.n, threads, [&](int64_t y, int) {
            Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
            each_block([&](int64_t t0, int64_t width) {
                for (int64_t i = 0; i < count; ++i)
                    with_fast(source(i).fuses() && full(t0), [&](auto fuse) {
                        constexpr bool Fast = decltype(source(i))::kFuses && decltype(fuse)::value;
                        const auto from = source(i).template at<Fast>(offset(0, y, t0), 1, pass.lanes_of(t0),
                                                                      {row_step(), row_step()});
                        const auto load = [&](int64_t z, int64_t t)
                                              MRIOPS_LAMBDA_INLINE { return from(offset(axes.z.spatial(z), 0, t)); };
                        Cx<T>* to = volumes.plane(i, 0) + y * tiles + t0;
                        const auto store = [=](int64_t z, int64_t t, Cx<T> v)
                                               MRIOPS_LAMBDA_INLINE { volumes.put(to + z * volumes.step + t, v); };
                        forward_wide(*axes.z.plan, block(), width, work, load, store);
                    });
            });
            if (volumes.streaming) end_streaming();
        });
        for (int64_t i = 0; i < count; ++i) {
            const Weights<T> w = weights(i);
            T* to = kspace(i);
            parallel_for(axes.z.n, threads, [&](int64_t z, int) {
                const Plane<T> plane = pass.own_plane();
                const Lines lines = lines_with_weight(w, axes, axes.z.spectral(z));
                if (lines.count > 0) y_from_held(volumes.plane(i, z), lines, plane);
                pass.to_kspace(plane, lines, axes.z.spectral(z), w, scale, to);
            });
        }
    }

    // y transforms of a plane of the volume. In place: no line is kept behind the position that it comes from.
    void y_from_held(const Cx<T>* held, const Lines& lines, const Plane<T>& plane) const {
        for (int64_t y = 0; y < axes.y.n; ++y) {
            Cx<T>* to = plane.data + axes.y.index_of_spatial(y);
            for (int64_t t = 0; t < tiles; ++t) to[t * pitch] = held[y * tiles + t];
        }
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
        for (int64_t t = 0; t < tiles; ++t) {
            Cx<T>* column = plane.data + t * pitch;
            kept_forward(column, work,
                         [=, kept = lines.kept](int64_t k, Cx<T> v) MRIOPS_LAMBDA_INLINE { column[kept[k]] = v; });
        }
    }

    template <class Sink>
    void adjoint_plane(const T* kspace, int64_t z, const Weights<T>& weights, T scale, const Sink& sink) const {
        const Plane<T> plane = pass.own_plane();
        const Lines lines = lines_with_weight(weights, axes, z);
        pass.from_kspace(kspace, lines, z, weights, scale, plane);
        Cx<T>* column = scratch<Cx<T>>(Scratch::columns, size_t(axes.y.n));
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
        for (int64_t t = 0; t < tiles; ++t) {
            const auto kept = [kept = lines.kept, from = plane.data + t * pitch](int64_t k)
                                  MRIOPS_LAMBDA_INLINE { return from[kept[k]]; };
            with_fast(sink.fuses() && full(t), [&](auto fuse) {
                constexpr bool Fast = decltype(fuse)::value;
                const auto store = sink.template at<Fast>(offset(z, 0, t), row_step(), pass.lanes_of(t), {2 * W, 0});
                if constexpr (Fast) {
                    if (axes.y.plan) {
                        const auto shifted = [&](int64_t i, Cx<T> v)
                                                 MRIOPS_LAMBDA_INLINE { store(axes.y.spatial(i), v); };
                        return inverse_columns_through(*axes.y.plan, column, work, kept, shifted);
                    }
                }
                for (int64_t k = 0; k < axes.y.n; ++k) column[k] = kept(k);
                if (axes.y.plan) inverse_columns(*axes.y.plan, column, work);
                for (int64_t i = 0; i < axes.y.n; ++i) store(axes.y.spatial(i), column[i]);
            });
        }
    }

    template <class Sink, class MakeWeights, class Kspace>
    void adjoint_volumes(int64_t count, const Kspace& kspace, const MakeWeights& weights, T scale, const Sink& sink,
                         int threads) const {
        const Held volumes = hold(count);
        for (int64_t i = 0; i < count; ++i) {
            const Weights<T> w = weights(i);
            parallel_for(axes.z.n, threads, [&](int64_t z, int) {
                const Plane<T> plane = pass.own_plane();
                const Lines lines = lines_with_weight(w, axes, axes.z.spectral(z));
                pass.from_kspace(kspace(i), lines, axes.z.spectral(z), w, scale, plane);
                y_to_held(plane, lines, volumes, volumes.plane(i, z));
            });
        }
        parallel_for(axes.y.n, threads, [&](int64_t y, int) {
            Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
            each_block([&](int64_t t0, int64_t width) {
                for (int64_t i = 0; i < count; ++i)
                    with_fast(sink(i).fuses() && full(t0), [&](auto fuse) {
                        constexpr bool Fast = decltype(fuse)::value;
                        const Cx<T>* from = volumes.plane(i, 0) + y * tiles + t0;
                        const auto load = [=, step = volumes.step, next = tiles](int64_t z, int64_t t)
                                              MRIOPS_LAMBDA_INLINE {
                                                  prefetch_row<T>(from + z * step + t + next);
                                                  return from[z * step + t];
                                              };
                        const auto put =
                            sink(i).template at<Fast>(offset(0, y, t0), 1, pass.lanes_of(t0), {row_step(), row_step()});
                        const auto store = [&](int64_t z, int64_t t, Cx<T> v)
                                               MRIOPS_LAMBDA_INLINE { put(offset(axes.z.spatial(z), 0, t), v); };
                        inverse_wide(*axes.z.plan, block(), width, work, load, store);
                    });
            });
        });
    }

    void y_to_held(const Plane<T>& plane, const Lines& lines, const Held& volumes, Cx<T>* to) const {
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
        for (int64_t t = 0; t < tiles; ++t) {
            Cx<T>* column = plane.data + t * pitch;
            for (int64_t k = axes.y.n; k-- > 0;) column[k] = column[lines.kept[k]];
            if (axes.y.plan) inverse_columns(*axes.y.plan, column, work);
        }
        for (int64_t y = 0; y < axes.y.n; ++y) {
            const Cx<T>* from = plane.data + axes.y.index_of_spatial(y);
            for (int64_t t = 0; t < tiles; ++t) volumes.put(to + y * tiles + t, from[t * pitch]);
        }
        if (volumes.streaming) end_streaming();
    }

    // Of a tile in an array of this volume, in units of its real type.
    int64_t offset(int64_t z, int64_t y, int64_t t) const { return 2 * ((z * axes.y.n + y) * axes.x.n + t * W); }
    int64_t row_step() const { return 2 * axes.x.n; }
    bool full(int64_t t) const { return pass.lanes_of(t) == W; }

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
};

}  // namespace
}  // namespace mriops
