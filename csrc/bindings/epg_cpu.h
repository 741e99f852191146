// The EPG kernels for the CPU as a Backend for register_epg.
#pragma once
#include "../spins/epg_dispatch.h"
#include "epg.h"

namespace mriops::bindings {

struct EpgCpu {
    static constexpr bool available = true;
    static void forward(const EpgProblem& p, Dtype t, const EpgArrays& a, int64_t lane) {
        epg_kernels().forward(p, t, a, threads_of(lane));
    }
    static void jvp(const EpgProblem& p, Dtype t, const EpgArrays& a, int64_t lane) {
        epg_kernels().jvp(p, t, a, threads_of(lane));
    }
    static void vjp(const EpgProblem& p, Dtype t, const EpgArrays& a, int64_t lane) {
        epg_kernels().vjp(p, t, a, threads_of(lane));
    }
    static void hvp(const EpgProblem& p, Dtype t, const EpgArrays& a, int64_t lane) {
        epg_kernels().hvp(p, t, a, threads_of(lane));
    }
};

}  // namespace mriops::bindings
