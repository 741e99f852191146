// Host entry point of the Toeplitz normal operator on a CUDA device. As sense/sense_cuda.h has it: device pointers,
// caller-owned workspace, nothing allocated, nothing synchronised, every sum in a fixed order.
#pragma once
#include <cstddef>

#include "toeplitz.h"

namespace mriops::cuda {

void sense_toeplitz(const ToeplitzProblem&, Dtype, const void* image, const void* csm, const void* kernel, void* out,
                    void* workspace, void* stream);
std::size_t sense_toeplitz_workspace_bytes(const ToeplitzProblem&, Dtype);

}  // namespace mriops::cuda
