// Picks one of the tables that are compiled once per instruction set.
#include "../core/isa.h"
#include "vectors.h"

namespace mriops {

const VectorKernels& vector_kernels() { return MRIOPS_PICK(vector_kernels); }

}  // namespace mriops
