// The EPG kernels of the instruction set in use.
#pragma once
#include "epg.h"

namespace mriops {

const EpgKernels& epg_kernels();

}  // namespace mriops
