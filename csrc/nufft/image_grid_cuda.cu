// Kernels with one thread per pixel.
#include "image_grid.cuh"

#include "../core/pixel_loop.cuh"

namespace mriops::cuda::gridding {
namespace {

using gpu::for_each_pixel;
using gpu::kPixelThreads;
using gpu::pixel_grid;

// Where a pixel is in a volume, and its deconvolution.
template <class T>
__device__ __forceinline__ int64_t pixel_at(const ImageGrid<T>& a, int64_t pixel, T* factor) {
    const int64_t zy = pixel / a.nx, x = pixel - zy * a.nx, z = zy / a.ny, y = zy - z * a.ny;
    *factor = T(1);
    if (a.deconvolve_x != nullptr) {
        double f = a.deconvolve_y[y];
        if (a.deconvolve_z != nullptr) f *= a.deconvolve_z[z];
        *factor = T(f) * a.deconvolve_x[x];
    }
    return a.at + z * a.z_step + y * a.y_step + x;
}

template <class T>
__global__ void __launch_bounds__(kPixelThreads, 2) embed(const __grid_constant__ ImageGrid<T> a) {
    const int64_t pixels = a.nz * a.ny * a.nx;
    for_each_pixel(pixels, a.volumes, [&](int64_t v, int64_t pixel) {
        T factor;
        const int64_t at = pixel_at(a, pixel, &factor);
        const int64_t item = v / a.coils, coil = a.first_coil + v - item * a.coils, b = a.first_item + item;
        Complex<T> value = a.image[(a.csm != nullptr ? b : b * a.all_coils + coil) * pixels + pixel];
        if (a.csm != nullptr) value = a.csm[(b / a.batch_per_csm * a.all_coils + coil) * pixels + pixel] * value;
        a.grid[v * a.volume + at] = factor * value;
    });
}

template <class T>
__global__ void __launch_bounds__(kPixelThreads, 2) zero(Complex<T>* data, int64_t count) {
    for_each_pixel(count, 1, [&](int64_t, int64_t i) { data[i] = {T(0), T(0)}; });
}

template <class T>
__global__ void __launch_bounds__(kPixelThreads, 2) combine(const __grid_constant__ ImageGrid<T> a) {
    const int64_t pixels = a.nz * a.ny * a.nx;
    for_each_pixel(pixels, a.csm != nullptr ? a.items : a.volumes, [&](int64_t group, int64_t pixel) {
        T factor;
        const int64_t at = pixel_at(a, pixel, &factor);
        if (a.csm == nullptr) {
            const int64_t item = group / a.coils, coil = a.first_coil + group - item * a.coils;
            a.out[((a.first_item + item) * a.all_coils + coil) * pixels + pixel] =
                factor * a.grid[group * a.volume + at];
            return;
        }
        const int64_t b = a.first_item + group;
        const Complex<T>* const csm = a.csm + (b / a.batch_per_csm * a.all_coils + a.first_coil) * pixels + pixel;
        const Complex<T>* const grid = a.grid + group * a.coils * a.volume + at;
        Complex<T> sum = {T(0), T(0)};
        for (int64_t c = 0; c < a.coils; ++c) sum = sum + conj_mul(csm[c * pixels], grid[c * a.volume]);
        sum = factor * sum;
        Complex<T>* const out = a.out + b * pixels + pixel;
        *out = a.add ? *out + sum : sum;
    });
}

template <class T>
__global__ void __launch_bounds__(kPixelThreads, 2) spectrum(const __grid_constant__ SpectrumProduct<T> a) {
    const int64_t count = a.mz * a.my * a.mx;
    for_each_pixel(count, a.volumes, [&](int64_t v, int64_t i) {
        const auto natural = [](int64_t k, int64_t m) { return m == 1 ? 0 : k < m / 2 ? k + m / 2 : k - m / 2; };
        const int64_t zy = i / a.mx, x = i - zy * a.mx, z = zy / a.my, y = zy - z * a.my;
        const int64_t from = (natural(z, a.mz) * a.my + natural(y, a.my)) * a.mx + natural(x, a.mx);
        const int64_t item = (a.first_item + v / a.coils) / a.batch_per_kernel;
        Complex<T>* const at = a.grid + v * count + i;
        *at = (a.scale * a.kernel[item * count + from]) * *at;
    });
}

}  // namespace

template <class T>
void launch_embed(const ImageGrid<T>& a, gpu::Stream stream) {
    MRIOPS_LAUNCH(embed<T>, pixel_grid(a.nz * a.ny * a.nx, a.volumes), dim3(kPixelThreads), 0, stream, a);
}
template <class T>
void launch_zero(Complex<T>* data, int64_t count, gpu::Stream stream) {
    MRIOPS_LAUNCH(zero<T>, pixel_grid(count, 1), dim3(kPixelThreads), 0, stream, data, count);
}
template <class T>
void launch_combine(const ImageGrid<T>& a, gpu::Stream stream) {
    MRIOPS_LAUNCH(combine<T>, pixel_grid(a.nz * a.ny * a.nx, a.csm != nullptr ? a.items : a.volumes),
                  dim3(kPixelThreads), 0, stream, a);
}
template <class T>
void launch_spectrum(const SpectrumProduct<T>& a, gpu::Stream stream) {
    MRIOPS_LAUNCH(spectrum<T>, pixel_grid(a.mz * a.my * a.mx, a.volumes), dim3(kPixelThreads), 0, stream, a);
}

#define MRIOPS_INSTANTIATE(T)                                       \
    template void launch_embed(const ImageGrid<T>&, gpu::Stream);   \
    template void launch_zero(Complex<T>*, int64_t, gpu::Stream);   \
    template void launch_combine(const ImageGrid<T>&, gpu::Stream); \
    template void launch_spectrum(const SpectrumProduct<T>&, gpu::Stream);
MRIOPS_INSTANTIATE(float)
MRIOPS_INSTANTIATE(double)
#undef MRIOPS_INSTANTIATE

}  // namespace mriops::cuda::gridding
