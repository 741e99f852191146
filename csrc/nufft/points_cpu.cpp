// nufft_points: wraps coordinates into one period and sorts samples by where they are on the grid.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../core/by_dtype.h"
#include "../core/parallel.h"
#include "../fft/lanes.h"
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

[[noreturn]] void refuse(const NufftProblem& p, int64_t item, int64_t sample, int component, double k) {
    throw std::invalid_argument("trajectory: expected finite coordinates, got " + std::to_string(k) + " at sample " +
                                std::to_string(sample) + ", component " + std::to_string(component) +
                                (p.trajectories() > 1 ? " of trajectory " + std::to_string(item) : ""));
}

// Sort keys of samples [begin, end) of trajectory number `item`. The loop without branches, which the compiler can put
// into vectors, serves blocks that need no wrapping.
template <int D, bool ByCell, class T>
void find_keys(const NufftProblem& p, const AxisTiles* axis, int64_t item, const T* trajectory, int64_t begin,
               int64_t end, int32_t* keys) {
    int outside = 0;
    for (int64_t s = begin; s < end; ++s)
        for (int a = 0; a < D; ++a) {
            const double k = trajectory[s * D + a];
            outside |= !(k >= -axis[a].n / 2) | !(k < axis[a].n / 2);
        }
    const auto find = [&](int64_t s, const auto& coordinate) MRIOPS_LAMBDA_INLINE {
        SortKey key;
        for (int a = 0; a < D; ++a)
            key.add(place(coordinate(trajectory[s * D + a], a), axis[a].scale, axis[a].grid, p.width).cell,
                    axis[a].tiles);
        keys[s] = int32_t(key.value(ByCell));
    };
    if (!outside) {
        for (int64_t s = begin; s < end; ++s) find(s, [](T k, int) MRIOPS_LAMBDA_INLINE { return k; });
        return;
    }
    for (int64_t s = begin; s < end; ++s)
        find(s, [&](T k, int a) {
            if (!std::isfinite(k)) refuse(p, item, s, a, k);
            return wrapped(k, axis[a].n);
        });
}

// Different sort keys that there are.
int64_t count_keys(const NufftProblem& p) {
    int64_t count = sorted_by_cell(p) ? kTileCells * kTileCells : 1;
    for (int64_t grid : {p.gz, p.gy, p.gx}) count *= grid / kTileCells + 1;
    return count;
}

// Stable counting sort of trajectory number `item`. Each of some pieces of it counts its samples, and puts them behind
// those of the pieces before.
template <int D, class T>
void sort_points(const NufftProblem& p, int64_t item, const T* trajectory, T* points, int32_t* order, int64_t pieces) {
    const AxisTiles axes[] = {{p.nz, p.gz}, {p.ny, p.gy}, {p.nx, p.gx}};
    const AxisTiles* axis = axes + (3 - D);
    const bool by_cell = sorted_by_cell(p);
    const int64_t count = count_keys(p);
    std::vector<int32_t> keys(static_cast<size_t>(p.samples)), places(static_cast<size_t>(pieces * count), 0);
    const auto in_pieces = [&](const auto& f) {
        parallel_for(pieces, int(pieces), [&](int64_t i, int) {
            f(places.data() + i * count, i * p.samples / pieces, (i + 1) * p.samples / pieces);
        });
    };
    const auto find = [&](int64_t begin, int64_t end) {
        constexpr int64_t kBlock = 1024;
        const auto of_block = by_cell ? find_keys<D, true, T> : find_keys<D, false, T>;
        for (int64_t s = begin; s < end; s += kBlock)
            of_block(p, axis, item, trajectory, s, std::min(end, s + kBlock), keys.data());
    };
    try {
        in_pieces([&](int32_t* number, int64_t begin, int64_t end) {
            find(begin, end);
            for (int64_t s = begin; s < end; ++s) ++number[keys[size_t(s)]];
        });
    } catch (...) {
        find(0, p.samples);  // to name the first that is refused
        throw;
    }
    int32_t before = 0;
    for (int64_t k = 0; k < count; ++k)
        for (int64_t i = 0; i < pieces; ++i) before += std::exchange(places[size_t(i * count + k)], before);
    in_pieces([&](int32_t* place, int64_t begin, int64_t end) {
        for (int64_t s = begin; s < end; ++s) {
            const int64_t to = place[keys[size_t(s)]]++;
            order[to] = int32_t(s);
            for (int a = 0; a < D; ++a) points[to * D + a] = wrapped(trajectory[s * D + a], axis[a].n);
        }
    });
}

template <class T>
void run_points(const NufftProblem& p, const T* trajectory, T* points, int32_t* order, int threads) {
    // A piece has a table of its own, and waking a thread takes as long as some ten thousand samples.
    const int64_t most = p.samples / std::max<int64_t>(count_keys(p), 16384),
                  pieces = std::max<int64_t>(1, std::min<int64_t>(threads, most));
    const bool items = p.trajectories() >= pieces;
    parallel_for(p.trajectories(), items ? threads : 1, [&](int64_t i, int) {
        const int64_t first = i * p.samples;
        const auto sort = p.ndim == 2 ? sort_points<2, T> : sort_points<3, T>;
        sort(p, i, trajectory + first * p.ndim, points + first * p.ndim, order + first, items ? 1 : pieces);
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
