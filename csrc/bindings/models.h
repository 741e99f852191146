// Registers the closed-form signal models of one backend: the same Python signatures for _cpu, _cuda and _emu.
//
// A Backend has run(task, problem, dtype, parameters, in, design, out, more, workspace, lane), and workspace_bytes,
// which is negative where the backend has no kernels.
#pragma once
#include <nanobind/nanobind.h>

#include "../spins/models.h"
#include "pointers.h"

namespace mriops::bindings {

namespace nb = nanobind;
using namespace nb::literals;
using Address = uintptr_t;

template <class Backend>
void register_signals(nb::module_& m) {
    const auto release = nb::call_guard<nb::gil_scoped_release>();

#define MRIOPS_SIGNAL_SHAPE int model, bool magnitude, int64_t steps, int64_t voxels
#define MRIOPS_SIGNAL_NAMES "model"_a, "magnitude"_a, "steps"_a, "voxels"_a
#define MRIOPS_SIGNAL_BYTES(name)                                                                                     \
    m.def(                                                                                                            \
        name "_workspace_bytes",                                                                                      \
        [](MRIOPS_SIGNAL_SHAPE, int dtype) {                                                                          \
            return Backend::workspace_bytes(make_signal_problem(model, magnitude, steps, voxels), make_dtype(dtype)); \
        },                                                                                                            \
        MRIOPS_SIGNAL_NAMES, "dtype"_a)

    m.def(
        "signal_model",
        [](Address parameters, Address design, Address signal_out, MRIOPS_SIGNAL_SHAPE, int dtype, Address workspace,
           int64_t lane) {
            const SignalProblem p = make_signal_problem(model, magnitude, steps, voxels);
            const Dtype t = make_dtype(dtype);
            if (voxels == 0) return;
            Backend::run(SignalTask::value, p, t, pointer("parameters", parameters, t), nullptr,
                         pointer("design", design, t), pointer("signal_out", signal_out, t), nullptr, workspace, lane);
        },
        "parameters"_a, "design"_a, "signal_out"_a, MRIOPS_SIGNAL_NAMES, "dtype"_a, "workspace"_a, "lane"_a, release);
    MRIOPS_SIGNAL_BYTES("signal_model");

    // The signal, and behind it in the same array the Jacobian.
    m.def(
        "signal_model_jacobian",
        [](Address parameters, Address design, Address out, MRIOPS_SIGNAL_SHAPE, int dtype, Address workspace,
           int64_t lane) {
            const SignalProblem p = make_signal_problem(model, magnitude, steps, voxels);
            const Dtype t = make_dtype(dtype);
            if (voxels == 0) return;
            char* const value = static_cast<char*>(pointer("out", out, t));
            void* const jacobian = value + steps * voxels * p.components() * (t == Dtype::complex64 ? 4 : 8);
            Backend::run(SignalTask::jacobian, p, t, pointer("parameters", parameters, t), nullptr,
                         pointer("design", design, t), value, jacobian, workspace, lane);
        },
        "parameters"_a, "design"_a, "out"_a, MRIOPS_SIGNAL_NAMES, "dtype"_a, "workspace"_a, "lane"_a, release);
    MRIOPS_SIGNAL_BYTES("signal_model_jacobian");

    m.def(
        "signal_model_jvp",
        [](Address parameters, Address tangent, Address design, Address signal_out, MRIOPS_SIGNAL_SHAPE, int dtype,
           Address workspace, int64_t lane) {
            const SignalProblem p = make_signal_problem(model, magnitude, steps, voxels);
            const Dtype t = make_dtype(dtype);
            if (voxels == 0) return;
            Backend::run(SignalTask::jvp, p, t, pointer("parameters", parameters, t), pointer("tangent", tangent, t),
                         pointer("design", design, t), pointer("signal_out", signal_out, t), nullptr, workspace, lane);
        },
        "parameters"_a, "tangent"_a, "design"_a, "signal_out"_a, MRIOPS_SIGNAL_NAMES, "dtype"_a, "workspace"_a,
        "lane"_a, release);
    MRIOPS_SIGNAL_BYTES("signal_model_jvp");

    m.def(
        "signal_model_vjp",
        [](Address cotangent, Address parameters, Address design, Address gradient_out, MRIOPS_SIGNAL_SHAPE, int dtype,
           Address workspace, int64_t lane) {
            const SignalProblem p = make_signal_problem(model, magnitude, steps, voxels);
            const Dtype t = make_dtype(dtype);
            if (voxels == 0) return;
            Backend::run(SignalTask::vjp, p, t, pointer("parameters", parameters, t),
                         pointer("cotangent", cotangent, t), pointer("design", design, t),
                         pointer("gradient_out", gradient_out, t), nullptr, workspace, lane);
        },
        "cotangent"_a, "parameters"_a, "design"_a, "gradient_out"_a, MRIOPS_SIGNAL_NAMES, "dtype"_a, "workspace"_a,
        "lane"_a, release);
    MRIOPS_SIGNAL_BYTES("signal_model_vjp");
#undef MRIOPS_SIGNAL_SHAPE
#undef MRIOPS_SIGNAL_NAMES
#undef MRIOPS_SIGNAL_BYTES
}

}  // namespace mriops::bindings
