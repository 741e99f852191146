// The door of sense_toeplitz: integers become a problem, and sizes that cannot be are refused with
// std::invalid_argument (ValueError in Python). The kernels themselves check nothing.
#pragma once
#include "../core/checks.h"
#include "toeplitz.h"

namespace mriops {

inline ToeplitzProblem make_toeplitz_problem(int64_t batch, int64_t coils, int64_t nz, int64_t ny, int64_t nx, int ndim,
                                             int64_t batch_per_csm, int64_t batch_per_kernel) {
    at_least("batch", batch, 0);
    at_least("coils", coils, 1);
    at_least("nz", nz, 1);
    at_least("ny", ny, 1);
    at_least("nx", nx, 1);
    if (ndim != 2 && ndim != 3) refuse("ndim", "2 or 3", ndim);
    if (ndim == 2 && nz != 1) refuse("nz", "1 when ndim is 2", nz);
    const auto divides = [batch](const char* name, int64_t per) {
        at_least(name, per, 1);
        if (batch % per != 0) refuse(name, "a divisor of batch = " + std::to_string(batch), per);
    };
    divides("batch_per_csm", batch_per_csm);
    divides("batch_per_kernel", batch_per_kernel);
    // All arrays fit when these do; 8 * voxels real numbers are the largest kernel.
    elements("image", batch, coils, nz, ny, nx);
    elements("kernel", batch / batch_per_kernel, nz, ny, nx, int64_t{8});
    return {batch, coils, nz, ny, nx, ndim, batch_per_csm, batch_per_kernel};
}

}  // namespace mriops
