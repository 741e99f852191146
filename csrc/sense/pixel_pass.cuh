// Passes without a transform: one thread per pixel. Their kernels also serve the path of very long lines, unfused.
#pragma once
#include "line_pass.cuh"

namespace mriops::cuda {

template <class T>
struct PixelPass {
    int64_t pixels = 1, nx = 1, ny = 1;  // per item; mask coordinates as in Pass
    int64_t items = 1, inner_items = 1;
    const Complex<T>* data = nullptr;
    const Complex<T>* coef = nullptr;
    const Complex<T>* image = nullptr;
    Complex<T>* out = nullptr;
    Strides data_stride, coef_stride, image_stride, out_stride;
    int64_t coef_share = 1, coef_first = 0;
    int64_t maps = 1, steps = 1;
    const void* mask = nullptr;
    MaskKind mask_kind = MaskKind::none;
    int64_t mask_u = 0, mask_z = 0, mask_y = 0, mask_x = 0;
    bool add_to_out = false;
};

// out[u, v] = sum_m coef[u, v, m] image[u, m]
template <class T>
void launch_expand(const PixelPass<T>&, gpu::Stream);
// out[u, v, m] = sum_steps conj(coef[m]) data
template <class T>
void launch_combine(const PixelPass<T>&, gpu::Stream);
// out[u, m] = w^2 sum_steps conj(coef[m]) sum_m' coef[m'] image[m']
template <class T>
void launch_pixel_gram(const PixelPass<T>&, gpu::Stream);
// out[u, v] = w data[u, v]
template <class T>
void launch_weigh(const PixelPass<T>&, gpu::Stream);
// out[i] = (out[i] +) sum_s partial[s * count + i], i < count, in the order of s
template <class T>
void launch_add_splits(const Complex<T>* partial, Complex<T>* out, int64_t count, int64_t splits, bool add_to_out,
                       gpu::Stream);

}  // namespace mriops::cuda
