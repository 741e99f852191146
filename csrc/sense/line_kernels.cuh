// The device side of a pass: what the threads of a block share, how they load and store. Included by the kernels only.
#pragma once
#include "../fft/line_tile.cuh"
#include "line_pass.cuh"

namespace mriops::cuda {

constexpr int kMaxThreads = 256;
// Blocks per multiprocessor that registers must leave room for; with one more, some would spill.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
constexpr int kMostBlocks = 2;
#else
constexpr int kMostBlocks = 3;
#endif
template <class T, Load kLoad, Store kStore>
constexpr int kMinBlocks = sizeof(T) == 8                                  ? 1
                           : kLoad == Load::data && kStore == Store::plain ? kMostBlocks
                                                                           : 2;

// What happens between load and store; `chirped` is Bluestein's way to go one way.
enum class Turn { one_way, chirped, gram };

template <int R, class T>
__device__ __forceinline__ void read_weights(const Pass<T>& a, int64_t mask, const unsigned (&k)[R], T (&w)[R]) {
    if (a.mask_kind == MaskKind::bytes) {
        const unsigned char* const bytes = static_cast<const unsigned char*>(a.mask) + mask;
        MRIOPS_UNROLL
        for (int j = 0; j < R; ++j) w[j] = bytes[k[j] * a.mask_axis] != 0 ? T(1) : T(0);
    } else {
        const T* const values = static_cast<const T*>(a.mask) + mask;
        MRIOPS_UNROLL
        for (int j = 0; j < R; ++j) w[j] = values[k[j] * a.mask_axis];
    }
}

// Transform indices first + j * step as array indices; Bluestein's lines are longer than the axis, what lies outside is
// marked and given an index that exists.
template <Turn kTurn, int R, class T>
__device__ __forceinline__ void array_indices(const Pass<T>& a, unsigned first, unsigned step, unsigned centre,
                                              unsigned (&k)[R], bool (&inside)[R]) {
    const unsigned n = a.n;
    MRIOPS_UNROLL
    for (int j = 0; j < R; ++j) {
        k[j] = first + j * step + centre;
        inside[j] = kTurn != Turn::chirped || k[j] < n;
        if (kTurn == Turn::chirped)
            k[j] = inside[j] ? k[j] : 0;
        else if (k[j] >= n)
            k[j] -= n;
    }
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

        template <int R>
        __device__ __forceinline__ void read(Complex<T> (&v)[R], unsigned first, unsigned step) const {
            if (!exists) {
                MRIOPS_UNROLL
                for (int j = 0; j < R; ++j) v[j] = {T(0), T(0)};
                return;
            }
            unsigned k[R];
            bool inside[R];
            array_indices<kTurn>(a, first, step, a.centre, k, inside);
            if constexpr (kLoad == Load::maps) {
                Complex<T> c[R];
                MRIOPS_UNROLL
                for (int j = 0; j < R; ++j) {
                    c[j] = coef[k[j] * a.inner];
                    v[j] = image[k[j] * a.inner];
                }
                MRIOPS_UNROLL
                for (int j = 0; j < R; ++j) v[j] = c[j] * v[j];
                for (int m = 1; m < a.maps; ++m) {
                    const Complex<T>* const coef_m = coef + m * a.coef_stride.map;
                    const Complex<T>* const image_m = image + m * a.image_stride.map;
                    MRIOPS_UNROLL
                    for (int j = 0; j < R; ++j) v[j] = v[j] + coef_m[k[j] * a.inner] * image_m[k[j] * a.inner];
                }
            } else {
                MRIOPS_UNROLL
                for (int j = 0; j < R; ++j) v[j] = data[k[j] * a.inner];
                if (a.weigh_load) {
                    T w[R];
                    read_weights(a, mask, k, w);
                    MRIOPS_UNROLL
                    for (int j = 0; j < R; ++j) v[j] = w[j] * v[j];
                }
            }
            MRIOPS_UNROLL
            for (int j = 0; j < R; ++j) {
                if (a.backward) v[j].im = -v[j].im;
                if (kTurn == Turn::chirped) v[j] = inside[j] ? v[j] * a.chirp[k[j]] : Complex<T>{T(0), T(0)};
            }
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

        template <int R>
        __device__ __forceinline__ void write(const Complex<T> (&values)[R], unsigned first, unsigned step) const {
            const Pass<T>& a = s.a;
            if (!exists) return;
            unsigned k[R];
            bool inside[R];
            array_indices<kTurn>(a, first, step, a.centre, k, inside);
            Complex<T> v[R];
            MRIOPS_UNROLL
            for (int j = 0; j < R; ++j) {
                v[j] = kTurn == Turn::chirped ? values[j] * a.chirp[k[j]] : values[j];
                if (a.backward) v[j].im = -v[j].im;
                if (kTurn != Turn::gram) v[j] = a.scale * v[j];  // a gram's scale is in its weights
            }
            if constexpr (kStore == Store::plain) {
                if (a.weigh_store) {
                    T w[R];
                    read_weights(a, mask, k, w);
                    MRIOPS_UNROLL
                    for (int j = 0; j < R; ++j) v[j] = w[j] * v[j];
                }
                MRIOPS_UNROLL
                for (int j = 0; j < R; ++j)
                    if (inside[j]) out[k[j] * a.inner] = v[j];
            } else {
                for (int m = s.work.first_map; m < s.work.end_map; ++m) add(m, k, inside, v);
            }
        }
        // conj(coef[m]) v, added to the sum that is kept between steps or, at the last step, written out.
        template <int R>
        __device__ __forceinline__ void add(int m, const unsigned (&k)[R], const bool (&inside)[R],
                                            const Complex<T> (&v)[R]) const {
            const Pass<T>& a = s.a;
            const Complex<T>* const coef_m = coef + m * a.coef_stride.map;
            Complex<T>* const kept = s.sums + (m - s.work.first_map) * a.n * a.pitch + lane;
            Complex<T>* const out_m = out + m * a.out_stride.map;
            Complex<T> sum[R];
            MRIOPS_UNROLL
            for (int j = 0; j < R; ++j) sum[j] = coef_m[k[j] * a.inner];
            MRIOPS_UNROLL
            for (int j = 0; j < R; ++j) sum[j] = conj_mul(sum[j], v[j]);
            if (s.step > s.work.first_step) {
                MRIOPS_UNROLL
                for (int j = 0; j < R; ++j)
                    if (inside[j]) sum[j] = kept[k[j] * a.pitch] + sum[j];
            }
            if (s.step + 1 < s.work.end_step) {
                MRIOPS_UNROLL
                for (int j = 0; j < R; ++j)
                    if (inside[j]) kept[k[j] * a.pitch] = sum[j];
            } else {
                MRIOPS_UNROLL
                for (int j = 0; j < R; ++j)
                    if (inside[j]) out_m[k[j] * a.inner] = a.add_to_out ? out_m[k[j] * a.inner] + sum[j] : sum[j];
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
        template <int R>
        __device__ __forceinline__ void apply(Complex<T> (&v)[R], unsigned first, unsigned step) const {
            unsigned k[R];
            bool inside[R];
            array_indices<Turn::gram>(a, first, step, a.mask_centre, k, inside);
            T w[R];
            read_weights(a, mask, k, w);
            MRIOPS_UNROLL
            for (int j = 0; j < R; ++j) v[j] = (w[j] * w[j] * a.scale) * v[j];
        }
    };
    __device__ __forceinline__ Entries line(unsigned l) const { return {a, lines[l].mask + step * a.mask_stride.step}; }
};

// A block for each tile, group of maps and split.
template <class T>
dim3 grid_of(const Pass<T>& a) {
    return grid_of_blocks(((a.lines + a.lanes - 1) >> a.lane_shift) * a.map_groups * a.splits);
}

}  // namespace mriops::cuda
