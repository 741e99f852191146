// One pass of the SENSE family over all lines of an axis, with its coil products, mask and coil sum fused in.
//
// A pass takes items (for example one per slice and coil), each a volume whose lines along the axis are transformed,
// and repeats `steps` times per item (for example once per coil) what is summed:
//   load   data                      or  sum_m coef[m] image[m]
//   turn   transform one way         or  transform, weights squared, transform back (the gram of one axis)
//   store  out                       or  out[m] = sum_steps conj(coef[m]) value
// The order of every sum is fixed, so that results are the same from run to run.
#pragma once
#include "../core/complex.h"
#include "../core/gpu.h"
#include "../fft/line_plan.cuh"
#include "sense.h"

namespace mriops::cuda {

// How far apart things are, in elements: per item index u (= item / inner_items), v (= item % inner_items), step and
// map.
struct Strides {
    int64_t u = 0, v = 0, step = 0, map = 0;
};

// Where one line of the tile begins in each array; data < 0 marks a lane without a line.
struct Line {
    int64_t data, coef, image, out, mask;
};

template <class T>
struct Pass {
    LinePlan plan;

    int n = 1, centre = 0;  // length of the axis, offset from transform index to array index
    int mask_centre = 0;    // the same for the mask of a gram, whose centring of the image cancels
    int64_t inner = 1;      // distance between the entries of a line
    int64_t nx = 1, ny = 1;
    int64_t lines_per_item = 1, lines = 1;
    int64_t inner_items = 1;

    const Complex<T>* data = nullptr;
    const Complex<T>* coef = nullptr;
    const Complex<T>* image = nullptr;
    Complex<T>* out = nullptr;
    Strides data_stride, coef_stride, image_stride, out_stride, mask_stride;
    int64_t coef_share = 1, coef_first = 0;  // item u has the coefficients (u + coef_first) / coef_share
    int maps = 1;

    const void* mask = nullptr;
    MaskKind mask_kind = MaskKind::none;
    int64_t mask_z = 0, mask_y = 0, mask_x = 0, mask_axis = 0;
    bool weigh_load = false, weigh_store = false;
    T scale = 1;
    bool backward = false;

    const Complex<T>* chirp = nullptr;  // Bluestein: [n] and [plan.n]
    const Complex<T>* spectrum = nullptr;

    // Steps summed by one block; with several splits, each writes its own partial sum.
    int64_t steps = 1, steps_per_split = 1, splits = 1, split_stride = 0;
    int maps_per_group = 1, map_groups = 1;
    bool add_to_out = false;

    // The tile, see fft/line_engine.cuh.
    unsigned lanes = 1, lane_shift = 0, pitch = 1, threads = 32;
    bool rows = false;
    unsigned twiddle_at = 0, order_at = 0, buffer_at = 0, second_at = 0, sums_at = 0, shared_bytes = 0;
};

// The kinds of pass there are.
enum class Load { data, maps };
enum class Store { plain, sum };
// How lines of a length are transformed: directly or by Bluestein's convolution in shared memory, or, when that is too
// small for a single line, through global memory (long_lines.cuh).
enum class Route { direct, bluestein, global };

template <class T>
Route route_of(int64_t n);
// `split`: the pass sums its steps, and may share them among blocks that write partial sums.
enum class Sums { none, whole, split };
// Fills in the plan and the tile, which depend on n, m (0, or the length of Bluestein's lines), the lines, steps and
// maps.
template <class T>
void lay_out(Pass<T>&, int64_t m, Sums sums);

template <class T>
void launch_one_way(const Pass<T>&, Load, Store, gpu::Stream);
template <class T>
void launch_bluestein(const Pass<T>&, Load, Store, gpu::Stream);
// (data, plain) or (maps, sum)
template <class T>
void launch_two_way(const Pass<T>&, Load, gpu::Stream);
// chirp [n] and spectrum [m] for Bluestein's transform of length n through lines of length m.
template <class T>
void launch_bluestein_tables(int64_t n, int64_t m, Complex<T>* chirp, Complex<T>* spectrum, gpu::Stream);
// Shared memory that building the tables takes, in double precision whatever T is.
std::size_t bluestein_tables_shared_bytes(int64_t m);

}  // namespace mriops::cuda
