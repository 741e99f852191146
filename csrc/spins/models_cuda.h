// The signal models on a CUDA device, or emulated: the same task for the same arrays as on the CPU.
#pragma once
#include "models.h"

namespace mriops::cuda {

void signal(SignalTask, const SignalProblem&, Dtype, const void* parameters, const void* in, const void* design,
            void* out, void* more, void* stream);

}  // namespace mriops::cuda
