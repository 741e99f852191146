// The SENSE kernels for CUDA as a Backend for register_sense: _cuda and _emu share this file and differ in how the .cu
// was compiled.
#pragma once
#include "../sense/sense_cuda.h"
#include "sense.h"

namespace mriops::bindings {

struct SenseDevice {
#define MRIOPS_FORWARD_MASKED(name)                                                                             \
    static int64_t name##_workspace_bytes(const SenseProblem& p, Dtype t) {                                     \
        return static_cast<int64_t>(cuda::name##_workspace_bytes(p, t));                                        \
    }                                                                                                           \
    static void name(const SenseProblem& p, Dtype t, const void* a, const void* b, const void* mask, void* out, \
                     Address workspace, int64_t stream) {                                                       \
        void* const scratch = workspace_of(name##_workspace_bytes(p, t), workspace);                            \
        cuda::name(p, t, a, b, mask, out, scratch, reinterpret_cast<void*>(stream));                            \
    }
#define MRIOPS_FORWARD_UNMASKED(name)                                                                            \
    static int64_t name##_workspace_bytes(const SenseProblem& p, Dtype t) {                                      \
        return static_cast<int64_t>(cuda::name##_workspace_bytes(p, t));                                         \
    }                                                                                                            \
    static void name(const SenseProblem& p, Dtype t, const void* a, const void* b, void* out, Address workspace, \
                     int64_t stream) {                                                                           \
        void* const scratch = workspace_of(name##_workspace_bytes(p, t), workspace);                             \
        cuda::name(p, t, a, b, out, scratch, reinterpret_cast<void*>(stream));                                   \
    }

    MRIOPS_FORWARD_MASKED(sense)
    MRIOPS_FORWARD_MASKED(sense_adjoint)
    MRIOPS_FORWARD_MASKED(sense_gram)
    MRIOPS_FORWARD_MASKED(sense_csm_adjoint)
    MRIOPS_FORWARD_UNMASKED(coil_expand)
    MRIOPS_FORWARD_UNMASKED(coil_combine)
#undef MRIOPS_FORWARD_MASKED
#undef MRIOPS_FORWARD_UNMASKED

    static int64_t fft_workspace_bytes(const FftProblem& p, Dtype t) {
        return static_cast<int64_t>(cuda::fft_workspace_bytes(p, t));
    }
    static void fft(const FftProblem& p, Dtype t, const void* x, void* out, Address workspace, int64_t stream) {
        void* const scratch = workspace_of(fft_workspace_bytes(p, t), workspace);
        cuda::fft(p, t, x, out, scratch, reinterpret_cast<void*>(stream));
    }
};

}  // namespace mriops::bindings
