// The EPG-X kernels on a CUDA device, or emulated: the same arrays as on the CPU.
#pragma once
#include <cstddef>

#include "epgx.h"

namespace mriops::cuda {

enum class EpgxSweep : int { forward, jvp, vjp, hvp };

// Where `orders` is 0, each 32 atoms choose by their longest t2.
void epgx(EpgxSweep, const EpgxProblem&, Dtype, const EpgxArrays&, void* workspace, void* stream);
std::size_t epgx_workspace_bytes(EpgxSweep, const EpgxProblem&, Dtype);

}  // namespace mriops::cuda
