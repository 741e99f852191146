// The NUFFT kernels for the CPU as a Backend for register_nufft.
#pragma once
#include "../nufft/dispatch.h"
#include "nufft.h"

namespace mriops::bindings {

// The CPU kernels keep scratch per thread, so every workspace is empty.
struct NufftCpu {
#define MRIOPS_NO_WORKSPACE(name) \
    static int64_t name##_workspace_bytes(const NufftProblem&, Dtype) { return 0; }

    static void nufft_points(const NufftProblem& p, Dtype t, const void* trajectory, void* points, int32_t* order,
                             Address, int64_t lane) {
        nufft_kernels().nufft_points(p, t, trajectory, points, order, threads_of(lane));
    }
    static void nufft(const NufftProblem& p, Dtype t, const void* image, const void* csm, const void* points,
                      const int32_t* order, void* kspace, SampleLayout layout, Address, int64_t lane) {
        nufft_kernels().nufft(p, t, image, csm, points, order, kspace, layout, threads_of(lane));
    }
    static void nufft_adjoint(const NufftProblem& p, Dtype t, const void* kspace, const void* csm, const void* dcf,
                              int64_t dcf_stride, const void* points, const int32_t* order, void* image,
                              SampleLayout layout, Address, int64_t lane) {
        nufft_kernels().nufft_adjoint(p, t, kspace, csm, dcf, dcf_stride, points, order, image, layout,
                                      threads_of(lane));
    }
    static void nufft_gram(const NufftProblem& p, Dtype t, const void* image, const void* csm, const void* dcf,
                           int64_t dcf_stride, const void* points, const int32_t* order, void* out, Address,
                           int64_t lane) {
        nufft_kernels().nufft_gram(p, t, image, csm, dcf, dcf_stride, points, order, out, threads_of(lane));
    }
    static void nufft_trajectory_grad(const NufftProblem& p, Dtype t, const void* image, const void* csm,
                                      const void* kspace, const void* points, const int32_t* order, void* trajectory,
                                      Address, int64_t lane) {
        nufft_kernels().nufft_trajectory_grad(p, t, image, csm, kspace, points, order, trajectory, threads_of(lane));
    }
    static void nufft_trajectory_jvp(const NufftProblem& p, Dtype t, const void* image, const void* csm,
                                     const void* tangent, const void* points, const int32_t* order, void* kspace,
                                     Address, int64_t lane) {
        nufft_kernels().nufft_trajectory_jvp(p, t, image, csm, tangent, points, order, kspace, threads_of(lane));
    }
    MRIOPS_NO_WORKSPACE(nufft_points)
    MRIOPS_NO_WORKSPACE(nufft)
    MRIOPS_NO_WORKSPACE(nufft_adjoint)
    MRIOPS_NO_WORKSPACE(nufft_gram)
    MRIOPS_NO_WORKSPACE(nufft_trajectory_grad)
    MRIOPS_NO_WORKSPACE(nufft_trajectory_jvp)
#undef MRIOPS_NO_WORKSPACE
};

}  // namespace mriops::bindings
