// Transforms of all lines of one axis between compact volumes (images, their corner of a grid) and full ones: what is
// zero is not read, what is not wanted is not written.
//
// An axis has `n` transform entries; array index a of a side stands for entry (a - shift) mod n, and only a < count
// exist. Both sides may be the same memory: a block reads its lines before it writes them.
#pragma once
#include "../core/complex.h"
#include "../core/device_workspace.cuh"
#include "../fft/line_plan.cuh"

namespace mriops::cuda::gridding {

using gpu::Memory;
using gpu::upload;

// One side of a pass: where line (v, plane, row, column) begins and how far apart its entries are.
struct Side {
    int64_t volume = 0, plane = 0, row = 0, step = 1;
    int count = 1, shift = 0;
};

struct Origin {  // of one line; from < 0 marks a lane without one
    int64_t from, to, image, csm, kernel;
    double factor;
};

template <class T>
struct LinePass {
    LinePlan plan;
    int64_t rows = 1, columns = 1;  // lines: (v, plane, row, column), columns fastest
    int64_t lines_per_volume = 1, lines = 1;
    Side from, to;
    const Complex<T>* data = nullptr;
    Complex<T>* out = nullptr;
    bool backward = false;
    T scale = 1;

    // The first pass reads csm * image * deconvolution. Volume v is coil first_coil + v % coils of batch item
    // first_item + v / coils.
    const Complex<T>*image = nullptr, *csm = nullptr;
    const T *deconvolve_z = nullptr, *deconvolve_y = nullptr, *deconvolve_x = nullptr;  // null: no factor
    int64_t coils = 1, all_coils = 1, first_coil = 0, first_item = 0, batch_per_csm = 1, voxels = 1;

    // The two-way pass multiplies by a real spectrum, entry f of the axis at f * kernel_step.
    const T* kernel = nullptr;
    int64_t kernel_item = 0, kernel_plane = 0, kernel_row = 0, kernel_column = 0, kernel_step = 0, batch_per_kernel = 1;

    unsigned lanes = 1, lane_shift = 0, pitch = 1, threads = 32;
    bool along_rows = false;
    unsigned twiddle_at = 0, order_at = 0, buffer_at = 0, second_at = 0, shared_bytes = 0;
};

// Whether shared memory holds lines of n entries that have a plan.
template <class T>
bool line_fits(int64_t n);

enum class Way { from_maps, one_way, two_way };
// Finds the tile and launches.
template <class T>
void launch_lines(LinePass<T> pass, int64_t n, Way way, gpu::Stream stream);

}  // namespace mriops::cuda::gridding
