// The EPG-X kernels of the instruction set in use.
#pragma once
#include "epgx.h"

namespace mriops {

const EpgxKernels& epgx_kernels();

}  // namespace mriops
