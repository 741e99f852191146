// The Bloch-McConnell kernels for CUDA as a Backend for register_bloch_exchange: _cuda and _emu share this file.
#pragma once
#include "../spins/bloch_exchange_cuda.h"
#include "bloch_exchange.h"

namespace mriops::bindings {

struct BlochExchangeDevice {
#define MRIOPS_SWEEP(name)                                                                                         \
    static int64_t name##_bytes(const BlochExchangeProblem& p, Dtype t) {                                          \
        return static_cast<int64_t>(cuda::bloch_exchange_workspace_bytes(cuda::BlochExchangeSweep::name, p, t));   \
    }                                                                                                              \
    static void name(const BlochExchangeProblem& p, Dtype t, const BlochExchangeArrays& a, uintptr_t workspace,    \
                     int64_t stream) {                                                                             \
        cuda::bloch_exchange(cuda::BlochExchangeSweep::name, p, t, a, workspace_of(name##_bytes(p, t), workspace), \
                             reinterpret_cast<void*>(stream));                                                     \
    }
    MRIOPS_SWEEP(forward)
    MRIOPS_SWEEP(jvp)
    MRIOPS_SWEEP(vjp)
    MRIOPS_SWEEP(hvp)
#undef MRIOPS_SWEEP
};

}  // namespace mriops::bindings
