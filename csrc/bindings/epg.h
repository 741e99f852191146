// Registers the EPG kernels of one backend: the same Python signatures for _cpu, _cuda and _emu.
//
// A Backend has static functions forward, jvp, vjp and hvp (problem, dtype, arrays, workspace, lane), jacobian with
// directions behind the arrays, and the size of each one's workspace under its name and _bytes.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include "../spins/epg.h"
#include "pointers.h"

namespace mriops::bindings {

#define MRIOPS_EPG_OWN_PARAMETERS(suffix)                                                              \
    uintptr_t t1##suffix, uintptr_t t2##suffix, uintptr_t b1##suffix, uintptr_t off_resonance##suffix, \
        uintptr_t m0##suffix, uintptr_t diffusion##suffix, uintptr_t inversion_efficiency##suffix
#define MRIOPS_EPG_PARAMETERS(suffix)                                                                                 \
    uintptr_t flip_angle##suffix, uintptr_t phase##suffix, uintptr_t duration##suffix, uintptr_t sample_time##suffix, \
        uintptr_t receiver_phase##suffix, MRIOPS_EPG_OWN_PARAMETERS(suffix)
#define MRIOPS_EPG_OWN_NAMES(suffix)                                                                       \
    nb::arg("t1" #suffix), nb::arg("t2" #suffix), nb::arg("b1" #suffix), nb::arg("off_resonance" #suffix), \
        nb::arg("m0" #suffix), nb::arg("diffusion" #suffix), nb::arg("inversion_efficiency" #suffix)
#define MRIOPS_EPG_NAMES(suffix)                                                          \
    nb::arg("flip_angle" #suffix), nb::arg("phase" #suffix), nb::arg("duration" #suffix), \
        nb::arg("sample_time" #suffix), nb::arg("receiver_phase" #suffix), MRIOPS_EPG_OWN_NAMES(suffix)
#define MRIOPS_EPG_OWN_EACH(suffix)                                                           \
    t1##suffix, t2##suffix, b1##suffix, off_resonance##suffix, m0##suffix, diffusion##suffix, \
        inversion_efficiency##suffix
#define MRIOPS_EPG_EACH(suffix, target)                                                                     \
    const uintptr_t target[epg_arguments] = {flip_angle##suffix,  phase##suffix,          duration##suffix, \
                                             sample_time##suffix, receiver_phase##suffix, MRIOPS_EPG_OWN_EACH(suffix)}
#define MRIOPS_EPG_SHAPE \
    int64_t segments, int64_t samples, int64_t atoms, int64_t orders, std::vector<int64_t> program, int dtype
#define MRIOPS_EPG_SHAPE_NAMES "segments"_a, "samples"_a, "atoms"_a, "orders"_a, "program"_a, "dtype"_a
#define MRIOPS_EPG_PROBLEM                                                    \
    const EpgProblem p{segments, samples, atoms, orders, std::move(program)}; \
    const Dtype t = make_dtype(dtype)

// The arguments that a kernel follows without asking must be there.
inline void take_values(EpgArrays& arrays, const uintptr_t (&from)[epg_arguments], const EpgProblem& p, Dtype t) {
    static const char* const names[epg_arguments] = {"flip_angle",     "phase", "duration",  "sample_time",
                                                     "receiver_phase", "t1",    "t2",        "b1",
                                                     "off_resonance",  "m0",    "diffusion", "inversion_efficiency"};
    for (int i = 0; i < epg_arguments; ++i) {
        const bool needed = i == epg_flip_angle || i == epg_duration || (i == epg_sample_time && p.samples > 0) ||
                            i == epg_t1 || i == epg_t2;
        arrays.value[i] = needed ? pointer(names[i], from[i], t) : optional_pointer(names[i], from[i], t);
    }
}
inline void take_tangents(EpgArrays& arrays, const uintptr_t (&from)[epg_arguments], Dtype t) {
    for (int i = 0; i < epg_arguments; ++i)
        arrays.tangent[i] = arrays.value[i] ? optional_pointer("tangent", from[i], t) : nullptr;
}
inline void take_gradients(EpgArrays& arrays, const uintptr_t (&from)[epg_arguments], Dtype t) {
    for (int i = 0; i < epg_arguments; ++i)
        arrays.gradient[i] = arrays.value[i] ? optional_pointer("gradient", from[i], t) : nullptr;
}

template <class Backend>
void register_epg(nanobind::module_& m) {
    namespace nb = nanobind;
    using namespace nb::literals;
    const auto release = nb::call_guard<nb::gil_scoped_release>();
    m.def(
        "epg",
        [](MRIOPS_EPG_PARAMETERS(), uintptr_t signal_out, MRIOPS_EPG_SHAPE, uintptr_t workspace, int64_t lane) {
            MRIOPS_EPG_PROBLEM;
            if (samples == 0 || atoms == 0) return;
            MRIOPS_EPG_EACH(, values);
            EpgArrays arrays{};
            take_values(arrays, values, p, t);
            arrays.signal = pointer("signal_out", signal_out, t);
            Backend::forward(p, t, arrays, workspace, lane);
        },
        MRIOPS_EPG_NAMES(), "signal_out"_a, MRIOPS_EPG_SHAPE_NAMES, "workspace"_a, "lane"_a, release);
    m.def(
        "epg_jvp",
        [](MRIOPS_EPG_PARAMETERS(), MRIOPS_EPG_PARAMETERS(_tangent), uintptr_t signal_out, MRIOPS_EPG_SHAPE,
           uintptr_t workspace, int64_t lane) {
            MRIOPS_EPG_PROBLEM;
            if (samples == 0 || atoms == 0) return;
            MRIOPS_EPG_EACH(, values);
            MRIOPS_EPG_EACH(_tangent, tangents);
            EpgArrays arrays{};
            take_values(arrays, values, p, t);
            take_tangents(arrays, tangents, t);
            arrays.signal = pointer("signal_out", signal_out, t);
            Backend::jvp(p, t, arrays, workspace, lane);
        },
        MRIOPS_EPG_NAMES(), MRIOPS_EPG_NAMES(_tangent), "signal_out"_a, MRIOPS_EPG_SHAPE_NAMES, "workspace"_a, "lane"_a,
        release);
    m.def(
        "epg_vjp",
        [](MRIOPS_EPG_PARAMETERS(), uintptr_t cotangent, MRIOPS_EPG_PARAMETERS(_out), MRIOPS_EPG_SHAPE,
           uintptr_t workspace, int64_t lane) {
            MRIOPS_EPG_PROBLEM;
            MRIOPS_EPG_EACH(, values);
            MRIOPS_EPG_EACH(_out, gradients);
            EpgArrays arrays{};
            take_values(arrays, values, p, t);
            take_gradients(arrays, gradients, t);
            arrays.cotangent = samples && atoms ? pointer("cotangent", cotangent, t) : nullptr;
            Backend::vjp(p, t, arrays, workspace, lane);
        },
        MRIOPS_EPG_NAMES(), "cotangent"_a, MRIOPS_EPG_NAMES(_out), MRIOPS_EPG_SHAPE_NAMES, "workspace"_a, "lane"_a,
        release);
    m.def(
        "epg_hvp",
        [](MRIOPS_EPG_PARAMETERS(), MRIOPS_EPG_PARAMETERS(_tangent), uintptr_t cotangent, MRIOPS_EPG_PARAMETERS(_out),
           MRIOPS_EPG_SHAPE, uintptr_t workspace, int64_t lane) {
            MRIOPS_EPG_PROBLEM;
            MRIOPS_EPG_EACH(, values);
            MRIOPS_EPG_EACH(_tangent, tangents);
            MRIOPS_EPG_EACH(_out, gradients);
            EpgArrays arrays{};
            take_values(arrays, values, p, t);
            take_tangents(arrays, tangents, t);
            take_gradients(arrays, gradients, t);
            arrays.cotangent = samples && atoms ? pointer("cotangent", cotangent, t) : nullptr;
            Backend::hvp(p, t, arrays, workspace, lane);
        },
        MRIOPS_EPG_NAMES(), MRIOPS_EPG_NAMES(_tangent), "cotangent"_a, MRIOPS_EPG_NAMES(_out), MRIOPS_EPG_SHAPE_NAMES,
        "workspace"_a, "lane"_a, release);
    m.def(
        "epg_jacobian",
        [](MRIOPS_EPG_PARAMETERS(), MRIOPS_EPG_OWN_PARAMETERS(_tangent), uintptr_t signal_out, MRIOPS_EPG_SHAPE,
           int64_t tangents, bool value, uintptr_t workspace, int64_t lane) {
            MRIOPS_EPG_PROBLEM;
            if (samples == 0 || atoms == 0) return;
            MRIOPS_EPG_EACH(, values);
            const uintptr_t along[epg_arguments] = {0, 0, 0, 0, 0, MRIOPS_EPG_OWN_EACH(_tangent)};
            EpgArrays arrays{};
            take_values(arrays, values, p, t);
            take_tangents(arrays, along, t);
            arrays.signal = pointer("signal_out", signal_out, t);
            Backend::jacobian(p, t, arrays, {tangents, value}, workspace, lane);
        },
        MRIOPS_EPG_NAMES(), MRIOPS_EPG_OWN_NAMES(_tangent), "signal_out"_a, MRIOPS_EPG_SHAPE_NAMES, "tangents"_a,
        "value"_a, "workspace"_a, "lane"_a, release);
    m.def(
        "epg_jacobian_workspace_bytes",
        [](MRIOPS_EPG_SHAPE, int64_t tangents, bool value) -> int64_t {
            MRIOPS_EPG_PROBLEM;
            return Backend::jacobian_bytes(p, t, {tangents, value});
        },
        MRIOPS_EPG_SHAPE_NAMES, "tangents"_a, "value"_a);
#define MRIOPS_EPG_BYTES(name, method)            \
    m.def(                                        \
        name "_workspace_bytes",                  \
        [](MRIOPS_EPG_SHAPE) -> int64_t {         \
            MRIOPS_EPG_PROBLEM;                   \
            return Backend::method##_bytes(p, t); \
        },                                        \
        MRIOPS_EPG_SHAPE_NAMES)
    MRIOPS_EPG_BYTES("epg", forward);
    MRIOPS_EPG_BYTES("epg_jvp", jvp);
    MRIOPS_EPG_BYTES("epg_vjp", vjp);
    MRIOPS_EPG_BYTES("epg_hvp", hvp);
#undef MRIOPS_EPG_BYTES
}

}  // namespace mriops::bindings
