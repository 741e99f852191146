// nufft_points: wraps coordinates into one period and sorts samples by tile of the grid.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "../core/by_dtype.h"
#include "../core/parallel.h"
#include "kernels.h"
#include "points.h"

namespace mriops {
namespace {

struct AxisTiles {
    double n, scale;
    int64_t grid, tiles;
    AxisTiles(int64_t size, int64_t grid)
        : n(double(size)), scale(position_scale(size, grid)), grid(grid), tiles(grid / kTileCells + 1) {}
};

// Stable counting sort of trajectory number `item`.
template <class T>
void sort_points(const NufftProblem& p, int64_t item, const T* trajectory, T* points, int32_t* order) {
    const AxisTiles axes[] = {{p.nz, p.gz}, {p.ny, p.gy}, {p.nx, p.gx}};
    const AxisTiles* axis = axes + (3 - p.ndim);
    int64_t tiles = 1;
    for (int a = 0; a < p.ndim; ++a) tiles *= axis[a].tiles;
    std::vector<int32_t> tile(static_cast<size_t>(p.samples));
    std::vector<int64_t> start(static_cast<size_t>(tiles + 1), 0);
    for (int64_t s = 0; s < p.samples; ++s) {
        int64_t key = 0;
        for (int a = 0; a < p.ndim; ++a) {
            const T k = trajectory[s * p.ndim + a];
            if (!std::isfinite(k))
                throw std::invalid_argument("trajectory: expected finite coordinates, got " + std::to_string(k) +
                                            " at sample " + std::to_string(s) + ", component " + std::to_string(a) +
                                            (p.trajectories() > 1 ? " of trajectory " + std::to_string(item) : ""));
            const Place at = place(wrapped(k, axis[a].n), axis[a].scale, axis[a].grid, p.width);
            key = key * axis[a].tiles + at.cell / kTileCells;
        }
        tile[size_t(s)] = int32_t(key);
        ++start[size_t(key + 1)];
    }
    for (int64_t t = 0; t < tiles; ++t) start[size_t(t + 1)] += start[size_t(t)];
    for (int64_t s = 0; s < p.samples; ++s) {
        const int64_t to = start[size_t(tile[size_t(s)])]++;
        order[to] = int32_t(s);
        for (int a = 0; a < p.ndim; ++a) points[to * p.ndim + a] = wrapped(trajectory[s * p.ndim + a], axis[a].n);
    }
}

template <class T>
void run_points(const NufftProblem& p, const T* trajectory, T* points, int32_t* order, int threads) {
    parallel_for(p.trajectories(), threads, [&](int64_t i, int) {
        const int64_t first = i * p.samples;
        sort_points(p, i, trajectory + first * p.ndim, points + first * p.ndim, order + first);
    });
}

}  // namespace

namespace MRIOPS_ISA_NAMESPACE {

void nufft_points(const NufftProblem& p, Dtype dtype, const void* trajectory, void* points, int32_t* order,
                  int threads) {
    MRIOPS_BY_DTYPE(run_points<T>, p, MRIOPS_IN(trajectory), MRIOPS_OUT(points), order, threads)
}

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
