// Passes over lines: tile, loads and stores around the engine of fft/line_engine.cuh.
#include "grid_lines.cuh"

#include "../fft/line_tile.cuh"

namespace mriops::cuda::gridding {
namespace {

constexpr int kMaxThreads = 256;
constexpr std::size_t kComfortableBytes = 56 * 1024;  // three or four blocks on a multiprocessor of an H100

template <class T>
void place(LinePass<T>& a, unsigned lanes) {
    constexpr std::size_t item = sizeof(Complex<T>);
    a.lanes = lanes;
    a.lane_shift = 0;
    while ((1u << a.lane_shift) < lanes) ++a.lane_shift;
    a.pitch = a.along_rows && lanes > 1 ? lanes + 1 : lanes;  // odd: threads along the line meet other banks
    std::size_t at = lanes * sizeof(Origin);
    const auto take = [&at](std::size_t bytes) {
        at = (at + 15) / 16 * 16;
        const std::size_t here = at;
        at += bytes;
        return static_cast<unsigned>(here);
    };
    const std::size_t n = static_cast<std::size_t>(a.plan.n), buffer = n * a.pitch * item;
    a.twiddle_at = take(n * item);
    a.order_at = take(n * sizeof(uint16_t));
    a.buffer_at = take(buffer);
    a.second_at = take(a.plan.second_buffer ? buffer : 0);
    a.shared_bytes = static_cast<unsigned>(at);
}

template <class T>
__device__ __forceinline__ bool find_lines(const LinePass<T>& a, Origin* lines) {
    const int64_t first = (blockIdx.y * int64_t(gridDim.x) + blockIdx.x) << a.lane_shift;
    if (first >= a.lines) return false;
    for (unsigned l = threadIdx.x; l < a.lanes; l += a.threads) {
        Origin o = {-1, 0, 0, 0, 0, 1.0};
        const int64_t line = first + l;
        if (line < a.lines) {
            const int64_t v = line / a.lines_per_volume, rest = line - v * a.lines_per_volume;
            const int64_t zy = rest / a.columns, column = rest - zy * a.columns;
            const int64_t plane = zy / a.rows, row = zy - plane * a.rows;
            const int64_t item = v / a.coils, coil = a.first_coil + v - item * a.coils, b = a.first_item + item;
            o.from = v * a.from.volume + plane * a.from.plane + row * a.from.row + column;
            o.to = v * a.to.volume + plane * a.to.plane + row * a.to.row + column;
            const int64_t offset = plane * a.from.plane + row * a.from.row + column;
            o.image = (a.csm != nullptr ? b : b * a.all_coils + coil) * a.voxels + offset;
            o.csm = (b / a.batch_per_csm * a.all_coils + coil) * a.voxels + offset;
            o.kernel = b / a.batch_per_kernel * a.kernel_item + plane * a.kernel_plane + row * a.kernel_row +
                       column * a.kernel_column;
            if (a.deconvolve_y != nullptr) o.factor = a.deconvolve_y[row];
            if (a.deconvolve_z != nullptr) o.factor *= a.deconvolve_z[plane];
        }
        lines[l] = o;
    }
    return true;
}

// Array index of a transform entry.
__device__ __forceinline__ int array_index(const Side& side, int n, unsigned entry) {
    const int at = int(entry) + side.shift;
    return at >= n ? at - n : at;
}

template <class T, Way kWay>
struct Loader {
    const LinePass<T>& a;
    const Origin* lines;
    struct Entries {
        const LinePass<T>& a;
        const Origin& o;
        template <int R>
        __device__ __forceinline__ void read(Complex<T> (&v)[R], unsigned first, unsigned step) const {
            MRIOPS_UNROLL
            for (int j = 0; j < R; ++j) {
                const int at = array_index(a.from, a.plan.n, first + j * step);
                v[j] = {T(0), T(0)};
                if (o.from < 0 || at >= a.from.count) continue;
                if constexpr (kWay == Way::from_maps) {
                    v[j] = a.image[o.image + at];
                    if (a.csm != nullptr) v[j] = a.csm[o.csm + at] * v[j];
                    if (a.deconvolve_x != nullptr) v[j] = (T(o.factor) * a.deconvolve_x[at]) * v[j];
                } else {
                    v[j] = a.data[o.from + at * a.from.step];
                }
                if (a.backward) v[j].im = -v[j].im;
            }
        }
    };
    __device__ __forceinline__ Entries line(unsigned l) const { return {a, lines[l]}; }
};

template <class T>
struct Storer {
    const LinePass<T>& a;
    const Origin* lines;
    struct Entries {
        const LinePass<T>& a;
        const Origin& o;
        template <int R>
        __device__ __forceinline__ void write(const Complex<T> (&v)[R], unsigned first, unsigned step) const {
            MRIOPS_UNROLL
            for (int j = 0; j < R; ++j) {
                const int at = array_index(a.to, a.plan.n, first + j * step);
                if (o.from < 0 || at >= a.to.count) continue;
                const Complex<T> w = a.scale * v[j];
                a.out[o.to + at * a.to.step] = {w.re, a.backward ? -w.im : w.im};
            }
        }
    };
    __device__ __forceinline__ Entries line(unsigned l) const { return {a, lines[l]}; }
};

template <class T>
struct Spectrum {
    const LinePass<T>& a;
    const Origin* lines;
    struct Entries {
        const LinePass<T>& a;
        const Origin& o;
        template <int R>
        __device__ __forceinline__ void apply(Complex<T> (&v)[R], unsigned first, unsigned step) const {
            MRIOPS_UNROLL
            for (int j = 0; j < R; ++j)
                v[j] = (o.from < 0 ? T(0) : a.kernel[o.kernel + (first + j * step) * a.kernel_step]) * v[j];
        }
    };
    __device__ __forceinline__ Entries line(unsigned l) const { return {a, lines[l]}; }
};

template <class T, Way kWay>
__global__ void __launch_bounds__(kMaxThreads, sizeof(T) == 4 ? 2 : 1) lines(const __grid_constant__ LinePass<T> a) {
    MRIOPS_SHARED_BYTES(shared);
    Origin* const origins = reinterpret_cast<Origin*>(shared);
    if (!find_lines(a, origins)) return;
    const bool along_rows = kWay != Way::two_way && a.along_rows;
    Tile<T> tile = make_tile(a, shared, along_rows, along_rows);
    __syncthreads();
    const Loader<T, kWay> load{a, origins};
    const Storer<T> store{a, origins};
    if constexpr (kWay == Way::two_way)
        convolve(tile, a.plan, load, Spectrum<T>{a, origins}, store);
    else
        transform(tile, a.plan, load, store);
}

}  // namespace

template <class T>
bool line_fits(int64_t n) {
    if (n > kLongestLine) return false;
    LinePass<T> a;
    a.plan = line_plan(n);
    if (a.plan.stages == 0) return false;
    place(a, 1);
    return a.shared_bytes <= gpu::kSharedBytesAnywhere;
}

template <class T>
void launch_lines(LinePass<T> a, int64_t n, Way way, gpu::Stream stream) {
    a.plan = line_plan(n);
    a.along_rows = a.columns == 1 && way != Way::two_way;
    unsigned lanes = 128 / sizeof(Complex<T>);  // a whole cache line of neighbouring columns
    while (lanes < 64 && lanes * n < 2048) lanes *= 2;
    for (place(a, lanes); lanes > 4 && a.shared_bytes > kComfortableBytes; place(a, lanes)) lanes /= 2;
    for (; lanes > 1 && a.shared_bytes > gpu::kSharedBytesAnywhere; place(a, lanes)) lanes /= 2;
    a.threads = lanes * n >= 2048 ? 256 : 128;
    const int64_t blocks = (a.lines + a.lanes - 1) >> a.lane_shift;
    const dim3 grid = grid_of_blocks(blocks);
    if (way == Way::from_maps)
        MRIOPS_LAUNCH((lines<T, Way::from_maps>), grid, dim3(a.threads), a.shared_bytes, stream, a);
    else if (way == Way::one_way)
        MRIOPS_LAUNCH((lines<T, Way::one_way>), grid, dim3(a.threads), a.shared_bytes, stream, a);
    else
        MRIOPS_LAUNCH((lines<T, Way::two_way>), grid, dim3(a.threads), a.shared_bytes, stream, a);
}

#define MRIOPS_INSTANTIATE(T)            \
    template bool line_fits<T>(int64_t); \
    template void launch_lines(LinePass<T>, int64_t, Way, gpu::Stream);
MRIOPS_INSTANTIATE(float)
MRIOPS_INSTANTIATE(double)
#undef MRIOPS_INSTANTIATE

}  // namespace mriops::cuda::gridding
