// Registers the EPG-X kernels of one backend: the same Python signatures for each.
//
// A Backend has static functions forward, jvp, vjp and hvp (problem, dtype, arrays, workspace, lane), and the size of
// each one's workspace under its name and _bytes.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include "../core/checks.h"
#include "../spins/epgx.h"
#include "pointers.h"

namespace mriops::bindings {

template <class Backend>
void register_epgx(nanobind::module_& m) {
    namespace nb = nanobind;
    using namespace nb::literals;
    using Address = uintptr_t;
    const auto release = nb::call_guard<nb::gil_scoped_release>();

#define MRIOPS_EPGX_SHAPE                                                                                        \
    int64_t batch, int64_t segments, int64_t samples, int64_t atoms, int64_t orders, bool transverse, bool real, \
        int own, std::vector<int64_t> program, int dtype
#define MRIOPS_EPGX_NAMES                                                                                        \
    "batch"_a, "segments"_a, "samples"_a, "atoms"_a, "orders"_a, "transverse"_a, "real"_a, "own"_a, "program"_a, \
        "dtype"_a
#define MRIOPS_EPGX_PROBLEM                                                                                 \
    if (own < 0 || own > 7) refuse("own", "a sum of 1, 2 and 4", own);                                      \
    const EpgxProblem p{                                                                                    \
        batch,          segments,       samples,           atoms, orders, transverse, real, (own & 1) != 0, \
        (own & 2) != 0, (own & 4) != 0, std::move(program)};                                                \
    const Dtype t = make_dtype(dtype)
#define MRIOPS_UNPACK(...) __VA_ARGS__
#define MRIOPS_EPGX(name, method, parameters, names, assign)                               \
    m.def(                                                                                 \
        name,                                                                              \
        [](MRIOPS_UNPACK parameters, MRIOPS_EPGX_SHAPE, Address workspace, int64_t lane) { \
            MRIOPS_EPGX_PROBLEM;                                                           \
            if (p.batch == 0) return;                                                      \
            EpgxArrays a{};                                                                \
            assign;                                                                        \
            Backend::method(p, t, a, workspace, lane);                                     \
        },                                                                                 \
        MRIOPS_UNPACK names, MRIOPS_EPGX_NAMES, "workspace"_a, "lane"_a, release);         \
    m.def(                                                                                 \
        name "_workspace_bytes",                                                           \
        [](MRIOPS_EPGX_SHAPE) -> int64_t {                                                 \
            MRIOPS_EPGX_PROBLEM;                                                           \
            return Backend::method##_bytes(p, t);                                          \
        },                                                                                 \
        MRIOPS_EPGX_NAMES)
// Arrays without an element have no address.
#define MRIOPS_SET(argument, count) a.argument = (count) ? pointer(#argument, argument, t) : nullptr
#define MRIOPS_INPUTS MRIOPS_SET(pulses, segments), MRIOPS_SET(readouts, samples), MRIOPS_SET(tissue, atoms)
#define MRIOPS_TANGENTS MRIOPS_SET(d_pulses, segments), MRIOPS_SET(d_readouts, samples), MRIOPS_SET(d_tissue, atoms)
#define MRIOPS_GRADIENTS \
    MRIOPS_SET(grad_pulses, segments), MRIOPS_SET(grad_readouts, samples), MRIOPS_SET(grad_tissue, atoms)

    MRIOPS_EPGX("epgx", forward, (Address pulses, Address readouts, Address tissue, Address signal),
                ("pulses"_a, "readouts"_a, "tissue"_a, "signal"_a),
                (MRIOPS_INPUTS, MRIOPS_SET(signal, samples * atoms)));
    MRIOPS_EPGX("epgx_jvp", jvp,
                (Address pulses, Address readouts, Address tissue, Address d_pulses, Address d_readouts,
                 Address d_tissue, Address signal),
                ("pulses"_a, "readouts"_a, "tissue"_a, "d_pulses"_a, "d_readouts"_a, "d_tissue"_a, "signal"_a),
                (MRIOPS_INPUTS, MRIOPS_TANGENTS, MRIOPS_SET(signal, samples * atoms)));
    MRIOPS_EPGX("epgx_vjp", vjp,
                (Address pulses, Address readouts, Address tissue, Address grad, Address grad_pulses,
                 Address grad_readouts, Address grad_tissue),
                ("pulses"_a, "readouts"_a, "tissue"_a, "grad"_a, "grad_pulses"_a, "grad_readouts"_a, "grad_tissue"_a),
                (MRIOPS_INPUTS, MRIOPS_SET(grad, samples * atoms), MRIOPS_GRADIENTS));
    MRIOPS_EPGX("epgx_hvp", hvp,
                (Address pulses, Address readouts, Address tissue, Address grad, Address d_pulses, Address d_readouts,
                 Address d_tissue, Address d_grad, Address grad_pulses, Address grad_readouts, Address grad_tissue),
                ("pulses"_a, "readouts"_a, "tissue"_a, "grad"_a, "d_pulses"_a, "d_readouts"_a, "d_tissue"_a, "d_grad"_a,
                 "grad_pulses"_a, "grad_readouts"_a, "grad_tissue"_a),
                (MRIOPS_INPUTS, MRIOPS_SET(grad, samples * atoms), MRIOPS_TANGENTS, MRIOPS_SET(d_grad, samples * atoms),
                 MRIOPS_GRADIENTS));

#undef MRIOPS_EPGX_SHAPE
#undef MRIOPS_EPGX_NAMES
#undef MRIOPS_EPGX_PROBLEM
#undef MRIOPS_EPGX
#undef MRIOPS_UNPACK
#undef MRIOPS_SET
#undef MRIOPS_INPUTS
#undef MRIOPS_TANGENTS
#undef MRIOPS_GRADIENTS
}

}  // namespace mriops::bindings
