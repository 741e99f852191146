// Samples and grid as the device sees them: where a sample falls, its taps, and how the grid lies in memory.
//
// A grid holds frequency f of an axis at index (f + g/2) mod g: centred, as images are. Volumes follow each other, one
// per coil and batch item. Samples are those of a plan (nufft.h), sorted by tiles of kTileCells cells.
#pragma once
#include "../core/complex.h"
#include "../core/device_workspace.cuh"
#include "nufft.h"
#include "points.h"

namespace mriops::cuda::gridding {

using gpu::Memory;
using gpu::upload;

constexpr int kWidest = 16;

template <class T>
struct GridAxis {
    double n, scale;  // image size; position_scale
    int grid, tiles, degree;
    const T* taps;  // [degree + 1][width]
    T slope;        // cells per unit of the trajectory, times the inner derivative of x = 2 fraction - 1
};

template <class T>
struct Gridding {
    int ndim, width, samples;
    GridAxis<T> axis[3];  // z, y, x; in 2D z is a single cell
    const T* points;      // of the first trajectory, and of the next ones `samples * ndim` further
    const int32_t* order;
    const int32_t* start;  // [trajectory][tiles + 1], first sample of each tile
    int64_t tiles;

    // Volumes v = item * coils + coil, of batch items first_item + item.
    Complex<T>* grid;
    int64_t volume;
    int coils, items;
    int64_t first_item, batch_per_traj;

    // K-space of the volumes: sample s (as the user counts, or sorted) at
    // item * item_step + s * sample_step + coil * coil_step
    Complex<T>* kspace;
    int64_t item_step, sample_step, coil_step;
    bool sorted;
    const T* weight;  // per sample in the user's order, or null
    int64_t weight_stride;
};

// The plan's coordinate of an axis as a cell and the polynomial's argument. What is not finite or out of range counts
// as 0: a wrong plan gives a wrong result, never a wrong address.
template <class T>
__device__ __forceinline__ int place_sample(const GridAxis<T>& axis, int width, T coordinate, T* x) {
    double k = coordinate;
    if (!(k >= -axis.n / 2 && k <= axis.n / 2)) k = 0;
    const Place at = place(k, axis.scale, axis.grid, width);
    *x = T(static_cast<double>(at.fraction) * (2.0 / static_cast<double>(int64_t(1) << kPositionBits)) - 1.0);
    return static_cast<int>(at.cell < 0 ? 0 : at.cell > axis.grid ? axis.grid : at.cell);
}

template <class T>
__device__ __forceinline__ T tap(const GridAxis<T>& axis, int width, int j, T x) {
    T sum = axis.taps[j];
    for (int k = 1; k <= axis.degree; ++k) sum = sum * x + axis.taps[k * width + j];
    return sum;
}
// Its derivative by the user's coordinate.
template <class T>
__device__ __forceinline__ T tap_slope(const GridAxis<T>& axis, int width, int j, T x) {
    T sum = axis.taps[j], slope = 0;
    for (int k = 1; k <= axis.degree; ++k) {
        slope = slope * x + sum;
        sum = sum * x + axis.taps[k * width + j];
    }
    return slope * axis.slope;
}

// Index in memory of the grid cell that extended cell `cell` (points.h) stands for.
template <class T>
__device__ __forceinline__ int cell_index(const GridAxis<T>& axis, int width, int cell) {
    int at = cell - width / 2 + axis.grid / 2;
    at = at < 0 ? at + axis.grid : at;
    return at >= axis.grid ? at - axis.grid : at;
}

// Stable sort by tile: wrapped points and the user's index of each.
template <class T>
void launch_sort(const NufftProblem&, const T* trajectory, T* points, int32_t* order, Memory&);
// First sample of every tile.
template <class T>
void launch_starts(const Gridding<T>&, int64_t trajectories, int32_t* start, gpu::Stream);
// grid <- samples, every cell of the grid. Each cell sums its samples in sorted order: the same result at every run.
template <class T>
void launch_spread(const Gridding<T>&, gpu::Stream);
// kspace <- grid
template <class T>
void launch_interpolate(const Gridding<T>&, gpu::Stream);
// kspace <- derivative of it along `tangent` (user's order)
template <class T>
void launch_interpolate_jvp(const Gridding<T>&, const T* tangent, gpu::Stream);
// trajectory (+)= Re sum over coils and items of conj(kspace) times the derivatives by each component
template <class T>
void launch_interpolate_grad(const Gridding<T>&, T* trajectory, bool add, gpu::Stream);

}  // namespace mriops::cuda::gridding
