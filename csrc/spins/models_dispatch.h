// The signal kernels of the instruction set in use: what the bindings and other C++ projects call.
#pragma once
#include "models.h"

namespace mriops {

const SignalKernels& signal_kernels();

}  // namespace mriops
