// The Toeplitz kernel for the CPU as a Backend for register_toeplitz.
#pragma once
#include "toeplitz.h"

namespace mriops::bindings {

struct ToeplitzCpu {
    static void sense_toeplitz(const ToeplitzProblem& p, Dtype t, const void* image, const void* csm,
                               const void* kernel, void* out, uintptr_t, int64_t lane) {
        toeplitz_kernels().sense_toeplitz(p, t, image, csm, kernel, out, threads_of(lane));
    }
    // The CPU kernels keep scratch per thread, so every workspace is empty.
    static int64_t sense_toeplitz_workspace_bytes(const ToeplitzProblem&, Dtype) { return 0; }
};

}  // namespace mriops::bindings
