// The door of the NUFFT family: integers become a problem, and sizes that cannot be are refused with
// std::invalid_argument (ValueError in Python). The kernels check coordinates only.
#pragma once
#include <cstdint>
#include <limits>
#include <string>

#include "../core/checks.h"
#include "nufft.h"

namespace mriops {

constexpr int kNarrowestKernel = 2, kWidestKernel = 16;
constexpr int64_t kLargestGrid = 1 << 17;  // of one axis; see points.h

inline NufftProblem make_nufft_problem(int64_t batch, int64_t coils, int64_t samples, int64_t nz, int64_t ny,
                                       int64_t nx, int ndim, int64_t batch_per_csm, int64_t batch_per_traj, int64_t gz,
                                       int64_t gy, int64_t gx, int width, int64_t coils_at_once) {
    at_least("batch", batch, 0);
    at_least("coils", coils, 1);
    at_least("samples", samples, 0);
    if (samples > std::numeric_limits<int32_t>::max()) refuse("samples", "at most 2^31 - 1", samples);
    at_least("nz", nz, 1);
    at_least("ny", ny, 1);
    at_least("nx", nx, 1);
    if (ndim != 2 && ndim != 3) refuse("ndim", "2 or 3", ndim);
    if (ndim == 2 && nz != 1) refuse("nz", "1 when ndim is 2", nz);
    if (ndim == 2 && gz != 1) refuse("gz", "1 when ndim is 2", gz);
    if (width < kNarrowestKernel || width > kWidestKernel)
        refuse("width", std::to_string(kNarrowestKernel) + " to " + std::to_string(kWidestKernel), width);
    const int64_t sizes[] = {nx, ny, nz}, grids[] = {gx, gy, gz};
    const char* const names[] = {"gx", "gy", "gz"};
    for (int axis = 0; axis < ndim; ++axis) {
        const int64_t least = sizes[axis] > width ? sizes[axis] : width;
        if (grids[axis] < least || grids[axis] > kLargestGrid)
            refuse(names[axis],
                   std::to_string(least) + " (the larger of image and kernel) to " + std::to_string(kLargestGrid),
                   grids[axis]);
    }
    for (int64_t divisor : {batch_per_csm, batch_per_traj}) {
        const char* name = divisor == batch_per_csm ? "batch_per_csm" : "batch_per_traj";
        at_least(name, divisor, 1);
        if (batch % divisor != 0) refuse(name, "a divisor of batch = " + std::to_string(batch), divisor);
    }
    at_least("coils_at_once", coils_at_once, 0);
    elements("image", batch, coils, nz, ny, nx);
    elements("kspace", batch, coils, samples);
    elements("trajectory", batch, samples, int64_t{3});
    elements("grid", coils, gz + width, gy + width, gx + width);
    return {batch, coils, samples, nz, ny, nx, ndim, batch_per_csm, batch_per_traj, gz, gy, gx, width, coils_at_once};
}

inline SampleLayout make_sample_layout(int layout) {
    if (layout != 0 && layout != 1) refuse("layout", "0 (user order) or 1 (sorted, coil innermost)", layout);
    return static_cast<SampleLayout>(layout);
}

}  // namespace mriops
