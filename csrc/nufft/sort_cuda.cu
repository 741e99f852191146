// nufft_points on the device: a stable radix sort by the same key, so that the plan is the one the CPU makes.
#include "gridding.cuh"

namespace mriops::cuda::gridding {
namespace {

constexpr int kThreads = 256, kDigits = 256, kRounds = 8, kChunk = kThreads * kRounds;
constexpr unsigned kAll = 0xffffffffu;

struct SortAxis {
    double n, scale;
    int64_t grid, tiles;
};
struct Sort {
    int ndim, width, samples, blocks;
    bool by_cell;
    SortAxis axis[3];
};

template <class T>
__device__ __forceinline__ T finite_or_zero(T k) {
    return k - k == T(0) ? k : T(0);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    make_keys(const __grid_constant__ Sort a, const T* trajectory, unsigned* keys, int* index) {
    const int s = int(blockIdx.x) * kThreads + int(threadIdx.x);
    if (s >= a.samples) return;
    const int64_t at = int64_t(blockIdx.y) * a.samples + s;
    SortKey key;
    for (int d = 0; d < a.ndim; ++d) {
        const SortAxis& axis = a.axis[3 - a.ndim + d];
        const T k = wrapped(finite_or_zero(trajectory[at * a.ndim + d]), axis.n);
        key.add(place(static_cast<double>(k), axis.scale, axis.grid, a.width).cell, axis.tiles);
    }
    keys[at] = static_cast<unsigned>(key.value(a.by_cell));
    index[at] = s;
}

// counts[trajectory][digit][block]
__global__ void __launch_bounds__(kThreads)
    count_digits(const __grid_constant__ Sort a, const unsigned* keys, int shift, int* counts) {
    MRIOPS_SHARED_ARRAY(int, histogram, kDigits);
    histogram[threadIdx.x] = 0;
    __syncthreads();
    const unsigned* const own = keys + int64_t(blockIdx.y) * a.samples;
    for (int r = 0; r < kRounds; ++r) {
        const int64_t s = int64_t(blockIdx.x) * kChunk + r * kThreads + threadIdx.x;
        if (s < a.samples) atomicAdd(&histogram[own[s] >> shift & (kDigits - 1)], 1);
    }
    __syncthreads();
    counts[(int64_t(blockIdx.y) * kDigits + threadIdx.x) * a.blocks + blockIdx.x] = histogram[threadIdx.x];
}

// Exclusive sums in place, one block per trajectory and one thread per digit.
__global__ void __launch_bounds__(kThreads) scan_counts(const __grid_constant__ Sort a, int* counts) {
    MRIOPS_SHARED_ARRAY(int, total, kDigits);
    int* const own = counts + (int64_t(blockIdx.x) * kDigits + threadIdx.x) * a.blocks;
    int sum = 0;
    for (int b = 0; b < a.blocks; ++b) sum += own[b];
    total[threadIdx.x] = sum;
    __syncthreads();
    for (int step = 1; step < kDigits; step *= 2) {
        const int before = int(threadIdx.x) >= step ? total[threadIdx.x - step] : 0;
        __syncthreads();
        total[threadIdx.x] += before;
        __syncthreads();
    }
    int at = total[threadIdx.x] - sum;
    for (int b = 0; b < a.blocks; ++b) {
        const int here = own[b];
        own[b] = at;
        at += here;
    }
}

__device__ __forceinline__ int bits_set(unsigned x) {
    x = x - (x >> 1 & 0x55555555u);
    x = (x & 0x33333333u) + (x >> 2 & 0x33333333u);
    return int(((x + (x >> 4) & 0x0f0f0f0fu) * 0x01010101u) >> 24);
}

// Moves keys and indices to where their digit puts them, those of one digit in the order they had.
__global__ void __launch_bounds__(kThreads)
    move_digits(const __grid_constant__ Sort a, const unsigned* keys, const int* index, int shift, const int* counts,
                unsigned* keys_out, int* index_out) {
    constexpr int kWarps = kThreads / 32;
    MRIOPS_SHARED_ARRAY(int, next, kDigits);
    MRIOPS_SHARED_ARRAY(int, in_warp, kWarps* kDigits);
    const int64_t item = int64_t(blockIdx.y) * a.samples;
    const int thread = int(threadIdx.x), lane = thread & 31, warp = thread >> 5;
    next[thread] = counts[(int64_t(blockIdx.y) * kDigits + thread) * a.blocks + blockIdx.x];
    for (int r = 0; r < kRounds; ++r) {
        const int64_t s = int64_t(blockIdx.x) * kChunk + r * kThreads + thread;
        const bool exists = s < a.samples;
        const unsigned key = exists ? keys[item + s] : 0, digit = key >> shift & (kDigits - 1);
        for (int w = 0; w < kWarps; ++w) in_warp[w * kDigits + thread] = 0;
        __syncthreads();
        unsigned same = __ballot_sync(kAll, exists);
        for (int bit = 0; bit < 8; ++bit) {
            const unsigned set = __ballot_sync(kAll, digit >> bit & 1);
            same &= digit >> bit & 1 ? set : ~set;
        }
        const int rank = bits_set(same & ((1u << lane) - 1));
        if (exists && rank == 0) in_warp[warp * kDigits + digit] = bits_set(same);
        __syncthreads();
        int at = next[thread];
        for (int w = 0; w < kWarps; ++w) {
            const int here = in_warp[w * kDigits + thread];
            in_warp[w * kDigits + thread] = at;
            at += here;
        }
        next[thread] = at;
        __syncthreads();
        if (exists) {
            const int64_t to = item + in_warp[warp * kDigits + digit] + rank;
            keys_out[to] = key;
            index_out[to] = index[item + s];
        }
        __syncthreads();
    }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    write_plan(const __grid_constant__ Sort a, const T* trajectory, const int* index, T* points, int32_t* order) {
    const int s = int(blockIdx.x) * kThreads + int(threadIdx.x);
    if (s >= a.samples) return;
    const int64_t item = int64_t(blockIdx.y) * a.samples;
    const int user = index[item + s];
    order[item + s] = user;
    for (int d = 0; d < a.ndim; ++d) {
        const T k = finite_or_zero(trajectory[(item + user) * a.ndim + d]);
        points[(item + s) * a.ndim + d] = wrapped(k, a.axis[3 - a.ndim + d].n);
    }
}

template <class T>
__global__ void __launch_bounds__(kThreads) find_starts(const __grid_constant__ Gridding<T> a, int32_t* start) {
    const int64_t tile = blockIdx.x * int64_t(kThreads) + threadIdx.x;
    if (tile > a.tiles) return;
    const T* const points = a.points + int64_t(blockIdx.y) * a.samples * a.ndim;
    int low = 0, high = a.samples;  // first sample whose tile is not below
    while (low < high) {
        const int middle = low + (high - low) / 2;
        int64_t key = 0;
        for (int d = 0; d < a.ndim; ++d) {
            const GridAxis<T>& axis = a.axis[3 - a.ndim + d];
            T x;
            key = key * axis.tiles +
                  place_sample(axis, a.width, points[int64_t(middle) * a.ndim + d], &x) / int(kTileCells);
        }
        key < tile ? low = middle + 1 : high = middle;
    }
    start[int64_t(blockIdx.y) * (a.tiles + 1) + tile] = low;
}

dim3 blocks_for(int64_t work, int64_t per_block, int64_t trajectories) {
    return dim3(unsigned((work + per_block - 1) / per_block), unsigned(trajectories));
}

}  // namespace

constexpr int64_t kMostTrajectories = 65535;

template <class T>
void launch_sort(const NufftProblem& p, const T* trajectory, T* points, int32_t* order, Memory& memory) {
    const int64_t volumes[] = {p.nz, p.ny, p.nx}, grids[] = {p.gz, p.gy, p.gx};
    Sort a{p.ndim,
           p.width,
           static_cast<int>(p.samples),
           static_cast<int>((p.samples + kChunk - 1) / kChunk),
           sorted_by_cell(p),
           {}};
    int64_t count_of_keys = a.by_cell ? kTileCells * kTileCells : 1;
    for (int d = 3 - p.ndim; d < 3; ++d) {
        a.axis[d] = {static_cast<double>(volumes[d]), position_scale(volumes[d], grids[d]), grids[d],
                     grids[d] / kTileCells + 1};
        count_of_keys *= a.axis[d].tiles;
    }
    const int64_t group = p.trajectories() < kMostTrajectories ? p.trajectories() : kMostTrajectories;
    unsigned* keys[2];
    int *index[2], *counts;
    for (int i = 0; i < 2; ++i) {
        keys[i] = memory.template take<unsigned>(group * p.samples);
        index[i] = memory.template take<int>(group * p.samples);
    }
    counts = memory.template take<int>(group * kDigits * a.blocks);
    if (memory.dry() || p.samples == 0) return;
    const gpu::Stream stream = memory.stream();
    for (int64_t first = 0; first < p.trajectories(); first += group) {
        const int64_t count = p.trajectories() - first < group ? p.trajectories() - first : group;
        const T* const from = trajectory + first * p.samples * p.ndim;
        const dim3 samples = blocks_for(p.samples, kThreads, count), chunks = blocks_for(p.samples, kChunk, count);
        MRIOPS_LAUNCH(make_keys<T>, samples, dim3(kThreads), 0, stream, a, from, keys[0], index[0]);
        int now = 0;
        for (int shift = 0; shift < 32 && (count_of_keys - 1) >> shift > 0; shift += 8, now = 1 - now) {
            MRIOPS_LAUNCH(count_digits, chunks, dim3(kThreads), 0, stream, a, keys[now], shift, counts);
            MRIOPS_LAUNCH(scan_counts, dim3(unsigned(count)), dim3(kThreads), 0, stream, a, counts);
            MRIOPS_LAUNCH(move_digits, chunks, dim3(kThreads), 0, stream, a, keys[now], index[now], shift, counts,
                          keys[1 - now], index[1 - now]);
        }
        MRIOPS_LAUNCH(write_plan<T>, samples, dim3(kThreads), 0, stream, a, from, index[now],
                      points + first * p.samples * p.ndim, order + first * p.samples);
    }
}

template <class T>
void launch_starts(const Gridding<T>& a, int64_t trajectories, int32_t* start, gpu::Stream stream) {
    for (int64_t first = 0; first < trajectories; first += kMostTrajectories) {
        const int64_t count = trajectories - first < kMostTrajectories ? trajectories - first : kMostTrajectories;
        Gridding<T> part = a;
        part.points += first * a.samples * a.ndim;
        MRIOPS_LAUNCH(find_starts<T>, blocks_for(a.tiles + 1, kThreads, count), dim3(kThreads), 0, stream, part,
                      start + first * (a.tiles + 1));
    }
}

#define MRIOPS_INSTANTIATE(T)                                                        \
    template void launch_sort(const NufftProblem&, const T*, T*, int32_t*, Memory&); \
    template void launch_starts(const Gridding<T>&, int64_t, int32_t*, gpu::Stream);
MRIOPS_INSTANTIATE(float)
MRIOPS_INSTANTIATE(double)
#undef MRIOPS_INSTANTIATE

}  // namespace mriops::cuda::gridding
