// The SENSE kernels of the instruction set in use: what the bindings and other C++ projects call.
#pragma once
#include "sense.h"

namespace mriops {

const SenseKernels& sense_kernels();

}  // namespace mriops
