// The table of EPG kernels of the instruction set this file is compiled for.
#include "epg_kernels.h"

namespace mriops {

namespace isa = MRIOPS_ISA_NAMESPACE;

extern const EpgKernels MRIOPS_PASTE(epg_kernels_, MRIOPS_ISA) = {
    isa::epg_forward, isa::epg_jvp, isa::epg_jacobian, isa::epg_vjp, isa::epg_hvp,
};

}  // namespace mriops
