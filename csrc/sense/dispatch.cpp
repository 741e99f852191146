// Picks one of the tables that are compiled once per instruction set.
#include "dispatch.h"

#include "../core/isa.h"

namespace mriops {

const SenseKernels& sense_kernels() { return MRIOPS_PICK(sense_kernels); }

}  // namespace mriops
