// The EPG kernels on a CUDA device, or emulated: the same trains and arrays as on the CPU.
#pragma once
#include <cstddef>

#include "epg.h"

namespace mriops::cuda {

enum class EpgSweep : int { forward, jvp, vjp, hvp };

// Without a phase per pulse and without off-resonance states are real; values of the phase are not looked at, since
// they are on the device. Where `orders` is 0, each 32 atoms choose by their longest t2.
void epg(EpgSweep, const EpgProblem&, Dtype, const EpgArrays&, void* workspace, void* stream);
std::size_t epg_workspace_bytes(EpgSweep, const EpgProblem&, Dtype);

// Of the directions only how many there are matters to the size.
void epg_jacobian(const EpgProblem&, Dtype, const EpgArrays&, const EpgDirections&, void* workspace, void* stream);
std::size_t epg_jacobian_workspace_bytes(const EpgProblem&, Dtype, const EpgDirections&);

}  // namespace mriops::cuda
