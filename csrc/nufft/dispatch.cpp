// Picks one of the tables that are compiled once per instruction set.
#include "dispatch.h"

#include "../core/isa.h"

namespace mriops {

const NufftKernels& nufft_kernels() { return MRIOPS_PICK(nufft_kernels); }

}  // namespace mriops
