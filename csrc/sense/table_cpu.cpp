// The table of kernels of the instruction set this file is compiled for.
#include "kernels.h"

namespace mriops {

namespace isa = MRIOPS_ISA_NAMESPACE;

extern const SenseKernels MRIOPS_PASTE(sense_kernels_, MRIOPS_ISA) = {
    isa::sense,       isa::sense_adjoint, isa::sense_gram, isa::sense_csm_adjoint,
    isa::coil_expand, isa::coil_combine,  isa::fft,
};

}  // namespace mriops
