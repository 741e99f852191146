// Picks one of the tables that are compiled once per instruction set.
#include "epgx_dispatch.h"

#include "../core/isa.h"

namespace mriops {

const EpgxKernels& epgx_kernels() { return MRIOPS_PICK(epgx_kernels); }

}  // namespace mriops
