// Between images and volumes of the grid, pixel by pixel: the coil sum that ends every adjoint, and the unfused route
// for axes too long for shared memory.
#pragma once
#include "../core/complex.h"
#include "../core/device_workspace.cuh"

namespace mriops::cuda::gridding {

using gpu::Memory;
using gpu::upload;

template <class T>
struct ImageGrid {
    int64_t nz = 1, ny = 1, nx = 1;          // image
    int64_t z_step = 0, y_step = 0, at = 0;  // in a volume: pixel (0, 0, 0) at `at`, planes and rows apart
    int64_t volume = 0, volumes = 0;         // of the grid
    int64_t coils = 1, all_coils = 1, first_coil = 0, first_item = 0, items = 0, batch_per_csm = 1;
    Complex<T>* grid = nullptr;
    const Complex<T>* csm = nullptr;  // null: every coil is an image
    const Complex<T>* image = nullptr;
    Complex<T>* out = nullptr;
    const T *deconvolve_z = nullptr, *deconvolve_y = nullptr, *deconvolve_x = nullptr;  // null: no factor
    bool add = false;
};

// grid <- csm * image * deconvolution; the rest of the grid must be zero
template <class T>
void launch_embed(const ImageGrid<T>&, gpu::Stream);
template <class T>
void launch_zero(Complex<T>* data, int64_t count, gpu::Stream);
// out (+)= deconvolution * sum over coils of conj(csm) * grid, in the order of the coils
template <class T>
void launch_combine(const ImageGrid<T>&, gpu::Stream);

// Centred grids of even size (2nz, 2ny, 2nx), or (2ny, 2nx) in 2D, times spectra in natural order.
template <class T>
struct SpectrumProduct {
    int64_t mz = 1, my = 1, mx = 1, volumes = 0, coils = 1, first_item = 0, batch_per_kernel = 1;
    Complex<T>* grid = nullptr;
    const T* kernel = nullptr;
    T scale = 1;
};
template <class T>
void launch_spectrum(const SpectrumProduct<T>&, gpu::Stream);

}  // namespace mriops::cuda::gridding
