// Kernels with one thread per pixel of some groups (items, volumes): their grid, and the loop of a thread.
#pragma once
#include <cstdint>

#include "gpu.h"

namespace mriops::gpu {

constexpr unsigned kPixelThreads = 256;

// Pixels along x, groups along y: few divisions per pixel.
inline dim3 pixel_grid(int64_t pixels, int64_t groups) {
    const int64_t blocks = (pixels + kPixelThreads - 1) / kPixelThreads;
    return dim3(unsigned(blocks < (1 << 30) ? blocks : (1 << 30)), unsigned(groups < 65535 ? groups : 65535));
}

// f(group, pixel)
template <class F>
__device__ __forceinline__ void for_each_pixel(int64_t pixels, int64_t groups, F&& f) {
    const int64_t stride = int64_t(gridDim.x) * blockDim.x;
    for (int64_t group = blockIdx.y; group < groups; group += gridDim.y)
        for (int64_t pixel = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; pixel < pixels; pixel += stride)
            f(group, pixel);
}

}  // namespace mriops::gpu
