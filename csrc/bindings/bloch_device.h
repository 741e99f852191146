// The Bloch kernels for CUDA as a Backend for register_bloch: _cuda and _emu share this file.
#pragma once
#include "../spins/bloch_cuda.h"
#include "bloch.h"

namespace mriops::bindings {

struct BlochDevice {
#define MRIOPS_SWEEP(name, sweep, spinor)                                                                         \
    static int64_t name##_bytes(const BlochProblem& p, Dtype t) {                                                 \
        return static_cast<int64_t>(cuda::bloch_workspace_bytes(cuda::BlochSweep::sweep, spinor, p, t));          \
    }                                                                                                             \
    static void name(const BlochProblem& p, Dtype t, const BlochArrays& a, uintptr_t workspace, int64_t stream) { \
        cuda::bloch(cuda::BlochSweep::sweep, spinor, p, t, a, workspace_of(name##_bytes(p, t), workspace),        \
                    reinterpret_cast<void*>(stream));                                                             \
    }
    MRIOPS_SWEEP(forward, forward, false)
    MRIOPS_SWEEP(jvp, jvp, false)
    MRIOPS_SWEEP(vjp, vjp, false)
    MRIOPS_SWEEP(hvp, hvp, false)
    MRIOPS_SWEEP(spinor_forward, forward, true)
    MRIOPS_SWEEP(spinor_jvp, jvp, true)
    MRIOPS_SWEEP(spinor_vjp, vjp, true)
    MRIOPS_SWEEP(spinor_hvp, hvp, true)
#undef MRIOPS_SWEEP
};

}  // namespace mriops::bindings
