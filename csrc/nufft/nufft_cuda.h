// Host entry points of the NUFFT family on a CUDA device (and, built with MRIOPS_EMU, on fibres of the CPU).
//
// As sense/sense_cuda.h has it: device pointers, caller-owned workspace, nothing allocated, nothing synchronised, so
// that every call can be captured into a CUDA graph. Every sum comes in a fixed order: results are the same from run to
// run. Plans are those of the CPU. Coordinates that are not finite cannot be reported from here and count as 0.
#pragma once
#include <cstddef>

#include "nufft.h"

namespace mriops::cuda {

void nufft_points(const NufftProblem&, Dtype, const void* trajectory, void* points, int32_t* order, void* workspace,
                  void* stream);
void nufft(const NufftProblem&, Dtype, const void* image, const void* csm, const void* points, const int32_t* order,
           void* kspace, SampleLayout, void* workspace, void* stream);
void nufft_adjoint(const NufftProblem&, Dtype, const void* kspace, const void* csm, const void* dcf, int64_t dcf_stride,
                   const void* points, const int32_t* order, void* image, SampleLayout, void* workspace, void* stream);
void nufft_gram(const NufftProblem&, Dtype, const void* image, const void* csm, const void* dcf, int64_t dcf_stride,
                const void* points, const int32_t* order, void* out, void* workspace, void* stream);
void nufft_trajectory_grad(const NufftProblem&, Dtype, const void* image, const void* csm, const void* kspace,
                           const void* points, const int32_t* order, void* trajectory, void* workspace, void* stream);
void nufft_trajectory_jvp(const NufftProblem&, Dtype, const void* image, const void* csm, const void* tangent,
                          const void* points, const int32_t* order, void* kspace, void* workspace, void* stream);

std::size_t nufft_points_workspace_bytes(const NufftProblem&, Dtype);
std::size_t nufft_workspace_bytes(const NufftProblem&, Dtype);
std::size_t nufft_adjoint_workspace_bytes(const NufftProblem&, Dtype);
std::size_t nufft_gram_workspace_bytes(const NufftProblem&, Dtype);
std::size_t nufft_trajectory_grad_workspace_bytes(const NufftProblem&, Dtype);
std::size_t nufft_trajectory_jvp_workspace_bytes(const NufftProblem&, Dtype);

}  // namespace mriops::cuda
