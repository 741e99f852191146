// The NUFFT and Toeplitz kernels for CUDA as Backends: _cuda and _emu share this file and differ in how the .cu was
// compiled.
#pragma once
#include "../nufft/nufft_cuda.h"
#include "../nufft/toeplitz_cuda.h"
#include "nufft.h"
#include "toeplitz.h"

namespace mriops::bindings {

struct NufftDevice {
#define MRIOPS_WORKSPACE(name)                                              \
    static int64_t name##_workspace_bytes(const NufftProblem& p, Dtype t) { \
        return static_cast<int64_t>(cuda::name##_workspace_bytes(p, t));    \
    }
    MRIOPS_WORKSPACE(nufft_points)
    MRIOPS_WORKSPACE(nufft)
    MRIOPS_WORKSPACE(nufft_adjoint)
    MRIOPS_WORKSPACE(nufft_gram)
    MRIOPS_WORKSPACE(nufft_trajectory_grad)
    MRIOPS_WORKSPACE(nufft_trajectory_jvp)
#undef MRIOPS_WORKSPACE

    static void nufft_points(const NufftProblem& p, Dtype t, const void* trajectory, void* points, int32_t* order,
                             Address workspace, int64_t stream) {
        void* const scratch = workspace_of(nufft_points_workspace_bytes(p, t), workspace);
        cuda::nufft_points(p, t, trajectory, points, order, scratch, reinterpret_cast<void*>(stream));
    }
    static void nufft(const NufftProblem& p, Dtype t, const void* image, const void* csm, const void* points,
                      const int32_t* order, void* kspace, SampleLayout layout, Address workspace, int64_t stream) {
        void* const scratch = workspace_of(nufft_workspace_bytes(p, t), workspace);
        cuda::nufft(p, t, image, csm, points, order, kspace, layout, scratch, reinterpret_cast<void*>(stream));
    }
    static void nufft_adjoint(const NufftProblem& p, Dtype t, const void* kspace, const void* csm, const void* dcf,
                              int64_t dcf_stride, const void* points, const int32_t* order, void* image,
                              SampleLayout layout, Address workspace, int64_t stream) {
        void* const scratch = workspace_of(nufft_adjoint_workspace_bytes(p, t), workspace);
        cuda::nufft_adjoint(p, t, kspace, csm, dcf, dcf_stride, points, order, image, layout, scratch,
                            reinterpret_cast<void*>(stream));
    }
    static void nufft_gram(const NufftProblem& p, Dtype t, const void* image, const void* csm, const void* dcf,
                           int64_t dcf_stride, const void* points, const int32_t* order, void* out, Address workspace,
                           int64_t stream) {
        void* const scratch = workspace_of(nufft_gram_workspace_bytes(p, t), workspace);
        cuda::nufft_gram(p, t, image, csm, dcf, dcf_stride, points, order, out, scratch,
                         reinterpret_cast<void*>(stream));
    }
    static void nufft_trajectory_grad(const NufftProblem& p, Dtype t, const void* image, const void* csm,
                                      const void* kspace, const void* points, const int32_t* order, void* trajectory,
                                      Address workspace, int64_t stream) {
        void* const scratch = workspace_of(nufft_trajectory_grad_workspace_bytes(p, t), workspace);
        cuda::nufft_trajectory_grad(p, t, image, csm, kspace, points, order, trajectory, scratch,
                                    reinterpret_cast<void*>(stream));
    }
    static void nufft_trajectory_jvp(const NufftProblem& p, Dtype t, const void* image, const void* csm,
                                     const void* tangent, const void* points, const int32_t* order, void* kspace,
                                     Address workspace, int64_t stream) {
        void* const scratch = workspace_of(nufft_trajectory_jvp_workspace_bytes(p, t), workspace);
        cuda::nufft_trajectory_jvp(p, t, image, csm, tangent, points, order, kspace, scratch,
                                   reinterpret_cast<void*>(stream));
    }
};

struct ToeplitzDevice {
    static int64_t sense_toeplitz_workspace_bytes(const ToeplitzProblem& p, Dtype t) {
        return static_cast<int64_t>(cuda::sense_toeplitz_workspace_bytes(p, t));
    }
    static void sense_toeplitz(const ToeplitzProblem& p, Dtype t, const void* image, const void* csm,
                               const void* kernel, void* out, uintptr_t workspace, int64_t stream) {
        void* const scratch = workspace_of(sense_toeplitz_workspace_bytes(p, t), workspace);
        cuda::sense_toeplitz(p, t, image, csm, kernel, out, scratch, reinterpret_cast<void*>(stream));
    }
};

}  // namespace mriops::bindings
