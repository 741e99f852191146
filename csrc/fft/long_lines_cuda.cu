// Long lines: gathered into scratch with lines innermost, transformed by Stockham's sorting stages, and scattered back.
// Lengths with a prime factor above 13 go through Bluestein's convolution.
#include "long_lines.cuh"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "butterflies.cuh"
#include "twiddles.cuh"

namespace mriops::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr int64_t kScratchBytes = int64_t(64) << (gpu::kEmulated ? 12 : 20);

struct Lines {
    int64_t n, length, inner, first, count;  // `length` >= n entries in scratch, of `count` lines from `first` on
    bool backward, chirped;
};

__device__ __forceinline__ int64_t thread_index() { return blockIdx.x * int64_t(blockDim.x) + threadIdx.x; }
dim3 grid_of(int64_t work) { return dim3(unsigned((work + kThreads - 1) / kThreads)); }

template <class T>
__device__ __forceinline__ Complex<T> chirp_of(const Lines& a, int64_t i) {
    const int64_t j = i - a.n / 2;
    return chirp<T>(j < 0 ? -j : j, a.n);
}
// Where entry i (of scratch) of line l is in the array.
__device__ __forceinline__ int64_t place_of(const Lines& a, int64_t i, int64_t l) {
    const int64_t line = a.first + l, centre = a.chirped ? 0 : a.n / 2;
    const int64_t k = i + centre < a.n ? i + centre : i + centre - a.n;
    return line / a.inner * (a.n * a.inner) + line % a.inner + k * a.inner;
}

