// Picks one of the tables that are compiled once per instruction set.
#include "bloch_dispatch.h"

#include "../core/isa.h"

namespace mriops {

const BlochKernels& bloch_kernels() { return MRIOPS_PICK(bloch_kernels); }

}  // namespace mriops
