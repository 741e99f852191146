// The Bloch kernels on a CUDA device, or emulated: the same sweeps of the same arrays as on the CPU.
#pragma once
#include <cstddef>

#include "bloch.h"

namespace mriops::cuda {

// What a sweep gives: values or their tangents, gradients or their tangents; of states and signals, or of spinors.
enum class BlochSweep : int { forward, jvp, vjp, hvp };

void bloch(BlochSweep, bool spinor, const BlochProblem&, Dtype, const BlochArrays&, void* workspace, void* stream);
std::size_t bloch_workspace_bytes(BlochSweep, bool spinor, const BlochProblem&, Dtype);

}  // namespace mriops::cuda
