// Picks one of the tables that are compiled once per instruction set.
#include "../core/isa.h"
#include "toeplitz.h"

namespace mriops {

const ToeplitzKernels& toeplitz_kernels() { return MRIOPS_PICK(toeplitz_kernels); }

}  // namespace mriops
