// Registers the SENSE family of one backend: the same Python signatures for _cpu, _cuda and _emu.
//
// A Backend has, for each entry point, a static function that takes the problem, the dtype, the pointers, the workspace
// and the lane (threads or stream), and one static function that says how many bytes of workspace a call needs.
#pragma once
#include <nanobind/nanobind.h>

#include "../sense/problem.h"
#include "pointers.h"

namespace mriops::bindings {

namespace nb = nanobind;
using namespace nb::literals;
using Address = uintptr_t;

inline const void* mask_pointer(uintptr_t address, MaskKind kind, Dtype dtype) {
    if (kind == MaskKind::none) return nullptr;
    if (kind == MaskKind::real) return pointer("mask", address, dtype);
    if (address == 0) throw std::invalid_argument("mask: expected an address, got 0");
    return reinterpret_cast<const void*>(address);
}

#define MRIOPS_SHAPE                                                                                                 \
    int64_t batch, int64_t maps, int64_t coils, int64_t nz, int64_t ny, int64_t nx, int ndim, int64_t batch_per_csm, \
        int mask_kind, int64_t mask_sb, int64_t mask_sz, int64_t mask_sy, int64_t mask_sx
#define MRIOPS_PROBLEM \
    make_problem(batch, maps, coils, nz, ny, nx, ndim, batch_per_csm, mask_kind, mask_sb, mask_sz, mask_sy, mask_sx)
#define MRIOPS_SHAPE_NAMES                                                                                           \
    "batch"_a, "maps"_a, "coils"_a, "nz"_a, "ny"_a, "nx"_a, "ndim"_a, "batch_per_csm"_a, "mask_kind"_a, "mask_sb"_a, \
        "mask_sz"_a, "mask_sy"_a, "mask_sx"_a

template <class Backend>
void register_sense(nb::module_& m) {
    const auto release = nb::call_guard<nb::gil_scoped_release>();

// Three arrays and a mask: (first, second, mask, out).
#define MRIOPS_MASKED(name, first, second, out)                                                                     \
    m.def(                                                                                                          \
        #name,                                                                                                      \
        [](Address first, Address second, Address mask, Address out, MRIOPS_SHAPE, int dtype, Address workspace,    \
           int64_t lane) {                                                                                          \
            const SenseProblem p = MRIOPS_PROBLEM;                                                                  \
            const Dtype t = make_dtype(dtype);                                                                      \
            if (p.batch == 0) return;                                                                               \
            Backend::name(p, t, pointer(#first, first, t), pointer(#second, second, t),                             \
                          mask_pointer(mask, p.mask_kind, t), pointer(#out, out, t), workspace, lane);              \
        },                                                                                                          \
        #first ""_a, #second ""_a, "mask"_a, #out ""_a, MRIOPS_SHAPE_NAMES, "dtype"_a, "workspace"_a, "lane"_a,     \
        release);                                                                                                   \
    m.def(                                                                                                          \
        #name "_workspace_bytes",                                                                                   \
        [](MRIOPS_SHAPE, int dtype) { return Backend::name##_workspace_bytes(MRIOPS_PROBLEM, make_dtype(dtype)); }, \
        MRIOPS_SHAPE_NAMES, "dtype"_a)

#define MRIOPS_UNMASKED(name, first, second, out)                                                                   \
    m.def(                                                                                                          \
        #name,                                                                                                      \
        [](Address first, Address second, Address out, MRIOPS_SHAPE, int dtype, Address workspace, int64_t lane) {  \
            const SenseProblem p = MRIOPS_PROBLEM;                                                                  \
            const Dtype t = make_dtype(dtype);                                                                      \
            if (p.batch == 0) return;                                                                               \
            Backend::name(p, t, pointer(#first, first, t), pointer(#second, second, t), pointer(#out, out, t),      \
                          workspace, lane);                                                                         \
        },                                                                                                          \
        #first ""_a, #second ""_a, #out ""_a, MRIOPS_SHAPE_NAMES, "dtype"_a, "workspace"_a, "lane"_a, release);     \
    m.def(                                                                                                          \
        #name "_workspace_bytes",                                                                                   \
        [](MRIOPS_SHAPE, int dtype) { return Backend::name##_workspace_bytes(MRIOPS_PROBLEM, make_dtype(dtype)); }, \
        MRIOPS_SHAPE_NAMES, "dtype"_a)

    MRIOPS_MASKED(sense, image, csm, kspace_out);
    MRIOPS_MASKED(sense_adjoint, kspace, csm, image_out);
    MRIOPS_MASKED(sense_gram, image, csm, image_out);
    MRIOPS_MASKED(sense_csm_adjoint, kspace, image, csm_out);
    MRIOPS_UNMASKED(coil_expand, image, csm, out);
    MRIOPS_UNMASKED(coil_combine, coil_images, csm, image_out);

    m.def(
        "fft",
        [](Address x, Address out, int64_t batch, int64_t nz, int64_t ny, int64_t nx, int axes_bits, bool inverse,
           int dtype, Address workspace, int64_t lane) {
            const FftProblem p = make_fft_problem(batch, nz, ny, nx, axes_bits, inverse);
            const Dtype t = make_dtype(dtype);
            if (p.batch == 0) return;
            Backend::fft(p, t, pointer("x", x, t), pointer("out", out, t), workspace, lane);
        },
        "x"_a, "out"_a, "batch"_a, "nz"_a, "ny"_a, "nx"_a, "axes_bits"_a, "inverse"_a, "dtype"_a, "workspace"_a,
        "lane"_a, release);
    m.def(
        "fft_workspace_bytes",
        [](int64_t batch, int64_t nz, int64_t ny, int64_t nx, int axes_bits, bool inverse, int dtype) {
            return Backend::fft_workspace_bytes(make_fft_problem(batch, nz, ny, nx, axes_bits, inverse),
                                                make_dtype(dtype));
        },
        "batch"_a, "nz"_a, "ny"_a, "nx"_a, "axes_bits"_a, "inverse"_a, "dtype"_a);

#undef MRIOPS_MASKED
#undef MRIOPS_UNMASKED
}

}  // namespace mriops::bindings
