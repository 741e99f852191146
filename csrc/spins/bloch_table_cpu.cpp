// The table of Bloch kernels of the instruction set this file is compiled for.
#include "bloch_kernels.h"

namespace mriops {

namespace isa = MRIOPS_ISA_NAMESPACE;

extern const BlochKernels MRIOPS_PASTE(bloch_kernels_, MRIOPS_ISA) = {
    {isa::bloch_forward, isa::bloch_jvp, isa::bloch_vjp, isa::bloch_hvp},
    {isa::bloch_spinor_forward, isa::bloch_spinor_jvp, isa::bloch_spinor_vjp, isa::bloch_spinor_hvp},
};

}  // namespace mriops
