// Registers sense_toeplitz of one backend: the same Python signature for _cpu, _cuda and _emu.
#pragma once
#include <nanobind/nanobind.h>

#include "../nufft/toeplitz_problem.h"
#include "pointers.h"

namespace mriops::bindings {

namespace nb = nanobind;

template <class Backend>
void register_toeplitz(nb::module_& m) {
    using namespace nb::literals;
#define MRIOPS_TOEPLITZ_SHAPE                                                                          \
    int64_t batch, int64_t coils, int64_t nz, int64_t ny, int64_t nx, int ndim, int64_t batch_per_csm, \
        int64_t batch_per_kernel
#define MRIOPS_TOEPLITZ_PROBLEM make_toeplitz_problem(batch, coils, nz, ny, nx, ndim, batch_per_csm, batch_per_kernel)
#define MRIOPS_TOEPLITZ_NAMES \
    "batch"_a, "coils"_a, "nz"_a, "ny"_a, "nx"_a, "ndim"_a, "batch_per_csm"_a, "batch_per_kernel"_a
    m.def(
        "sense_toeplitz",
        [](uintptr_t image, uintptr_t csm, uintptr_t kernel, uintptr_t image_out, MRIOPS_TOEPLITZ_SHAPE, int dtype,
           uintptr_t workspace, int64_t lane) {
            const ToeplitzProblem p = MRIOPS_TOEPLITZ_PROBLEM;
            const Dtype t = make_dtype(dtype);
            if (p.batch == 0) return;
            Backend::sense_toeplitz(p, t, pointer("image", image, t), optional_pointer("csm", csm, t),
                                    pointer("kernel", kernel, t), pointer("image_out", image_out, t), workspace, lane);
        },
        "image"_a, "csm"_a, "kernel"_a, "image_out"_a, MRIOPS_TOEPLITZ_NAMES, "dtype"_a, "workspace"_a, "lane"_a,
        nb::call_guard<nb::gil_scoped_release>());
    m.def(
        "sense_toeplitz_workspace_bytes",
        [](MRIOPS_TOEPLITZ_SHAPE, int dtype) {
            return Backend::sense_toeplitz_workspace_bytes(MRIOPS_TOEPLITZ_PROBLEM, make_dtype(dtype));
        },
        MRIOPS_TOEPLITZ_NAMES, "dtype"_a);
#undef MRIOPS_TOEPLITZ_SHAPE
#undef MRIOPS_TOEPLITZ_PROBLEM
#undef MRIOPS_TOEPLITZ_NAMES
}

}  // namespace mriops::bindings
