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
    int64_t nx, volume;                               // of a coil image, in complex numbers
    std::vector<T> outer_weight, y_weight, x_weight;  // deconvolution; that of x padded to whole tiles

    ImagePass(const NufftProblem& p, const GridPlanes<T>& grid) : grid(grid), nx(p.nx), volume(p.nz * p.ny * p.nx) {
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
        parallel_for(grid.rows, threads, [&](int64_t r, int) {
            for (int64_t t = 0; t < grid.tiles; ++t) forward_tile(image, csm, spectrum, r, t);
        });
    }
    // `add`: with maps, add to the image that is there.
    void adjoint(const Cx<T>* spectrum, const T* csm, T* image, bool add, int threads) const {
        parallel_for(grid.rows, threads, [&](int64_t r, int) {
            for (int64_t t = 0; t < grid.tiles; ++t) adjoint_tile(spectrum, csm, image, add, r, t);
        });
    }

  private:
    struct Tile {
        int lanes;
        int64_t offset, step;  // of the first pixel and between pixels along the outer axis, in units of T
    };
    Tile tile(int64_t r, int64_t t) const {
        return {int(std::min<int64_t>(L, nx - t * L)), 2 * (r * nx + t * L), 2 * grid.rows * nx};
    }
    Vec<T> weight_of(int64_t r, int64_t t) const {
        return load_unaligned(x_weight.data() + t * L) * y_weight[size_t(r)];
    }

    void forward_tile(const T* image, const T* csm, Cx<T>* spectrum, int64_t r, int64_t t) const {
        const GridAxis<T>& axis = grid.outer;
        const Tile at = tile(r, t);
        const Vec<T> weight = weight_of(r, t);
        Cx<T>* line = scratch<Cx<T>>(Scratch::rows, size_t(axis.grid + axis.n));
        Cx<T>*weighted = line + axis.grid, *work = scratch<Cx<T>>(Scratch::work, size_t(axis.plan->work_rows()));
        const auto weigh = [&](const T* from, int64_t o) {
            const Cx<T> v = load_complex(from + at.offset + o * at.step, at.lanes);
            const Vec<T> w = weight * outer_weight[size_t(o)];
            return Cx<T>{v.re * w, v.im * w};
        };
        if (csm)
            for (int64_t o = 0; o < axis.n; ++o) weighted[o] = weigh(image, o);
        for (int64_t c = 0; c < grid.coils; ++c) {
            const T* of_coil = (csm ? csm : image) + 2 * c * volume;
            std::fill(line + axis.gap_begin(), line + axis.gap_end(), Cx<T>{});
            for (int64_t o = 0; o < axis.n; ++o)
                line[axis.index_of_pixel(o)] =
                    csm ? load_complex(of_coil + at.offset + o * at.step, at.lanes) * weighted[o] : weigh(of_coil, o);
            forward_columns(*axis.plan, line, work);
            Cx<T>* to = spectrum + (r * grid.coils + c) * grid.tiles + t;
            for (int64_t k = 0; k < axis.grid; ++k) to[axis.plan->frequency[size_t(k)] * grid.pitch] = line[k];
        }
    }

    void adjoint_tile(const Cx<T>* spectrum, const T* csm, T* image, bool add, int64_t r, int64_t t) const {
        const GridAxis<T>& axis = grid.outer;
        const Tile at = tile(r, t);
        const Vec<T> weight = weight_of(r, t);
        Cx<T>* line = scratch<Cx<T>>(Scratch::rows, size_t(axis.grid + axis.n));
        Cx<T>*sum = line + axis.grid, *work = scratch<Cx<T>>(Scratch::work, size_t(axis.plan->work_rows()));
        const auto put = [&](T* to, int64_t o, Cx<T> v) {
            const Vec<T> w = weight * outer_weight[size_t(o)];
            v = {v.re * w, v.im * w};
            if (add) v = v + load_complex(to + at.offset + o * at.step, at.lanes);
            store_complex(to + at.offset + o * at.step, v, at.lanes);
        };
        for (int64_t c = 0; c < grid.coils; ++c) {
            const Cx<T>* from = spectrum + (r * grid.coils + c) * grid.tiles + t;
            for (int64_t k = 0; k < axis.grid; ++k) line[k] = from[axis.plan->frequency[size_t(k)] * grid.pitch];
            inverse_columns(*axis.plan, line, work);
            for (int64_t o = 0; o < axis.n; ++o) {
                const Cx<T> v = line[axis.index_of_pixel(o)];
                if (!csm) {
                    put(image + 2 * c * volume, o, v);
                    continue;
                }
                const Cx<T> s = load_complex(csm + 2 * c * volume + at.offset + o * at.step, at.lanes);
                sum[o] = c == 0 ? mul_conj(s, v) : sum[o] + mul_conj(s, v);
            }
        }
        if (csm)
            for (int64_t o = 0; o < axis.n; ++o) put(image, o, sum[o]);
    }
};

}  // namespace
}  // namespace mriops
