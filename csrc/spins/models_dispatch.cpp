// Picks one of the tables that are compiled once per instruction set.
#include "models_dispatch.h"

#include "../core/isa.h"

namespace mriops {

const SignalKernels& signal_kernels() { return MRIOPS_PICK(signal_kernels); }

}  // namespace mriops
