// The EPG kernels for CUDA as a Backend for register_epg: _cuda and _emu share this file.
#pragma once
#include "../spins/epg_cuda.h"
#include "epg.h"

namespace mriops::bindings {

struct EpgDevice {
    static constexpr bool has_jacobian = false;  // a tangent is a sweep of its own there
#define MRIOPS_SWEEP(name)                                                                                    \
    static int64_t name##_bytes(const EpgProblem& p, Dtype t) {                                               \
        return static_cast<int64_t>(cuda::epg_workspace_bytes(cuda::EpgSweep::name, p, t));                   \
    }                                                                                                         \
    static void name(const EpgProblem& p, Dtype t, const EpgArrays& a, uintptr_t workspace, int64_t stream) { \
        cuda::epg(cuda::EpgSweep::name, p, t, a, workspace_of(name##_bytes(p, t), workspace),                 \
                  reinterpret_cast<void*>(stream));                                                           \
    }
    MRIOPS_SWEEP(forward)
    MRIOPS_SWEEP(jvp)
    MRIOPS_SWEEP(vjp)
    MRIOPS_SWEEP(hvp)
#undef MRIOPS_SWEEP
};

}  // namespace mriops::bindings