template <class T>
__global__ void __launch_bounds__(kThreads) gather(const Lines a, const Complex<T>* data, Complex<T>* scratch) {
    const int64_t index = thread_index();
    if (index >= a.length * a.count) return;
    const int64_t i = index / a.count, l = index - i * a.count;
    Complex<T> v = {T(0), T(0)};
    if (i < a.n) {
        v = data[place_of(a, i, l)];
        if (a.backward) v.im = -v.im;
        if (a.chirped) v = v * chirp_of<T>(a, i);
    }
    scratch[index] = v;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    scatter(const Lines a, const Complex<T>* scratch, Complex<T>* data, T scale) {
    const int64_t index = thread_index();
    if (index >= a.n * a.count) return;
    const int64_t i = index / a.count, l = index - i * a.count;
    Complex<T> v = scratch[index];
    if (a.chirped) v = conj(v) * chirp_of<T>(a, i);  // the convolution came back by a forward transform
    if (a.backward) v.im = -v.im;
    data[place_of(a, i, l)] = scale * v;
}

// One sorting stage: what is left of the transform has `length` = R * span entries, `stride` apart.
template <class T, int R>
__global__ void __launch_bounds__(kThreads)
    stage(const Complex<T>* from, Complex<T>* to, int64_t length, int64_t stride, int64_t count) {
    const int64_t index = thread_index(), span = length / R;
    if (index >= span * stride * count) return;
    const int64_t b = index / count, l = index - b * count, p = b / stride, q = b - p * stride;
    Complex<T> v[R];
    MRIOPS_UNROLL
    for (int j = 0; j < R; ++j) v[j] = from[(q + stride * (p + span * j)) * count + l];
    dft<R, -1>(v);
    MRIOPS_UNROLL
    for (int k = 0; k < R; ++k) {
        const Complex<T> w = k == 0 || p == 0 ? Complex<T>{T(1), T(0)} : unit_root<T>(p * k, length);
        to[(q + stride * (R * p + k)) * count + l] = v[k] * w;
    }
}

template <class T>
__global__ void __launch_bounds__(kThreads) wrapped_chirp(Complex<T>* out, int64_t n, int64_t m) {
    const int64_t i = thread_index();
    if (i >= m) return;
    const int64_t distance = i <= m - i ? i : m - i;
    out[i] = distance < n ? conj(chirp<T>(distance, n)) : Complex<T>{T(0), T(0)};
}

template <class T>
__global__ void __launch_bounds__(kThreads) scale_to(const Complex<T>* from, Complex<T>* to, int64_t m, T scale) {
    const int64_t i = thread_index();
    if (i < m) to[i] = scale * from[i];
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    multiply(Complex<T>* scratch, const Complex<T>* spectrum, int64_t m, int64_t count) {
    const int64_t i = thread_index();
    if (i < m * count) scratch[i] = conj(scratch[i] * spectrum[i / count]);
}

constexpr int kRadices[] = {13, 11, 7, 5, 3, 8, 4, 2};

std::vector<int> radices_of(int64_t n) {
    std::vector<int> radices;
    for (int r : kRadices)
        for (; n % r == 0; n /= r) radices.push_back(r);
    if (n != 1) radices.clear();
    return radices;
}

int64_t scratch_length(int64_t n) {
    if (!radices_of(n).empty()) return n;
    int64_t m = 1;
    while (m < 2 * n - 1) m *= 2;
    return m;
}

int64_t lines_at_once(int64_t length, int64_t lines, std::size_t item) {
    return std::clamp<int64_t>(kScratchBytes / (2 * length * int64_t(item)), 1, std::max<int64_t>(lines, 1));
}

template <class T, int R>
void run_stage(const Complex<T>* from, Complex<T>* to, int64_t total, int64_t length, int64_t stride, int64_t count,
               gpu::Stream stream) {
    MRIOPS_LAUNCH((stage<T, R>), grid_of(total / R * count), dim3(kThreads), 0, stream, from, to, length, stride,
                  count);
}

// Transforms `count` lines in a, using b; afterwards a is what holds the result.
template <class T>
void sort_stages(Complex<T>*& a, Complex<T>*& b, int64_t length, int64_t count, gpu::Stream stream) {
    int64_t left = length, stride = 1;
    for (int r : radices_of(length)) {
        switch (r) {
            case 2: run_stage<T, 2>(a, b, length, left, stride, count, stream); break;
            case 3: run_stage<T, 3>(a, b, length, left, stride, count, stream); break;
            case 4: run_stage<T, 4>(a, b, length, left, stride, count, stream); break;
            case 5: run_stage<T, 5>(a, b, length, left, stride, count, stream); break;
            case 7: run_stage<T, 7>(a, b, length, left, stride, count, stream); break;
            case 8: run_stage<T, 8>(a, b, length, left, stride, count, stream); break;
            case 11: run_stage<T, 11>(a, b, length, left, stride, count, stream); break;
            default: run_stage<T, 13>(a, b, length, left, stride, count, stream); break;
        }
        left /= r;
        stride *= r;
        std::swap(a, b);
    }
}

}  // namespace

template <class T>
int64_t long_lines_scratch(int64_t n, int64_t lines) {
    const int64_t length = scratch_length(n);
    return 2 * length * lines_at_once(length, lines, sizeof(Complex<T>)) + (length != n ? length : 0);
}

template <class T>
void transform_long_lines(const LongLines<T>& job, Complex<T>* scratch, gpu::Stream stream) {
    const int64_t length = scratch_length(job.n);
    const bool chirped = length != job.n;
    const int64_t at_once = lines_at_once(length, job.lines, sizeof(Complex<T>));
    Complex<T>* const spectrum = scratch + 2 * length * at_once;
    const dim3 block(kThreads);
    if (chirped) {
        Complex<T>*a = scratch, *b = scratch + length;
        MRIOPS_LAUNCH(wrapped_chirp<T>, grid_of(length), block, 0, stream, a, job.n, length);
        sort_stages(a, b, length, 1, stream);
        MRIOPS_LAUNCH(scale_to<T>, grid_of(length), block, 0, stream, a, spectrum, length, T(1) / T(length));
    }
    for (int64_t first = 0; first < job.lines; first += at_once) {
        const Lines lines{job.n, length, job.inner, first, std::min(at_once, job.lines - first), job.backward, chirped};
        Complex<T>*a = scratch, *b = scratch + length * at_once;
        MRIOPS_LAUNCH(gather<T>, grid_of(length * lines.count), block, 0, stream, lines, job.data, a);
        sort_stages(a, b, length, lines.count, stream);
        if (chirped) {
            MRIOPS_LAUNCH(multiply<T>, grid_of(length * lines.count), block, 0, stream, a, spectrum, length,
                          lines.count);
            sort_stages(a, b, length, lines.count, stream);
        }
        MRIOPS_LAUNCH(scatter<T>, grid_of(job.n * lines.count), block, 0, stream, lines, a, job.data, job.scale);
    }
}

template int64_t long_lines_scratch<float>(int64_t, int64_t);
template int64_t long_lines_scratch<double>(int64_t, int64_t);
template void transform_long_lines(const LongLines<float>&, Complex<float>*, gpu::Stream);
template void transform_long_lines(const LongLines<double>&, Complex<double>*, gpu::Stream);

}  // namespace mriops::cuda
