// The signal models for CUDA as a Backend for register_signals: _cuda and _emu share this file.
#pragma once
#include "../spins/models_cuda.h"
#include "models.h"

namespace mriops::bindings {

struct SignalsDevice {
    static int64_t workspace_bytes(const SignalProblem&, Dtype) { return 0; }
    static void run(SignalTask task, const SignalProblem& p, Dtype t, const void* parameters, const void* in,
                    const void* design, void* out, void* more, Address, int64_t stream) {
        cuda::signal(task, p, t, parameters, in, design, out, more, reinterpret_cast<void*>(stream));
    }
};

}  // namespace mriops::bindings
