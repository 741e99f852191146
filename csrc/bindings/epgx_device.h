// The EPG-X kernels for CUDA as a Backend for register_epgx: _cuda and _emu share this file.
#pragma once
#include "../spins/epgx_cuda.h"
#include "epgx.h"

namespace mriops::bindings {

struct EpgxDevice {
#define MRIOPS_SWEEP(name)                                                                                      \
    static int64_t name##_bytes(const EpgxProblem& p, Dtype t) {                                                \
        return static_cast<int64_t>(cuda::epgx_workspace_bytes(cuda::EpgxSweep::name, p, t));                   \
    }                                                                                                           \
    static void name(const EpgxProblem& p, Dtype t, const EpgxArrays& a, uintptr_t workspace, int64_t stream) { \
        cuda::epgx(cuda::EpgxSweep::name, p, t, a, workspace_of(name##_bytes(p, t), workspace),                 \
                   reinterpret_cast<void*>(stream));                                                            \
    }
    MRIOPS_SWEEP(forward)
    MRIOPS_SWEEP(jvp)
    MRIOPS_SWEEP(vjp)
    MRIOPS_SWEEP(hvp)
#undef MRIOPS_SWEEP
};

}  // namespace mriops::bindings
