// Registers the Bloch-McConnell kernels of one backend: the same Python signatures for each.
//
// A Backend has forward, jvp, vjp, hvp as in BlochExchangeKernels, which take a workspace and a lane (threads or
// stream) last, and the size of each one's workspace under its name and _bytes.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include "../core/checks.h"
#include "../spins/bloch_exchange_dispatch.h"
#include "pointers.h"

namespace mriops::bindings {

// `record` is kept by reference.
inline BlochExchangeProblem make_bloch_exchange_problem(int64_t batch, int64_t spins, int64_t steps, int64_t channels,
                                                        int64_t axes, bool b1, int own,
                                                        const std::vector<int64_t>& record) {
    at_least("batch", batch, 0);
    at_least("spins", spins, 1);
    at_least("steps", steps, 1);
    at_least("channels", channels, 1);
    at_least("axes", axes, 0);
    if (channels > 1 && !b1) refuse("channels", "1 without b1", channels);
    if (own < 0 || own > 7) refuse("own", "a sum of 1, 2 and 4", own);
    if (record.empty()) throw std::invalid_argument("record: expected at least one step, got none");
    int64_t last = -1;
    for (int64_t step : record) {
        if (step <= last || step > steps)
            refuse("record", "increasing numbers of steps up to " + std::to_string(steps), step);
        last = step;
    }
    elements("waveform", batch, 2 * channels + axes + 1, steps);
    elements("spins", batch, exchange_rows + 2 * channels + axes, spins);
    elements("states", batch, int64_t(record.size()), 6 * spins);
    return {batch,
            spins,
            steps,
            channels,
            axes,
            b1,
            (own & 1) != 0,
            (own & 2) != 0,
            (own & 4) != 0,
            record.data(),
            int64_t(record.size())};
}

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
#define MRIOPS_UNPACK(...) __VA_ARGS__
#define MRIOPS_EXCHANGE(name, method, parameters, names, assign)                                                   \
    m.def(                                                                                                         \
        name,                                                                                                      \
        [](MRIOPS_UNPACK parameters, MRIOPS_EXCHANGE_SHAPE, Address workspace, int64_t lane) {                     \
            const BlochExchangeProblem p = MRIOPS_EXCHANGE_PROBLEM;                                                \
            const Dtype t = make_dtype(dtype);                                                                     \
            if (p.batch == 0) return;                                                                              \
            BlochExchangeArrays a{};                                                                               \
            assign;                                                                                                \
            Backend::method(p, t, a, workspace, lane);                                                             \
        },                                                                                                         \
        MRIOPS_UNPACK names, MRIOPS_EXCHANGE_NAMES, "workspace"_a, "lane"_a, release);                             \
    m.def(                                                                                                         \
        name "_workspace_bytes",                                                                                   \
        [](MRIOPS_EXCHANGE_SHAPE) { return Backend::method##_bytes(MRIOPS_EXCHANGE_PROBLEM, make_dtype(dtype)); }, \
        MRIOPS_EXCHANGE_NAMES)
#define MRIOPS_SET(argument) a.argument = pointer(#argument, argument, t)
#define MRIOPS_INPUTS MRIOPS_SET(waveform), MRIOPS_SET(spins), MRIOPS_SET(magnetization)
#define MRIOPS_TANGENTS MRIOPS_SET(d_waveform), MRIOPS_SET(d_spins), MRIOPS_SET(d_magnetization)
#define MRIOPS_GRADIENTS MRIOPS_SET(grad_waveform), MRIOPS_SET(grad_spins), MRIOPS_SET(grad_magnetization)

    MRIOPS_EXCHANGE("bloch_exchange", forward, (Address waveform, Address spins, Address magnetization, Address out),
                    ("waveform"_a, "spins"_a, "magnetization"_a, "out"_a), (MRIOPS_INPUTS, MRIOPS_SET(out)));
    MRIOPS_EXCHANGE(
        "bloch_exchange_jvp", jvp,
        (Address waveform, Address spins, Address magnetization, Address d_waveform, Address d_spins,
         Address d_magnetization, Address out),
        ("waveform"_a, "spins"_a, "magnetization"_a, "d_waveform"_a, "d_spins"_a, "d_magnetization"_a, "out"_a),
        (MRIOPS_INPUTS, MRIOPS_TANGENTS, MRIOPS_SET(out)));
    MRIOPS_EXCHANGE("bloch_exchange_vjp", vjp,
                    (Address waveform, Address spins, Address magnetization, Address grad, Address grad_waveform,
                     Address grad_spins, Address grad_magnetization),
                    ("waveform"_a, "spins"_a, "magnetization"_a, "grad"_a, "grad_waveform"_a, "grad_spins"_a,
                     "grad_magnetization"_a),
                    (MRIOPS_INPUTS, MRIOPS_SET(grad), MRIOPS_GRADIENTS));
    MRIOPS_EXCHANGE("bloch_exchange_hvp", hvp,
                    (Address waveform, Address spins, Address magnetization, Address grad, Address d_waveform,
                     Address d_spins, Address d_magnetization, Address d_grad, Address grad_waveform,
                     Address grad_spins, Address grad_magnetization),
                    ("waveform"_a, "spins"_a, "magnetization"_a, "grad"_a, "d_waveform"_a, "d_spins"_a,
                     "d_magnetization"_a, "d_grad"_a, "grad_waveform"_a, "grad_spins"_a, "grad_magnetization"_a),
                    (MRIOPS_INPUTS, MRIOPS_SET(grad), MRIOPS_TANGENTS, MRIOPS_SET(d_grad), MRIOPS_GRADIENTS));

#undef MRIOPS_EXCHANGE_SHAPE
#undef MRIOPS_EXCHANGE_PROBLEM
#undef MRIOPS_EXCHANGE_NAMES
#undef MRIOPS_EXCHANGE
#undef MRIOPS_UNPACK
#undef MRIOPS_SET
#undef MRIOPS_INPUTS
#undef MRIOPS_TANGENTS
#undef MRIOPS_GRADIENTS
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
