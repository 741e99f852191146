// The Bloch kernels of the instruction set in use: what the bindings and other C++ projects call.
#pragma once
#include "bloch.h"

namespace mriops {

const BlochKernels& bloch_kernels();

}  // namespace mriops
