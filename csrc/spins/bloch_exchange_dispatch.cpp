// Picks one of the tables that are compiled once per instruction set.
#include "bloch_exchange_dispatch.h"

#include "../core/isa.h"

namespace mriops {

const BlochExchangeKernels& bloch_exchange_kernels() { return MRIOPS_PICK(bloch_exchange_kernels); }

}  // namespace mriops
