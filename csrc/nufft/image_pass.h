// The transform along the outermost axis, between images and the spectrum: coil maps, deconvolution, padding and the
// sum over coils happen here.
#pragma once
#include <vector>

#include "../core/parallel.h"
#include "grid_planes.h"
#include "spreading_kernel.h"

namespace mriops {
namespace {

// The image of one batch item and the maps (or null: coil images) of one block of coils, first coil of the block first.
template <class T>
struct ImagePass {
    static constexpr int L = Lanes<T>::width;
    const GridPlanes<T>& grid;
    int64_t nx, volume;  // of a coil image, in complex numbers
    // Neighbouring tiles that are read, transformed and written together: long enough runs of memory for the hardware
    // to fetch ahead.
    int64_t group;
    std::vector<T> outer_weight, y_weight, x_weight;  // deconvolution; that of x padded to whole tiles

    ImagePass(const NufftProblem& p, const GridPlanes<T>& grid)
        : grid(grid), nx(p.nx), volume(p.nz * p.ny * p.nx), group(grid.compact ? 1 : 64 / L) {
        const auto weights = [&](int64_t n, int64_t g, int64_t padded) {
            std::vector<T> out(static_cast<size_t>(padded), T(0));
            const std::vector<double>& w = spreading_kernel(p.width, n, g, sizeof(T) == 4).deconvolution;
            for (int64_t i = 0; i < n; ++i) out[size_t(i)] = T(w[size_t(i)]);
            return out;
        };
        outer_weight = weights(grid.outer.n, grid.outer.grid, grid.outer.n);
        y_weight = p.ndim == 3 ? weights(p.ny, p.gy, p.ny) : std::vector<T>{T(1)};
        x_weight = weights(p.nx, p.gx, grid.tiles * L);
    }

    void forward(const T* image, const T* csm, Cx<T>* spectrum, int threads) const {
        over_groups(threads,
                    [&](int64_t r, int64_t t0, int64_t t1) { forward_group(image, csm, spectrum, r, t0, t1); });
    }
    // `add`: with maps, add to the image that is there.
    void adjoint(const Cx<T>* spectrum, const T* csm, T* image, bool add, int threads) const {
        over_groups(threads,
                    [&](int64_t r, int64_t t0, int64_t t1) { adjoint_group(spectrum, csm, image, add, r, t0, t1); });
    }

  private:
    template <class F>
    void over_groups(int threads, const F& f) const {
        // Where there are few rows, as many groups for each thread.
        const int64_t share = grid.rows >= 8 * threads ? 1 : threads, whole = (grid.tiles + group - 1) / group,
                      groups = std::min(grid.tiles, (whole + share - 1) / share * share);
        parallel_for(grid.rows * groups, threads, [&](int64_t i, int) {
            const int64_t g = i % groups;
            f(i / groups, g * grid.tiles / groups, (g + 1) * grid.tiles / groups);
        });
    }

    int lanes(int64_t t) const { return int(std::min<int64_t>(L, nx - t * L)); }
    // First pixel of a tile in units of T; o along the outer axis.
    int64_t pixel(int64_t o, int64_t r, int64_t t) const { return 2 * ((o * grid.rows + r) * nx + t * L); }
    Cx<T> weighted(Cx<T> v, int64_t o, int64_t r, int64_t t) const {
        const Vec<T> w = load_unaligned(x_weight.data() + t * L) * (outer_weight[size_t(o)] * y_weight[size_t(r)]);
        return {v.re * w, v.im * w};
    }
    // One column of the outer axis per tile, a little apart so that they do not share sets of the cache.
    struct Columns {
        Cx<T>*data, *sum, *work;
        int64_t pitch;
    };
    Columns columns() const {
        const GridAxis<T>& axis = grid.outer;
        Columns c;
        c.pitch = axis.grid + 3;
        c.data = scratch<Cx<T>>(Scratch::rows, size_t(group * (c.pitch + axis.n)));
        c.sum = c.data + group * c.pitch;  // [axis.n][group]
        c.work = scratch<Cx<T>>(Scratch::work, size_t(axis.plan->work_rows()));
        return c;
    }

