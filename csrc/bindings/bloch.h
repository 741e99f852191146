// Registers the Bloch kernels of one backend: the same Python signatures for _cpu, _cuda and _emu.
//
// A Backend has forward, jvp, vjp, hvp as in BlochKernels, and spinor_ of each, which take a workspace and a lane
// (threads or stream) last, and the size of each one's workspace under its name and _bytes.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include "../spins/bloch_dispatch.h"
#include "../spins/bloch_problem.h"
#include "bloch_states.h"
#include "pointers.h"

namespace mriops::bindings {

#define MRIOPS_BLOCH_SHAPE                                                                                           \
    int64_t batch, int64_t spins_count, int64_t steps, int64_t channels, int64_t axes, bool b1, bool split, int own, \
        int64_t coils, const std::vector<int64_t>&record, int dtype
#define MRIOPS_BLOCH_PROBLEM \
    make_bloch_problem(batch, spins_count, steps, channels, axes, b1, split, own, coils, record)
#define MRIOPS_BLOCH_NAMES                                                                                            \
    "batch"_a, "spins_count"_a, "steps"_a, "channels"_a, "axes"_a, "b1"_a, "split"_a, "own"_a, "coils"_a, "record"_a, \
        "dtype"_a

template <class Backend>
void register_bloch(nanobind::module_& m) {
    namespace nb = nanobind;
    using namespace nb::literals;
    using Address = uintptr_t;
    const auto release = nb::call_guard<nb::gil_scoped_release>();

// Parameters, names and assignments of the pointers of one function.
#define MRIOPS_BLOCH(name, method, parameters, names, assign)                                                \
    m.def(                                                                                                   \
        name,                                                                                                \
        [](MRIOPS_BLOCH_UNPACK parameters, MRIOPS_BLOCH_SHAPE, Address workspace, int64_t lane) {            \
            const BlochProblem p = MRIOPS_BLOCH_PROBLEM;                                                     \
            const Dtype t = make_dtype(dtype);                                                               \
            if (p.batch == 0) return;                                                                        \
            BlochArrays a{};                                                                                 \
            assign;                                                                                          \
            Backend::method(p, t, a, workspace, lane);                                                       \
        },                                                                                                   \
        MRIOPS_BLOCH_UNPACK names, MRIOPS_BLOCH_NAMES, "workspace"_a, "lane"_a, release);                    \
    m.def(                                                                                                   \
        name "_workspace_bytes",                                                                             \
        [](MRIOPS_BLOCH_SHAPE) { return Backend::method##_bytes(MRIOPS_BLOCH_PROBLEM, make_dtype(dtype)); }, \
        MRIOPS_BLOCH_NAMES)
    MRIOPS_STATES(MRIOPS_BLOCH, "bloch");
    MRIOPS_BLOCH("bloch_signal", forward,
                 (Address waveform, Address spins, Address magnetization, Address receive, Address out),
                 ("waveform"_a, "spins"_a, "magnetization"_a, "receive"_a, "out"_a),
                 (MRIOPS_BLOCH_INPUTS, MRIOPS_BLOCH_SET(receive), MRIOPS_BLOCH_SET(out)));
    MRIOPS_BLOCH("bloch_signal_jvp", jvp,
                 (Address waveform, Address spins, Address magnetization, Address receive, Address d_waveform,
                  Address d_spins, Address d_magnetization, Address d_receive, Address out),
                 ("waveform"_a, "spins"_a, "magnetization"_a, "receive"_a, "d_waveform"_a, "d_spins"_a,
                  "d_magnetization"_a, "d_receive"_a, "out"_a),
                 (MRIOPS_BLOCH_INPUTS, MRIOPS_BLOCH_SET(receive), MRIOPS_BLOCH_TANGENTS, MRIOPS_BLOCH_SET(d_receive),
                  MRIOPS_BLOCH_SET(out)));
    MRIOPS_BLOCH("bloch_signal_vjp", vjp,
                 (Address waveform, Address spins, Address magnetization, Address receive, Address grad,
                  Address grad_waveform, Address grad_spins, Address grad_magnetization, Address grad_receive),
                 ("waveform"_a, "spins"_a, "magnetization"_a, "receive"_a, "grad"_a, "grad_waveform"_a, "grad_spins"_a,
                  "grad_magnetization"_a, "grad_receive"_a),
                 (MRIOPS_BLOCH_INPUTS, MRIOPS_BLOCH_SET(receive), MRIOPS_BLOCH_SET(grad), MRIOPS_BLOCH_GRADIENTS,
                  MRIOPS_BLOCH_SET(grad_receive)));
    MRIOPS_BLOCH("bloch_signal_hvp", hvp,
                 (Address waveform, Address spins, Address magnetization, Address receive, Address grad,
                  Address d_waveform, Address d_spins, Address d_magnetization, Address d_receive, Address d_grad,
                  Address grad_waveform, Address grad_spins, Address grad_magnetization, Address grad_receive),
                 ("waveform"_a, "spins"_a, "magnetization"_a, "receive"_a, "grad"_a, "d_waveform"_a, "d_spins"_a,
                  "d_magnetization"_a, "d_receive"_a, "d_grad"_a, "grad_waveform"_a, "grad_spins"_a,
                  "grad_magnetization"_a, "grad_receive"_a),
                 (MRIOPS_BLOCH_INPUTS, MRIOPS_BLOCH_SET(receive), MRIOPS_BLOCH_SET(grad), MRIOPS_BLOCH_TANGENTS,
                  MRIOPS_BLOCH_SET(d_receive), MRIOPS_BLOCH_SET(d_grad), MRIOPS_BLOCH_GRADIENTS,
                  MRIOPS_BLOCH_SET(grad_receive)));

#define MRIOPS_FIELD MRIOPS_BLOCH_SET(waveform), MRIOPS_BLOCH_SET(spins)
    MRIOPS_BLOCH("bloch_spinor", spinor_forward, (Address waveform, Address spins, Address out),
                 ("waveform"_a, "spins"_a, "out"_a), (MRIOPS_FIELD, MRIOPS_BLOCH_SET(out)));
    MRIOPS_BLOCH("bloch_spinor_jvp", spinor_jvp,
                 (Address waveform, Address spins, Address d_waveform, Address d_spins, Address out),
                 ("waveform"_a, "spins"_a, "d_waveform"_a, "d_spins"_a, "out"_a),
                 (MRIOPS_FIELD, MRIOPS_BLOCH_SET(d_waveform), MRIOPS_BLOCH_SET(d_spins), MRIOPS_BLOCH_SET(out)));
    MRIOPS_BLOCH("bloch_spinor_vjp", spinor_vjp,
                 (Address waveform, Address spins, Address grad, Address grad_waveform, Address grad_spins),
                 ("waveform"_a, "spins"_a, "grad"_a, "grad_waveform"_a, "grad_spins"_a),
                 (MRIOPS_FIELD, MRIOPS_BLOCH_SET(grad), MRIOPS_BLOCH_SET(grad_waveform), MRIOPS_BLOCH_SET(grad_spins)));
    MRIOPS_BLOCH(
        "bloch_spinor_hvp", spinor_hvp,
        (Address waveform, Address spins, Address grad, Address d_waveform, Address d_spins, Address d_grad,
         Address grad_waveform, Address grad_spins),
        ("waveform"_a, "spins"_a, "grad"_a, "d_waveform"_a, "d_spins"_a, "d_grad"_a, "grad_waveform"_a, "grad_spins"_a),
        (MRIOPS_FIELD, MRIOPS_BLOCH_SET(grad), MRIOPS_BLOCH_SET(d_waveform), MRIOPS_BLOCH_SET(d_spins),
         MRIOPS_BLOCH_SET(d_grad), MRIOPS_BLOCH_SET(grad_waveform), MRIOPS_BLOCH_SET(grad_spins)));

#undef MRIOPS_FIELD
#undef MRIOPS_BLOCH
}

// The kernels for the CPU keep scratch per thread, so every workspace is empty.
struct BlochCpu {
#define MRIOPS_SWEEP(name, sweep)                                                                     \
    static void name(const BlochProblem& p, Dtype t, const BlochArrays& a, uintptr_t, int64_t lane) { \
        bloch_kernels().sweep(p, t, a, threads_of(lane));                                             \
    }                                                                                                 \
    static int64_t name##_bytes(const BlochProblem&, Dtype) { return 0; }
    MRIOPS_SWEEP(forward, states.forward)
    MRIOPS_SWEEP(jvp, states.jvp)
    MRIOPS_SWEEP(vjp, states.vjp)
    MRIOPS_SWEEP(hvp, states.hvp)
    MRIOPS_SWEEP(spinor_forward, spinor.forward)
    MRIOPS_SWEEP(spinor_jvp, spinor.jvp)
    MRIOPS_SWEEP(spinor_vjp, spinor.vjp)
    MRIOPS_SWEEP(spinor_hvp, spinor.hvp)
#undef MRIOPS_SWEEP
};

#undef MRIOPS_BLOCH_SHAPE
#undef MRIOPS_BLOCH_PROBLEM
#undef MRIOPS_BLOCH_NAMES

}  // namespace mriops::bindings
