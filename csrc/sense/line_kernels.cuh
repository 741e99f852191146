// The device side of a pass: what the threads of a block share, how they load and store. Included by the kernels only.
#pragma once
#include "../fft/line_engine.cuh"
#include "../fft/twiddles.cuh"
#include "line_pass.cuh"

namespace mriops::cuda {

constexpr int kMaxThreads = 256;
// Blocks per multiprocessor that registers must leave room for; with one more, some would spill.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
constexpr int kMostBlocks = 2;
#else
constexpr int kMostBlocks = 3;
#endif
template <class T, Store kStore>
constexpr int kMinBlocks = sizeof(T) == 8         ? 1
                           : kStore == Store::sum ? 2
                                                  : kMostBlocks;

// What happens between load and store; `chirped` is Bluestein's way to go one way.
enum class Turn { one_way, chirped, gram };

template <class T>
__device__ __forceinline__ T weight_at(const Pass<T>& a, int64_t index) {
    if (a.mask_kind == MaskKind::bytes) return static_cast<const unsigned char*>(a.mask)[index] != 0 ? T(1) : T(0);
    return static_cast<const T*>(a.mask)[index];
}

// The lines of this block, and which steps and maps it sums.
template <class T>
struct Work {
    Line* lines;
    int64_t first_step, end_step, tile;
    int first_map, end_map;
};

template <class T>
__device__ __forceinline__ bool find_work(const Pass<T>& a, unsigned char* shared, Work<T>& work) {
    const int64_t tiles = (a.lines + a.lanes - 1) >> a.lane_shift;
    const int64_t block = blockIdx.y * int64_t(gridDim.x) + blockIdx.x;
    if (block >= tiles * a.map_groups * a.splits) return false;
    const int64_t rest = block / tiles;
    work.tile = block - rest * tiles;
    const int64_t split = rest / a.map_groups;
    work.first_map = static_cast<int>(rest - split * a.map_groups) * a.maps_per_group;
    work.end_map = work.first_map + a.maps_per_group;
    if (work.end_map > a.maps) work.end_map = a.maps;
    work.first_step = split * a.steps_per_split;
    work.end_step = work.first_step + a.steps_per_split;
    if (work.end_step > a.steps) work.end_step = a.steps;
    work.lines = reinterpret_cast<Line*>(shared);
    for (unsigned l = threadIdx.x; l < a.lanes; l += a.threads) {
        const int64_t index = (work.tile << a.lane_shift) + l;
        Line line = {-1, 0, 0, 0, 0};
        if (index < a.lines) {
            const int64_t item = index / a.lines_per_item, r = index - item * a.lines_per_item;
            const int64_t u = item / a.inner_items, v = item - u * a.inner_items;
            const int64_t offset = r / a.inner * (a.n * a.inner) + r % a.inner;
            const int64_t x = offset % a.nx, zy = offset / a.nx;
            line.data = u * a.data_stride.u + v * a.data_stride.v + offset;
            line.coef = (u + a.coef_first) / a.coef_share * a.coef_stride.u + v * a.coef_stride.v + offset;
            line.image = u * a.image_stride.u + v * a.image_stride.v + offset;
            line.out = u * a.out_stride.u + v * a.out_stride.v + offset + split * a.split_stride;
            line.mask =
                u * a.mask_stride.u + v * a.mask_stride.v + zy / a.ny * a.mask_z + zy % a.ny * a.mask_y + x * a.mask_x;
        }
        work.lines[l] = line;
    }
    return true;
}

template <class T>
__device__ __forceinline__ Tile<T> make_tile(const Pass<T>& a, unsigned char* shared, bool order_by_frequency) {
    Complex<T>* const twiddle = reinterpret_cast<Complex<T>*>(shared + a.twiddle_at);
    uint16_t* const order = reinterpret_cast<uint16_t*>(shared + a.order_at);
    for (unsigned k = threadIdx.x; k < unsigned(a.plan.n); k += a.threads) twiddle[k] = unit_root<T>(k, a.plan.n);
    fill_order(order, a.plan, order_by_frequency, threadIdx.x, a.threads);
    return {reinterpret_cast<Complex<T>*>(shared + a.buffer_at),
            reinterpret_cast<Complex<T>*>(shared + a.second_at),
            twiddle,
            order,
            a.lanes,
            a.lane_shift,
            a.pitch,
            threadIdx.x,
            a.threads,
            a.rows};
}

// Entries of the lines as the transform wants them; zero on lanes without a line and beyond the end of the axis.
template <class T, Load kLoad, Turn kTurn>
struct Loader {
    const Pass<T>& a;
    const Line* lines;
    int64_t step;

    struct Entries {
        const Pass<T>& a;
        bool exists;
        const Complex<T>*data, *coef, *image;
        int64_t mask;

