// Picks one of the tables that are compiled once per instruction set.
#include "epg_dispatch.h"

#include "../core/isa.h"

namespace mriops {

const EpgKernels& epg_kernels() { return MRIOPS_PICK(epg_kernels); }

}  // namespace mriops
