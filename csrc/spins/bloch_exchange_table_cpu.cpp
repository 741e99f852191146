// The table of Bloch-McConnell kernels of the instruction set this file is compiled for.
#include "bloch_exchange_kernels.h"

namespace mriops {

namespace isa = MRIOPS_ISA_NAMESPACE;

extern const BlochExchangeKernels MRIOPS_PASTE(bloch_exchange_kernels_, MRIOPS_ISA) = {
    isa::bloch_exchange_forward,
    isa::bloch_exchange_jvp,
    isa::bloch_exchange_vjp,
    isa::bloch_exchange_hvp,
};

}  // namespace mriops