        __device__ __forceinline__ Complex<T> operator()(unsigned i) const {
            if (!exists || (kTurn == Turn::chirped && i >= unsigned(a.n))) return {T(0), T(0)};
            unsigned k = i + a.centre;
            if (k >= unsigned(a.n)) k -= a.n;
            const int64_t offset = k * a.inner;
            Complex<T> v;
            if (kLoad == Load::maps) {
                v = coef[offset] * image[offset];
                for (int m = 1; m < a.maps; ++m)
                    v = v + coef[m * a.coef_stride.map + offset] * image[m * a.image_stride.map + offset];
            } else {
                v = data[offset];
                if (a.weigh_load) v = weight_at(a, mask + k * a.mask_axis) * v;
            }
            if (a.backward) v.im = -v.im;
            return kTurn == Turn::chirped ? v * a.chirp[i] : v;
        }
    };
    __device__ __forceinline__ Entries line(unsigned l) const {
        const Line& at = lines[l];
        Entries entries = {a, at.data >= 0, nullptr, nullptr, nullptr, at.mask + step * a.mask_stride.step};
        if (kLoad == Load::maps) {
            entries.coef = a.coef + at.coef + step * a.coef_stride.step;
            entries.image = a.image + at.image;
        } else {
            entries.data = a.data + at.data + step * a.data_stride.step;
        }
        return entries;
    }
};

// Where results go. Partial sums over steps stay in shared memory, each entry with the thread that owns it.
template <class T, Store kStore, Turn kTurn>
struct Storer {
    const Pass<T>& a;
    const Work<T>& work;
    Complex<T>* sums;
    int64_t step;

    struct Entries {
        const Storer& s;
        bool exists;
        unsigned lane;
        const Complex<T>* coef;
        Complex<T>* out;
        int64_t mask;

        __device__ __forceinline__ void operator()(unsigned f, Complex<T> v) const {
            const Pass<T>& a = s.a;
            if (!exists || (kTurn == Turn::chirped && f >= unsigned(a.n))) return;
            if (kTurn == Turn::chirped) v = v * a.chirp[f];
            if (a.backward) v.im = -v.im;
            unsigned k = f + a.centre;
            if (k >= unsigned(a.n)) k -= a.n;
            const int64_t offset = k * a.inner;
            if (kStore == Store::plain) {
                if (kTurn != Turn::gram)
                    v = (a.weigh_store ? a.scale * weight_at(a, mask + k * a.mask_axis) : a.scale) * v;
                out[offset] = v;
            } else {
                if (kTurn != Turn::gram) v = a.scale * v;
                for (int m = s.work.first_map; m < s.work.end_map; ++m) {
                    Complex<T> sum = conj_mul(coef[m * a.coef_stride.map + offset], v);
                    Complex<T>* const kept = s.sums + ((m - s.work.first_map) * a.n + k) * a.pitch + lane;
                    if (s.step > s.work.first_step) sum = *kept + sum;
                    if (s.step + 1 < s.work.end_step) {
                        *kept = sum;
                    } else {
                        Complex<T>* const target = out + m * a.out_stride.map + offset;
                        *target = a.add_to_out ? *target + sum : sum;
                    }
                }
            }
        }
    };
    __device__ __forceinline__ Entries line(unsigned l) const {
        const Line& at = work.lines[l];
        Entries entries = {*this, at.data >= 0, l, nullptr, a.out + at.out, at.mask + step * a.mask_stride.step};
        if (kStore == Store::sum) entries.coef = a.coef + at.coef + step * a.coef_stride.step;
        return entries;
    }
};

// Frequencies times the squared weights (and the scale of both transforms).
template <class T>
struct Weights {
    const Pass<T>& a;
    const Line* lines;
    int64_t step;

    struct Entries {
        const Pass<T>& a;
        int64_t mask;
        __device__ __forceinline__ Complex<T> operator()(unsigned f, Complex<T> v) const {
            unsigned k = f + a.mask_centre;
            if (k >= unsigned(a.n)) k -= a.n;
            const T w = weight_at(a, mask + k * a.mask_axis);
            return (w * w * a.scale) * v;
        }
    };
    __device__ __forceinline__ Entries line(unsigned l) const { return {a, lines[l].mask + step * a.mask_stride.step}; }
};

// A block for each tile, group of maps and split; more than 2^31 blocks spill into the second dimension.
template <class T>
dim3 grid_of(const Pass<T>& a) {
    const int64_t blocks = ((a.lines + a.lanes - 1) >> a.lane_shift) * a.map_groups * a.splits;
    constexpr int64_t widest = int64_t(1) << 30;
    return blocks <= widest ? dim3(unsigned(blocks)) : dim3(unsigned(widest), unsigned((blocks + widest - 1) / widest));
}

}  // namespace mriops::cuda
