// The SENSE kernels for the CPU as a Backend for register_sense.
#pragma once
#include "../sense/dispatch.h"
#include "sense.h"

namespace mriops::bindings {

// The CPU kernels keep scratch per thread, so every workspace is empty.
struct SenseCpu {
#define MRIOPS_FORWARD_MASKED(name)                                                                             \
    static void name(const SenseProblem& p, Dtype t, const void* a, const void* b, const void* mask, void* out, \
                     Address, int64_t lane) {                                                                   \
        sense_kernels().name(p, t, a, b, mask, out, threads_of(lane));                                          \
    }                                                                                                           \
    static int64_t name##_workspace_bytes(const SenseProblem&, Dtype) { return 0; }
#define MRIOPS_FORWARD_UNMASKED(name)                                                                                  \
    static void name(const SenseProblem& p, Dtype t, const void* a, const void* b, void* out, Address, int64_t lane) { \
        sense_kernels().name(p, t, a, b, out, threads_of(lane));                                                       \
    }                                                                                                                  \
    static int64_t name##_workspace_bytes(const SenseProblem&, Dtype) { return 0; }

    MRIOPS_FORWARD_MASKED(sense)
    MRIOPS_FORWARD_MASKED(sense_adjoint)
    MRIOPS_FORWARD_MASKED(sense_gram)
    MRIOPS_FORWARD_MASKED(sense_csm_adjoint)
    MRIOPS_FORWARD_UNMASKED(coil_expand)
    MRIOPS_FORWARD_UNMASKED(coil_combine)
#undef MRIOPS_FORWARD_MASKED
#undef MRIOPS_FORWARD_UNMASKED

    static void fft(const FftProblem& p, Dtype t, const void* x, void* out, Address, int64_t lane) {
        sense_kernels().fft(p, t, x, out, threads_of(lane));
    }
    static int64_t fft_workspace_bytes(const FftProblem&, Dtype) { return 0; }
};

}  // namespace mriops::bindings
