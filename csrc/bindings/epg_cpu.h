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

    static constexpr bool has_jacobian = true;
    static void register_jacobian(nanobind::module_& m) {
        namespace nb = nanobind;
        using namespace nb::literals;
        m.def(
            "epg_jacobian",
            [](MRIOPS_EPG_PARAMETERS(), MRIOPS_EPG_OWN_PARAMETERS(_tangent), uintptr_t signal_out, MRIOPS_EPG_SHAPE,
               int64_t tangents, bool value, uintptr_t, int64_t lane) {
                MRIOPS_EPG_PROBLEM;
                if (samples == 0 || atoms == 0) return;
                MRIOPS_EPG_EACH(, values);
                const uintptr_t along[epg_arguments] = {0, 0, 0, 0, 0, MRIOPS_EPG_OWN_EACH(_tangent)};
                EpgArrays arrays{};
                take_values(arrays, values, p, t);
                take_tangents(arrays, along, t);
                arrays.signal = pointer("signal_out", signal_out, t);
                epg_kernels().jacobian(p, t, arrays, {tangents, value}, threads_of(lane));
            },
            MRIOPS_EPG_NAMES(), MRIOPS_EPG_OWN_NAMES(_tangent), "signal_out"_a, MRIOPS_EPG_SHAPE_NAMES, "tangents"_a,
            "value"_a, "workspace"_a, "lane"_a, nb::call_guard<nb::gil_scoped_release>());
        m.def(
            "epg_jacobian_workspace_bytes",
            [](MRIOPS_EPG_SHAPE, int64_t, bool) -> int64_t {
                MRIOPS_EPG_PROBLEM;
                static_cast<void>(t);
                return 0;
            },
            MRIOPS_EPG_SHAPE_NAMES, "tangents"_a, "value"_a);
    }
};

}  // namespace mriops::bindings
