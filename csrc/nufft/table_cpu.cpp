// The table of kernels of the instruction set this file is compiled for.
#include "kernels.h"

namespace mriops {

namespace isa = MRIOPS_ISA_NAMESPACE;

extern const NufftKernels MRIOPS_PASTE(nufft_kernels_, MRIOPS_ISA) = {
    isa::nufft_points,         isa::nufft, isa::nufft_adjoint, isa::nufft_gram, isa::nufft_trajectory_grad,
    isa::nufft_trajectory_jvp,
};

}  // namespace mriops
