// Kernels with one thread per pixel: coil products and sums, weights, partial sums.
#include "pixel_pass.cuh"

#include "../core/pixel_loop.cuh"

namespace mriops::cuda {
namespace {

using gpu::for_each_pixel;
using gpu::kPixelThreads;
using gpu::pixel_grid;

template <class T>
__device__ __forceinline__ T weight_of(const PixelPass<T>& a, int64_t u, int64_t pixel) {
    if (a.mask_kind == MaskKind::none) return T(1);
    const int64_t zy = pixel / a.nx;
    const int64_t index = u * a.mask_u + zy / a.ny * a.mask_z + zy % a.ny * a.mask_y + (pixel - zy * a.nx) * a.mask_x;
    if (a.mask_kind == MaskKind::bytes) return static_cast<const unsigned char*>(a.mask)[index] != 0 ? T(1) : T(0);
    return static_cast<const T*>(a.mask)[index];
}

template <class T>
__global__ void __launch_bounds__(kPixelThreads, 2) expand(const __grid_constant__ PixelPass<T> a) {
    for_each_pixel(a.pixels, a.items, [&](int64_t item, int64_t pixel) {
        const int64_t u = item / a.inner_items, v = item - u * a.inner_items;
        const Complex<T>* const coef =
            a.coef + (u + a.coef_first) / a.coef_share * a.coef_stride.u + v * a.coef_stride.v + pixel;
        const Complex<T>* const image = a.image + u * a.image_stride.u + pixel;
        Complex<T> sum = coef[0] * image[0];
        for (int64_t m = 1; m < a.maps; ++m) sum = sum + coef[m * a.coef_stride.map] * image[m * a.image_stride.map];
        a.out[u * a.out_stride.u + v * a.out_stride.v + pixel] = sum;
    });
}

template <class T>
__global__ void __launch_bounds__(kPixelThreads, 2) combine(const __grid_constant__ PixelPass<T> a) {
    for_each_pixel(a.pixels, a.items * a.maps, [&](int64_t group, int64_t pixel) {
        const int64_t item = group / a.maps, m = group - item * a.maps;
        const int64_t u = item / a.inner_items, v = item - u * a.inner_items;
        const Complex<T>* coef = a.coef + (u + a.coef_first) / a.coef_share * a.coef_stride.u + v * a.coef_stride.v +
                                 m * a.coef_stride.map + pixel;
        const Complex<T>* data = a.data + u * a.data_stride.u + v * a.data_stride.v + pixel;
        Complex<T> sum = {T(0), T(0)};
        for (int64_t step = 0; step < a.steps; ++step)
            sum = sum + conj_mul(coef[step * a.coef_stride.step], data[step * a.data_stride.step]);
        Complex<T>* const out = a.out + u * a.out_stride.u + v * a.out_stride.v + m * a.out_stride.map + pixel;
        *out = a.add_to_out ? *out + sum : sum;
    });
}

template <class T>
__global__ void __launch_bounds__(kPixelThreads, 2) pixel_gram(const __grid_constant__ PixelPass<T> a) {
    for_each_pixel(a.pixels, a.items * a.maps, [&](int64_t group, int64_t pixel) {
        const int64_t u = group / a.maps, m = group - u * a.maps;
        const Complex<T>* const coef = a.coef + (u + a.coef_first) / a.coef_share * a.coef_stride.u + pixel;
        const Complex<T>* const image = a.image + u * a.image_stride.u + pixel;
        Complex<T> sum = {T(0), T(0)};
        for (int64_t step = 0; step < a.steps; ++step) {
            Complex<T> coil = {T(0), T(0)};
            for (int64_t other = 0; other < a.maps; ++other)
                coil = coil +
                       coef[step * a.coef_stride.step + other * a.coef_stride.map] * image[other * a.image_stride.map];
            sum = sum + conj_mul(coef[step * a.coef_stride.step + m * a.coef_stride.map], coil);
        }
        const T w = weight_of(a, u, pixel);
        a.out[u * a.out_stride.u + m * a.out_stride.map + pixel] = (w * w) * sum;
    });
}

template <class T>
__global__ void __launch_bounds__(kPixelThreads, 2) weigh(const __grid_constant__ PixelPass<T> a) {
    for_each_pixel(a.pixels, a.items, [&](int64_t item, int64_t pixel) {
        const int64_t u = item / a.inner_items, v = item - u * a.inner_items;
        a.out[u * a.out_stride.u + v * a.out_stride.v + pixel] =
            weight_of(a, u, pixel) * a.data[u * a.data_stride.u + v * a.data_stride.v + pixel];
    });
}

template <class T>
__global__ void __launch_bounds__(kPixelThreads, 2)
    add_splits(const Complex<T>* partial, Complex<T>* out, int64_t count, int64_t splits, bool add_to_out) {
    for_each_pixel(count, 1, [&](int64_t, int64_t i) {
        Complex<T> sum = partial[i];
        for (int64_t s = 1; s < splits; ++s) sum = sum + partial[s * count + i];
        out[i] = add_to_out ? out[i] + sum : sum;
    });
}

}  // namespace

template <class T>
void launch_expand(const PixelPass<T>& a, gpu::Stream stream) {
    MRIOPS_LAUNCH(expand<T>, pixel_grid(a.pixels, a.items), dim3(kPixelThreads), 0, stream, a);
}
template <class T>
void launch_combine(const PixelPass<T>& a, gpu::Stream stream) {
    MRIOPS_LAUNCH(combine<T>, pixel_grid(a.pixels, a.items * a.maps), dim3(kPixelThreads), 0, stream, a);
}
template <class T>
void launch_pixel_gram(const PixelPass<T>& a, gpu::Stream stream) {
    MRIOPS_LAUNCH(pixel_gram<T>, pixel_grid(a.pixels, a.items * a.maps), dim3(kPixelThreads), 0, stream, a);
}
template <class T>
void launch_weigh(const PixelPass<T>& a, gpu::Stream stream) {
    MRIOPS_LAUNCH(weigh<T>, pixel_grid(a.pixels, a.items), dim3(kPixelThreads), 0, stream, a);
}
template <class T>
void launch_add_splits(const Complex<T>* partial, Complex<T>* out, int64_t count, int64_t splits, bool add_to_out,
                       gpu::Stream stream) {
    MRIOPS_LAUNCH(add_splits<T>, pixel_grid(count, 1), dim3(kPixelThreads), 0, stream, partial, out, count, splits,
                  add_to_out);
}

#define MRIOPS_INSTANTIATE(T)                                          \
    template void launch_expand(const PixelPass<T>&, gpu::Stream);     \
    template void launch_combine(const PixelPass<T>&, gpu::Stream);    \
    template void launch_pixel_gram(const PixelPass<T>&, gpu::Stream); \
    template void launch_weigh(const PixelPass<T>&, gpu::Stream);      \
    template void launch_add_splits(const Complex<T>*, Complex<T>*, int64_t, int64_t, bool, gpu::Stream);
MRIOPS_INSTANTIATE(float)
MRIOPS_INSTANTIATE(double)
#undef MRIOPS_INSTANTIATE

}  // namespace mriops::cuda
