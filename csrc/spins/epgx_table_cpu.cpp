// The table of EPG-X kernels of the instruction set this file is compiled for.
#include "epgx_kernels.h"

namespace mriops {

namespace isa = MRIOPS_ISA_NAMESPACE;

extern const EpgxKernels MRIOPS_PASTE(epgx_kernels_, MRIOPS_ISA) = {
    isa::epgx_forward,
    isa::epgx_jvp,
    isa::epgx_vjp,
    isa::epgx_hvp,
};

}  // namespace mriops
