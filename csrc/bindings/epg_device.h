// The EPG kernels for CUDA as a Backend for register_epg: _cuda and _emu share this file.
#pragma once
#include "../spins/epg_cuda.h"
#include "epg.h"

namespace mriops::bindings {

struct EpgDevice {
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

    static int64_t jacobian_bytes(const EpgProblem& p, Dtype t, const EpgDirections& directions) {
        return static_cast<int64_t>(cuda::epg_jacobian_workspace_bytes(p, t, directions));
    }
    static void jacobian(const EpgProblem& p, Dtype t, const EpgArrays& a, const EpgDirections& directions,
                         uintptr_t workspace, int64_t stream) {
        cuda::epg_jacobian(p, t, a, directions, workspace_of(jacobian_bytes(p, t, directions), workspace),
                           reinterpret_cast<void*>(stream));
    }
};

}  // namespace mriops::bindings
