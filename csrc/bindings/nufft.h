// Registers the NUFFT family of one backend: the same Python signatures for _cpu, _cuda and _emu.
//
// A Backend has, for each entry point, a static function that takes the problem, the dtype, the pointers, the workspace
// and the lane (threads or stream), and one static function that says how many bytes of workspace a call needs.
#pragma once
#include <nanobind/nanobind.h>

#include "../nufft/problem.h"
#include "pointers.h"

namespace mriops::bindings {

namespace nb = nanobind;
using namespace nb::literals;
using Address = uintptr_t;

// An array of samples: with no samples there is nothing to point to.
inline void* sample_pointer(const char* argument, uintptr_t address, const NufftProblem& p, Dtype dtype) {
    return p.samples == 0 ? optional_pointer(argument, address, dtype) : pointer(argument, address, dtype);
}
inline int32_t* order_pointer(const char* argument, uintptr_t address, const NufftProblem& p) {
    return static_cast<int32_t*>(sample_pointer(argument, address, p, Dtype::complex64));
}
// Elements from the weights of one trajectory to those of the next.
inline int64_t weight_stride(const NufftProblem& p, int64_t dcf_stride) {
    if (dcf_stride != 0 && dcf_stride != p.samples)
        refuse("dcf_stride", "0 or samples = " + std::to_string(p.samples), dcf_stride);
    return dcf_stride;
}

#define MRIOPS_NUFFT_SHAPE                                                                            \
    int64_t batch, int64_t coils, int64_t samples, int64_t nz, int64_t ny, int64_t nx, int ndim,      \
        int64_t batch_per_csm, int64_t batch_per_traj, int64_t gz, int64_t gy, int64_t gx, int width, \
        int64_t coils_at_once
#define MRIOPS_NUFFT_PROBLEM                                                                                      \
    make_nufft_problem(batch, coils, samples, nz, ny, nx, ndim, batch_per_csm, batch_per_traj, gz, gy, gx, width, \
                       coils_at_once)
#define MRIOPS_NUFFT_SHAPE_NAMES                                                                                \
    "batch"_a, "coils"_a, "samples"_a, "nz"_a, "ny"_a, "nx"_a, "ndim"_a, "batch_per_csm"_a, "batch_per_traj"_a, \
        "gz"_a, "gy"_a, "gx"_a, "width"_a, "coils_at_once"_a

template <class Backend>
void register_nufft(nb::module_& m) {
    const auto release = nb::call_guard<nb::gil_scoped_release>();

    m.def(
        "nufft_points",
        [](Address trajectory, Address points_out, Address order_out, MRIOPS_NUFFT_SHAPE, int dtype, Address workspace,
           int64_t lane) {
            const NufftProblem p = MRIOPS_NUFFT_PROBLEM;
            const Dtype t = make_dtype(dtype);
            if (p.batch == 0) return;
            Backend::nufft_points(p, t, sample_pointer("trajectory", trajectory, p, t),
                                  sample_pointer("points_out", points_out, p, t),
                                  order_pointer("order_out", order_out, p), workspace, lane);
        },
        "trajectory"_a, "points_out"_a, "order_out"_a, MRIOPS_NUFFT_SHAPE_NAMES, "dtype"_a, "workspace"_a, "lane"_a,
        release);
    m.def(
        "nufft",
        [](Address image, Address csm, Address points, Address order, Address kspace_out, MRIOPS_NUFFT_SHAPE,
           int layout, int dtype, Address workspace, int64_t lane) {
            const NufftProblem p = MRIOPS_NUFFT_PROBLEM;
            const Dtype t = make_dtype(dtype);
            const SampleLayout order_of_samples = make_sample_layout(layout);
            if (p.batch == 0) return;
            Backend::nufft(p, t, pointer("image", image, t), optional_pointer("csm", csm, t),
                           sample_pointer("points", points, p, t), order_pointer("order", order, p),
                           sample_pointer("kspace_out", kspace_out, p, t), order_of_samples, workspace, lane);
        },
        "image"_a, "csm"_a, "points"_a, "order"_a, "kspace_out"_a, MRIOPS_NUFFT_SHAPE_NAMES, "layout"_a, "dtype"_a,
        "workspace"_a, "lane"_a, release);
    m.def(
        "nufft_adjoint",
        [](Address kspace, Address csm, Address dcf, Address points, Address order, Address image_out,
           MRIOPS_NUFFT_SHAPE, int64_t dcf_stride, int layout, int dtype, Address workspace, int64_t lane) {
            const NufftProblem p = MRIOPS_NUFFT_PROBLEM;
            const Dtype t = make_dtype(dtype);
            const SampleLayout order_of_samples = make_sample_layout(layout);
            if (p.batch == 0) return;
            Backend::nufft_adjoint(p, t, sample_pointer("kspace", kspace, p, t), optional_pointer("csm", csm, t),
                                   optional_pointer("dcf", dcf, t), weight_stride(p, dcf_stride),
                                   sample_pointer("points", points, p, t), order_pointer("order", order, p),
                                   pointer("image_out", image_out, t), order_of_samples, workspace, lane);
        },
        "kspace"_a, "csm"_a, "dcf"_a, "points"_a, "order"_a, "image_out"_a, MRIOPS_NUFFT_SHAPE_NAMES, "dcf_stride"_a,
        "layout"_a, "dtype"_a, "workspace"_a, "lane"_a, release);
    m.def(
        "nufft_gram",
        [](Address image, Address csm, Address dcf, Address points, Address order, Address image_out,
           MRIOPS_NUFFT_SHAPE, int64_t dcf_stride, int dtype, Address workspace, int64_t lane) {
            const NufftProblem p = MRIOPS_NUFFT_PROBLEM;
            const Dtype t = make_dtype(dtype);
            if (p.batch == 0) return;
            Backend::nufft_gram(p, t, pointer("image", image, t), optional_pointer("csm", csm, t),
                                optional_pointer("dcf", dcf, t), weight_stride(p, dcf_stride),
                                sample_pointer("points", points, p, t), order_pointer("order", order, p),
                                pointer("image_out", image_out, t), workspace, lane);
        },
        "image"_a, "csm"_a, "dcf"_a, "points"_a, "order"_a, "image_out"_a, MRIOPS_NUFFT_SHAPE_NAMES, "dcf_stride"_a,
        "dtype"_a, "workspace"_a, "lane"_a, release);

// Derivatives by the trajectory: (image, csm, sampled array, plan, out).
#define MRIOPS_TRAJECTORY(name, sampled, out)                                                                     \
    m.def(                                                                                                        \
        #name,                                                                                                    \
        [](Address image, Address csm, Address sampled, Address points, Address order, Address out,               \
           MRIOPS_NUFFT_SHAPE, int dtype, Address workspace, int64_t lane) {                                      \
            const NufftProblem p = MRIOPS_NUFFT_PROBLEM;                                                          \
            const Dtype t = make_dtype(dtype);                                                                    \
            if (p.batch == 0) return;                                                                             \
            Backend::name(p, t, pointer("image", image, t), optional_pointer("csm", csm, t),                      \
                          sample_pointer(#sampled, sampled, p, t), sample_pointer("points", points, p, t),        \
                          order_pointer("order", order, p), sample_pointer(#out, out, p, t), workspace, lane);    \
        },                                                                                                        \
        "image"_a, "csm"_a, #sampled ""_a, "points"_a, "order"_a, #out ""_a, MRIOPS_NUFFT_SHAPE_NAMES, "dtype"_a, \
        "workspace"_a, "lane"_a, release)

    MRIOPS_TRAJECTORY(nufft_trajectory_grad, kspace, trajectory_out);
    MRIOPS_TRAJECTORY(nufft_trajectory_jvp, tangent, kspace_out);
#undef MRIOPS_TRAJECTORY

#define MRIOPS_NUFFT_WORKSPACE(name)                                                         \
    m.def(                                                                                   \
        #name "_workspace_bytes",                                                            \
        [](MRIOPS_NUFFT_SHAPE, int dtype) {                                                  \
            return Backend::name##_workspace_bytes(MRIOPS_NUFFT_PROBLEM, make_dtype(dtype)); \
        },                                                                                   \
        MRIOPS_NUFFT_SHAPE_NAMES, "dtype"_a)
    MRIOPS_NUFFT_WORKSPACE(nufft_points);
    MRIOPS_NUFFT_WORKSPACE(nufft);
    MRIOPS_NUFFT_WORKSPACE(nufft_adjoint);
    MRIOPS_NUFFT_WORKSPACE(nufft_gram);
    MRIOPS_NUFFT_WORKSPACE(nufft_trajectory_grad);
    MRIOPS_NUFFT_WORKSPACE(nufft_trajectory_jvp);
#undef MRIOPS_NUFFT_WORKSPACE
}

}  // namespace mriops::bindings
