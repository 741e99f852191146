// The kernels of one instruction set.
#pragma once
#include "../core/isa_namespace.h"
#include "nufft.h"

namespace mriops {
namespace MRIOPS_ISA_NAMESPACE {

void nufft_points(const NufftProblem&, Dtype, const void* trajectory, void* points, int32_t* order, int threads);
void nufft(const NufftProblem&, Dtype, const void* image, const void* csm, const void* points, const int32_t* order,
           void* kspace, SampleLayout, int threads);
void nufft_adjoint(const NufftProblem&, Dtype, const void* kspace, const void* csm, const void* dcf, int64_t dcf_stride,
                   const void* points, const int32_t* order, void* image, SampleLayout, int threads);
void nufft_gram(const NufftProblem&, Dtype, const void* image, const void* csm, const void* dcf, int64_t dcf_stride,
                const void* points, const int32_t* order, void* out, int threads);
void nufft_trajectory_grad(const NufftProblem&, Dtype, const void* image, const void* csm, const void* kspace,
                           const void* points, const int32_t* order, void* trajectory, int threads);
void nufft_trajectory_jvp(const NufftProblem&, Dtype, const void* image, const void* csm, const void* tangent,
                          const void* points, const int32_t* order, void* kspace, int threads);

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
