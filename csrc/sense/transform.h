// Multi-coil transforms between an image array and a k-space array, both interleaved, over any of the three axes.
//
// Forward: the first pass reads through `source` (z, y, tile of x) and transforms z if it is transformed, else y; what
// follows is plane by plane in a cache-resident plane of tiles: y in place, then x in groups of `width` rows whose
// results are weighted and stored. Adjoint is the mirror image, its last pass writing through `sink`.
#pragma once
#include "../core/parallel.h"
#include "../core/scratch.h"
#include "../fft/rows.h"
#include "axes.h"
#include "coils.h"

namespace mriops {
namespace {

template <class T>
struct VolumeTransform {
    static constexpr int W = kWidth<T>;
    Axes<T> axes;
    int64_t tiles, pitch;

    explicit VolumeTransform(const Axes<T>& a) : axes(a), tiles(ceil_div(a.x.n, W)), pitch(ceil_div(a.y.n, W) * W) {}

    int64_t plane_rows() const { return tiles * pitch; }

    // One plane of k-space at index kz: y transform in place, x transform, weights, store. `plane` holds spatial rows.
    void plane_to_kspace(const Plane<T>& plane, int64_t kz, const Weights<T>& weights, T scale, T* kspace,
                         bool y_done) const {
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
        if (axes.y.plan && !y_done)
            for (int64_t t = 0; t < tiles; ++t) {
                Cx<T>* column = plane.data + t * pitch;
                forward_columns(*axes.y.plan, column, work);
            }
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
                    store_complex(out, Cx<T>{v[l].re * w, v[l].im * w}, lanes);
                }
            }
        }
    }

    // The reverse: k-space plane kz, weighted, x inverse, y inverse unless `leave_y`; `plane` then holds rows for the y
    // inverse.
    void plane_from_kspace(const T* kspace, int64_t kz, const Weights<T>& weights, T scale, const Plane<T>& plane,
                           bool leave_y) const {
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
        if (axes.y.plan && !leave_y)
            for (int64_t t = 0; t < tiles; ++t) {
                Cx<T>* column = plane.data + t * pitch;
                inverse_columns(*axes.y.plan, column, work);
            }
    }

    // source(z, t, use) calls use(fuse, functor of the y index); every index is one of the array, not of the transform.
    // `fuse` is std::true_type where the functor is worth compiling into the first stage of every radix.
    template <class MakeSource>
    void forward(const MakeSource& source, const Weights<T>& weights, T scale, T* kspace, int threads) const {
        if (!axes.z.plan) {
            parallel_for(axes.z.n, threads, [&](int64_t z, int) {
                const Plane<T> plane = own_plane();
                Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
                for (int64_t t = 0; t < tiles; ++t) {
                    Cx<T>* column = plane.data + t * pitch;
                    source(z, t, [&](auto fuse, const auto& load) {
                        if constexpr (decltype(fuse)::value) {
                            if (axes.y.plan) {
                                const auto shifted = [&](int64_t i)
                                                         MRIOPS_LAMBDA_INLINE { return load(axes.y.spatial(i)); };
                                return forward_columns_from(*axes.y.plan, column, work, shifted);
                            }
                        }
                        for (int64_t i = 0; i < axes.y.n; ++i) column[i] = load(axes.y.spatial(i));
                        if (axes.y.plan) forward_columns(*axes.y.plan, column, work);
                    });
                }
                plane_to_kspace(plane, z, weights, scale, kspace, true);
            });
            return;
        }
        Cx<T>* volume = scratch<Cx<T>>(Scratch::columns, size_t(axes.z.n * plane_rows()));
        parallel_for(tiles, threads, [&](int64_t t, int) {
            Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
            Cx<T>* column = scratch<Cx<T>>(Scratch::rows, size_t(axes.z.n));
            for (int64_t z = 0; z < axes.z.n; ++z) clear_padding(volume + z * plane_rows() + t * pitch);
            for (int64_t y = 0; y < axes.y.n; ++y) {
                const int64_t i = axes.y.index_of_spatial(y);
                for (int64_t z = 0; z < axes.z.n; ++z)
                    source(axes.z.spatial(z), t, [&](auto, const auto& load) { column[z] = load(y); });
                forward_columns(*axes.z.plan, column, work);
                for (int64_t z = 0; z < axes.z.n; ++z) volume[z * plane_rows() + t * pitch + i] = column[z];
            }
        });
        parallel_for(axes.z.n, threads, [&](int64_t z, int) {
            plane_to_kspace({volume + z * plane_rows(), pitch, tiles}, axes.z.spectral(z), weights, scale, kspace,
                            false);
        });
    }

    // sink(z, t, use) calls use(fuse, functor of y index and value).
    template <class MakeSink>
    void adjoint(const T* kspace, const Weights<T>& weights, T scale, const MakeSink& sink, int threads) const {
        if (!axes.z.plan) {
            parallel_for(axes.z.n, threads, [&](int64_t z, int) {
                const Plane<T> plane = own_plane();
                plane_from_kspace(kspace, z, weights, scale, plane, true);
                Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
                for (int64_t t = 0; t < tiles; ++t) {
                    Cx<T>* column = plane.data + t * pitch;
                    sink(z, t, [&](auto fuse, const auto& store) {
                        if constexpr (decltype(fuse)::value) {
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
            });
            return;
        }
        Cx<T>* volume = scratch<Cx<T>>(Scratch::columns, size_t(axes.z.n * plane_rows()));
        parallel_for(axes.z.n, threads, [&](int64_t z, int) {
            plane_from_kspace(kspace, axes.z.spectral(z), weights, scale, {volume + z * plane_rows(), pitch, tiles},
                              false);
        });
        parallel_for(tiles, threads, [&](int64_t t, int) {
            Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes.work_rows()));
            Cx<T>* column = scratch<Cx<T>>(Scratch::rows, size_t(axes.z.n));
            for (int64_t y = 0; y < axes.y.n; ++y) {
                const int64_t i = axes.y.index_of_spatial(y);
                for (int64_t z = 0; z < axes.z.n; ++z) column[z] = volume[z * plane_rows() + t * pitch + i];
                inverse_columns(*axes.z.plan, column, work);
                for (int64_t z = 0; z < axes.z.n; ++z)
                    sink(axes.z.spatial(z), t, [&](auto, const auto& store) { store(y, column[z]); });
            }
        });
    }

  private:
    Plane<T> own_plane() const {
        const Plane<T> plane{scratch<Cx<T>>(Scratch::columns, size_t(plane_rows())), pitch, tiles};
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
