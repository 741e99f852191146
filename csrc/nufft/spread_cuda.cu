// Spreading as a gather: a block owns a tile of the grid, its threads a cell each, and all samples whose kernel reaches
// the tile go by in sorted order. No atomics, so sums come in one order; weights are computed once for all coils.
#include "gridding.cuh"

namespace mriops::cuda::gridding {
namespace {

constexpr int kThreads = 256, kBatch = 64;
template <class T>
constexpr int kCoils = sizeof(T) == 4 ? 8 : 4;

// Source tiles first .. last along one axis whose samples reach cells [low, low + cells): a leftmost tap e reaches cell
// f when f + width/2 - e, modulo the grid, is below the width. Turns -1, 0 and 1 give runs that ascend and do not
// overlap; any may be empty.
struct TileRun {
    int first, last;
};
__device__ __forceinline__ TileRun source_tiles(int grid, int tiles, int width, int low, int cells, int turn) {
    const int to = low + cells - 1 + width / 2 + turn * grid, from = to - cells - width + 2, before = to - grid;
    int first = from > 0 ? from / int(kTileCells) : 0, last = to < 0 ? -1 : to / int(kTileCells);
    if (turn > -1 && before >= 0 && before / int(kTileCells) >= first) first = before / int(kTileCells) + 1;
    last = last < tiles - 1 ? last : tiles - 1;
    return {first, last};
}

template <class T, int N>
struct Batch {  // what the threads of a block share
    T tap[N][kWidest][kBatch];
    T x[N][kBatch];
    int cell[N][kBatch];
    Complex<T> value[kBatch][kCoils<T>];
};

// Samples [first, first + count) of the trajectory: taps and values.
template <class T, int N>
__device__ __forceinline__ void fill_batch(const Gridding<T>& a, Batch<T, N>& batch, int64_t trajectory, int item,
                                           int first, int count, int coil, int coils) {
    const T* const points = a.points + trajectory * a.samples * N;
    const int32_t* const order = a.order + trajectory * a.samples;
    for (int i = threadIdx.x; i < count * N; i += kThreads) {
        const int p = i / N, d = i - p * N;
        batch.cell[d][p] = place_sample(a.axis[3 - N + d], a.width, points[int64_t(first) * N + i], &batch.x[d][p]);
    }
    for (int i = threadIdx.x; i < count * coils; i += kThreads) {
        const int c = i / count, p = i - c * count;
        int64_t user = order[first + p];
        user = user < 0 || user >= a.samples ? 0 : user;
        const int64_t s = a.sorted ? first + p : user;
        Complex<T> v = a.kspace[item * a.item_step + s * a.sample_step + (coil + c) * a.coil_step];
        if (a.weight != nullptr) v = a.weight[trajectory * a.weight_stride + user] * v;
        batch.value[p][c] = v;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < count * N * a.width; i += kThreads) {
        const int row = i / count, p = i - row * count, d = row / a.width, j = row - d * a.width;
        batch.tap[d][j][p] = tap(a.axis[3 - N + d], a.width, j, batch.x[d][p]);
    }
    __syncthreads();
}

// Tap of the sample that lies on frequency f; >= width when none does.
template <class T>
__device__ __forceinline__ unsigned tap_on(const GridAxis<T>& axis, int width, int f, int cell) {
    int d = f + width / 2 - cell;
    d = d < 0 ? d + axis.grid : d;
    return unsigned(d >= axis.grid ? d - axis.grid : d);
}

// 2D: 8 x 8 cells, four threads per cell that share its samples. 3D: 4 x 8 x 8 cells.
template <class T, int N>
__global__ void __launch_bounds__(kThreads, sizeof(T) == 4 ? 3 : 2) spread(const __grid_constant__ Gridding<T> a) {
    MRIOPS_SHARED_BYTES(shared);
    Batch<T, N>& batch = *reinterpret_cast<Batch<T, N>*>(shared);
    constexpr int kGroups = N == 2 ? 4 : 1, kDeep = N == 2 ? 1 : 4;
    const GridAxis<T>&az = a.axis[0], &ay = a.axis[1], &ax = a.axis[2];
    const int across = (ax.grid + 7) / 8, down = (ay.grid + 7) / 8;
    const int block = int(blockIdx.x), tx = block % across, ty = block / across % down, tz = block / across / down;
    const int thread = int(threadIdx.x), part = thread >> 6;
    const int fx = tx * 8 + (thread & 7), fy = ty * 8 + (thread >> 3 & 7), fz = N == 3 ? tz * kDeep + part : 0;
    for (int item = int(blockIdx.z); item < a.items; item += int(gridDim.z)) {
        const int64_t trajectory = (a.first_item + item) / a.batch_per_traj;
        const int32_t* const start = a.start + trajectory * (a.tiles + 1);
        for (int coil = int(blockIdx.y) * kCoils<T>; coil < a.coils; coil += int(gridDim.y) * kCoils<T>) {
            const int coils = a.coils - coil < kCoils<T> ? a.coils - coil : kCoils<T>;
            Complex<T> sum[kCoils<T>];
            MRIOPS_UNROLL
            for (int c = 0; c < kCoils<T>; ++c) sum[c] = {T(0), T(0)};
            // A sum of its own for each batch: rounding errors of a single one would grow with the number of samples.
            const auto add_batch = [&](int count) {
                Complex<T> some[kCoils<T>];
                MRIOPS_UNROLL
                for (int c = 0; c < kCoils<T>; ++c) some[c] = {T(0), T(0)};
                for (int p = N == 2 ? part : 0; p < count; p += kGroups) {
                    const unsigned jx = tap_on(ax, a.width, fx, batch.cell[N - 1][p]);
                    const unsigned jy = tap_on(ay, a.width, fy, batch.cell[N - 2][p]);
                    const unsigned jz = N == 3 ? tap_on(az, a.width, fz, batch.cell[0][p]) : 0;
                    const unsigned w = unsigned(a.width);
                    if (jx >= w || jy >= w || jz >= w) continue;
                    T weight = batch.tap[N - 1][jx][p] * batch.tap[N - 2][jy][p];
                    if (N == 3) weight = weight * batch.tap[0][jz][p];
                    MRIOPS_UNROLL
                    for (int c = 0; c < kCoils<T>; ++c)
                        if (c < coils) some[c] = some[c] + weight * batch.value[p][c];
                }
                MRIOPS_UNROLL
                for (int c = 0; c < kCoils<T>; ++c) sum[c] = sum[c] + some[c];
            };
            for (int iz = N == 3 ? -1 : 0; iz < (N == 3 ? 2 : 1); ++iz) {
                TileRun rz = {0, 0};
                if (N == 3) rz = source_tiles(az.grid, az.tiles, a.width, tz * kDeep, kDeep, iz);
                for (int z = rz.first; z <= rz.last; ++z)
                    for (int iy = -1; iy < 2; ++iy) {
                        const TileRun ry = source_tiles(ay.grid, ay.tiles, a.width, ty * 8, 8, iy);
                        for (int y = ry.first; y <= ry.last; ++y)
                            for (int ix = -1; ix < 2; ++ix) {
                                const TileRun rx = source_tiles(ax.grid, ax.tiles, a.width, tx * 8, 8, ix);
                                if (rx.first > rx.last) continue;
                                // Tiles that follow each other along x follow each other in the sorted order.
                                const int64_t row = (int64_t(z) * ay.tiles + y) * ax.tiles;
                                const int end = start[row + rx.last + 1];
                                for (int first = start[row + rx.first]; first < end; first += kBatch) {
                                    const int count = end - first < kBatch ? end - first : kBatch;
                                    __syncthreads();
                                    fill_batch<T, N>(a, batch, trajectory, item, first, count, coil, coils);
                                    add_batch(count);
                                }
                            }
                    }
            }
            if (N == 2) {  // the four parts of a cell, in order
                Complex<T>* const parts = reinterpret_cast<Complex<T>*>(shared);
                __syncthreads();
                MRIOPS_UNROLL
                for (int c = 0; c < kCoils<T>; ++c) parts[c * kThreads + thread] = sum[c];
                __syncthreads();
                MRIOPS_UNROLL
                for (int c = 0; c < kCoils<T>; ++c) {
                    const Complex<T>* const own = parts + c * kThreads + (thread & 63);
                    sum[c] = (own[0] + own[64]) + (own[128] + own[192]);
                }
            }
            const bool mine = fx < ax.grid && fy < ay.grid && fz < az.grid && (N == 3 || part == 0);
            if (mine) {
                const auto index = [](const GridAxis<T>& axis, int f) {
                    const int at = f + axis.grid / 2;
                    return int64_t(at >= axis.grid ? at - axis.grid : at);
                };
                const int64_t at = ((N == 3 ? index(az, fz) : 0) * ay.grid + index(ay, fy)) * ax.grid + index(ax, fx);
                Complex<T>* const out = a.grid + (int64_t(item) * a.coils + coil) * a.volume + at;
                MRIOPS_UNROLL
                for (int c = 0; c < kCoils<T>; ++c)
                    if (c < coils) out[c * a.volume] = sum[c];
            }
        }
    }
}

template <class T, int N>
void launch(const Gridding<T>& a, gpu::Stream stream) {
    constexpr int deep = N == 2 ? 1 : 4;
    const int64_t tiles = int64_t(a.axis[2].grid + 7) / 8 * ((a.axis[1].grid + 7) / 8) *
                          (N == 3 ? (a.axis[0].grid + deep - 1) / deep : 1);
    const unsigned parts = unsigned((a.coils + kCoils<T> - 1) / kCoils<T>);
    const dim3 blocks(unsigned(tiles), parts < 65535 ? parts : 65535, a.items < 65535 ? unsigned(a.items) : 65535);
    constexpr std::size_t exchange = sizeof(Complex<T>) * kThreads * kCoils<T>;
    constexpr std::size_t bytes = sizeof(Batch<T, N>) > exchange || N == 3 ? sizeof(Batch<T, N>) : exchange;
    MRIOPS_LAUNCH((spread<T, N>), blocks, dim3(kThreads), bytes, stream, a);
}

}  // namespace

template <class T>
void launch_spread(const Gridding<T>& a, gpu::Stream stream) {
    a.ndim == 2 ? launch<T, 2>(a, stream) : launch<T, 3>(a, stream);
}

template void launch_spread<float>(const Gridding<float>&, gpu::Stream);
template void launch_spread<double>(const Gridding<double>&, gpu::Stream);

}  // namespace mriops::cuda::gridding
