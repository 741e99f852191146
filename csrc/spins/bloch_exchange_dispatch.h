// The Bloch-McConnell kernels of the instruction set in use.
#pragma once
#include "bloch_exchange.h"

namespace mriops {

const BlochExchangeKernels& bloch_exchange_kernels();

}  // namespace mriops
