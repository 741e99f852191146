// The EPG kernels for the CPU as a Backend for register_epg.
#pragma once
#include "../spins/epg_dispatch.h"
#include "epg.h"

namespace mriops::bindings {

// They keep scratch per thread, so every workspace is empty.
struct EpgCpu {
#define MRIOPS_SWEEP(name)                                                                        \
    static void name(const EpgProblem& p, Dtype t, const EpgArrays& a, uintptr_t, int64_t lane) { \
        epg_kernels().name(p, t, a, threads_of(lane));                                            \
    }                                                                                             \
    static int64_t name##_bytes(const EpgProblem&, Dtype) { return 0; }
    MRIOPS_SWEEP(forward)
    MRIOPS_SWEEP(jvp)
    MRIOPS_SWEEP(vjp)
    MRIOPS_SWEEP(hvp)
#undef MRIOPS_SWEEP

    static void jacobian(const EpgProblem& p, Dtype t, const EpgArrays& a, const EpgDirections& directions, uintptr_t,
                         int64_t lane) {
        epg_kernels().jacobian(p, t, a, directions, threads_of(lane));
    }
    static int64_t jacobian_bytes(const EpgProblem&, Dtype, const EpgDirections&) { return 0; }
};

}  // namespace mriops::bindings
