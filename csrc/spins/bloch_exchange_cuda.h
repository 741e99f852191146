// The Bloch-McConnell kernels on a CUDA device, or emulated: the same sweeps of the same arrays as on the CPU.
#pragma once
#include <cstddef>

#include "bloch_exchange.h"

namespace mriops::cuda {

// States or their tangents, gradients or their tangents.
enum class BlochExchangeSweep : int { forward, jvp, vjp, hvp };

void bloch_exchange(BlochExchangeSweep, const BlochExchangeProblem&, Dtype, const BlochExchangeArrays&, void* workspace,
                    void* stream);
std::size_t bloch_exchange_workspace_bytes(BlochExchangeSweep, const BlochExchangeProblem&, Dtype);

}  // namespace mriops::cuda
