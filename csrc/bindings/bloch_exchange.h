// Registers the Bloch-McConnell kernels of one backend: the same Python signatures for each.
//
// A Backend has forward, jvp, vjp, hvp as in BlochExchangeKernels, which take a workspace and a lane (threads or
// stream) last, and the size of each one's workspace under its name and _bytes.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include "../spins/bloch_exchange_dispatch.h"
#include "../spins/bloch_exchange_problem.h"
#include "bloch_states.h"
#include "pointers.h"

namespace mriops::bindings {

template <class Backend>
void register_bloch_exchange(nanobind::module_& m) {
    namespace nb = nanobind;
    using namespace nb::literals;
    using Address = uintptr_t;
    const auto release = nb::call_guard<nb::gil_scoped_release>();

#define MRIOPS_EXCHANGE_SHAPE                                                                            \
    int64_t batch, int64_t spins_count, int64_t steps, int64_t channels, int64_t axes, bool b1, int own, \
        const std::vector<int64_t>&record, int dtype
#define MRIOPS_EXCHANGE_PROBLEM make_bloch_exchange_problem(batch, spins_count, steps, channels, axes, b1, own, record)
#define MRIOPS_EXCHANGE_NAMES \
    "batch"_a, "spins_count"_a, "steps"_a, "channels"_a, "axes"_a, "b1"_a, "own"_a, "record"_a, "dtype"_a
#define MRIOPS_EXCHANGE(name, method, parameters, names, assign)                                                   \
    m.def(                                                                                                         \
        name,                                                                                                      \
        [](MRIOPS_BLOCH_UNPACK parameters, MRIOPS_EXCHANGE_SHAPE, Address workspace, int64_t lane) {               \
            const BlochExchangeProblem p = MRIOPS_EXCHANGE_PROBLEM;                                                \
            const Dtype t = make_dtype(dtype);                                                                     \
            if (p.batch == 0) return;                                                                              \
            BlochExchangeArrays a{};                                                                               \
            assign;                                                                                                \
            Backend::method(p, t, a, workspace, lane);                                                             \
        },                                                                                                         \
        MRIOPS_BLOCH_UNPACK names, MRIOPS_EXCHANGE_NAMES, "workspace"_a, "lane"_a, release);                       \
    m.def(                                                                                                         \
        name "_workspace_bytes",                                                                                   \
        [](MRIOPS_EXCHANGE_SHAPE) { return Backend::method##_bytes(MRIOPS_EXCHANGE_PROBLEM, make_dtype(dtype)); }, \
        MRIOPS_EXCHANGE_NAMES)
    MRIOPS_STATES(MRIOPS_EXCHANGE, "bloch_exchange");

#undef MRIOPS_EXCHANGE_SHAPE
#undef MRIOPS_EXCHANGE_PROBLEM
#undef MRIOPS_EXCHANGE_NAMES
#undef MRIOPS_EXCHANGE
}

// The kernels for the CPU keep scratch per thread, so every workspace is empty.
struct BlochExchangeCpu {
#define MRIOPS_SWEEP(name)                                                                                            \
    static void name(const BlochExchangeProblem& p, Dtype t, const BlochExchangeArrays& a, uintptr_t, int64_t lane) { \
        bloch_exchange_kernels().name(p, t, a, threads_of(lane));                                                     \
    }                                                                                                                 \
    static int64_t name##_bytes(const BlochExchangeProblem&, Dtype) { return 0; }
    MRIOPS_SWEEP(forward)
    MRIOPS_SWEEP(jvp)
    MRIOPS_SWEEP(vjp)
    MRIOPS_SWEEP(hvp)
#undef MRIOPS_SWEEP
};

}  // namespace mriops::bindings
