// The NUFFT kernels of the instruction set in use: what the bindings and other C++ projects call.
#pragma once
#include "nufft.h"

namespace mriops {

const NufftKernels& nufft_kernels();

}  // namespace mriops
