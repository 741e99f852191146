// The EPG-X kernels for the CPU as a Backend for register_epgx.
#pragma once
#include "../spins/epgx_dispatch.h"
#include "epgx.h"

namespace mriops::bindings {

// They keep scratch per thread, so every workspace is empty.
struct EpgxCpu {
#define MRIOPS_SWEEP(name)                                                                          \
    static void name(const EpgxProblem& p, Dtype t, const EpgxArrays& a, uintptr_t, int64_t lane) { \
        epgx_kernels().name(p, t, a, threads_of(lane));                                             \
    }                                                                                               \
    static int64_t name##_bytes(const EpgxProblem&, Dtype) { return 0; }
    MRIOPS_SWEEP(forward)
    MRIOPS_SWEEP(jvp)
    MRIOPS_SWEEP(vjp)
    MRIOPS_SWEEP(hvp)
#undef MRIOPS_SWEEP
};

}  // namespace mriops::bindings