    void forward_group(const T* image, const T* csm, Cx<T>* spectrum, int64_t r, int64_t t0, int64_t t1) const {
        const GridAxis<T>& axis = grid.outer;
        const Columns buffer = columns();
        if (csm)
            for (int64_t o = 0; o < axis.n; ++o)
                for (int64_t t = t0; t < t1; ++t)
                    buffer.sum[o * group + t - t0] = weighted(load_complex(image + pixel(o, r, t), lanes(t)), o, r, t);
        for (int64_t c = 0; c < grid.coils; ++c) {
            const T* from = (csm ? csm : image) + 2 * c * volume;
            const T* next = from + 2 * volume;  // the next coil's: runs are too short for the hardware to fetch ahead
            Cx<T>* const out = spectrum + (r * grid.coils + c) * grid.tiles;
            for (int64_t o = 0; o < axis.n; ++o) {
                Cx<T>* to = buffer.data + axis.index_of_pixel(o);
                if (!grid.streams)
                    for (int64_t t = t0; t < t1; ++t) prefetch_row_to_write<T>(out + o * grid.pitch + t);
                for (int64_t t = t0; t < t1; ++t) prefetch_row<T>(next + pixel(o, r, t));
                for (int64_t t = t0; t < t1; ++t) {
                    const Cx<T> v = load_complex(from + pixel(o, r, t), lanes(t));
                    to[(t - t0) * buffer.pitch] = csm ? v * buffer.sum[o * group + t - t0] : weighted(v, o, r, t);
                }
            }
            for (int64_t t = t0; t < t1; ++t) {
                Cx<T>* column = buffer.data + (t - t0) * buffer.pitch;
                std::fill(column + axis.gap_begin(), column + axis.gap_end(), Cx<T>{});
                if (!grid.streams) {
                    forward_columns(*axis.plan, column, buffer.work);
                    continue;
                }
                Cx<T>* const to = out + t;
                const int64_t step = grid.pitch;
                const int* const at = axis.plan->frequency.data();
                forward_columns_into(*axis.plan, column, buffer.work, [=](int64_t k, Cx<T> v) MRIOPS_LAMBDA_INLINE {
                    stream_lanes(to + at[k] * step, v);
                });
            }
            if (!grid.streams)
                for (int64_t f = 0; f < axis.grid; ++f) {
                    const Cx<T>* column = buffer.data + axis.plan->position[size_t(f)];
                    for (int64_t t = t0; t < t1; ++t) out[f * grid.pitch + t] = column[(t - t0) * buffer.pitch];
                }
        }
        if (grid.streams) end_streaming();
    }

    void adjoint_group(const Cx<T>* spectrum, const T* csm, T* image, bool add, int64_t r, int64_t t0,
                       int64_t t1) const {
        const GridAxis<T>& axis = grid.outer;
        const Columns buffer = columns();
        const auto put = [&](T* to, int64_t o, int64_t t, Cx<T> v) {
            v = weighted(v, o, r, t);
            if (add) v = v + load_complex(to, lanes(t));
            store_complex(to, v, lanes(t));
        };
        for (int64_t c = 0; c < grid.coils; ++c) {
            const Cx<T>* from = spectrum + (r * grid.coils + c) * grid.tiles;
            for (int64_t f = 0; f < axis.grid; ++f) {
                Cx<T>* column = buffer.data + axis.plan->position[size_t(f)];
                if (csm && f < axis.n)  // read after the transforms
                    for (int64_t t = t0; t < t1; ++t) prefetch_row<T>(csm + 2 * c * volume + pixel(f, r, t));
                for (int64_t t = t0; t < t1; ++t) column[(t - t0) * buffer.pitch] = from[f * grid.pitch + t];
            }
            for (int64_t t = t0; t < t1; ++t)
                inverse_columns(*axis.plan, buffer.data + (t - t0) * buffer.pitch, buffer.work);
            for (int64_t o = 0; o < axis.n; ++o) {
                const Cx<T>* column = buffer.data + axis.index_of_pixel(o);
                for (int64_t t = t0; t < t1; ++t) {
                    const Cx<T> v = column[(t - t0) * buffer.pitch];
                    if (!csm) {
                        put(image + 2 * c * volume + pixel(o, r, t), o, t, v);
                        continue;
                    }
                    Cx<T>& sum = buffer.sum[o * group + t - t0];
                    const Cx<T> u = mul_conj(load_complex(csm + 2 * c * volume + pixel(o, r, t), lanes(t)), v);
                    sum = c == 0 ? u : sum + u;
                }
            }
        }
        if (csm)
            for (int64_t o = 0; o < axis.n; ++o)
                for (int64_t t = t0; t < t1; ++t) put(image + pixel(o, r, t), o, t, buffer.sum[o * group + t - t0]);
    }
};

}  // namespace
}  // namespace mriops
