// The signal models for the CPU as a Backend for register_signals, and the voxelwise fit, which only the CPU has.
#pragma once
#include "../spins/models_dispatch.h"
#include "models.h"

namespace mriops::bindings {

struct SignalsCpu {
    static int64_t workspace_bytes(const SignalProblem&, Dtype) { return 0; }
    static void run(SignalTask task, const SignalProblem& p, Dtype t, const void* parameters, const void* in,
                    const void* design, void* out, void* more, Address, int64_t lane) {
        signal_kernels().signal(task, p, t, parameters, in, design, out, more, threads_of(lane));
    }
};

inline void register_fit(nb::module_& m) {
    m.def(
        "signal_fit",
        [](Address signal, Address start, Address atoms, Address atom_solve, Address atom_parameters, Address bounds,
           Address design, Address parameters_out, Address deviation_out, Address cost_out, Address iterations_out,
           int model, bool magnitude, int64_t steps, int64_t voxels, int64_t n_atoms, int64_t n_linear, int64_t free,
           int64_t linear, bool positive, int64_t max_iter, double tol, int dtype, int64_t lane) {
            const FitProblem p = make_fit_problem(make_signal_problem(model, magnitude, steps, voxels), n_atoms,
                                                  n_linear, free, linear, positive, max_iter, tol);
            const Dtype t = make_dtype(dtype);
            if (voxels == 0) return;
            const bool grid = n_atoms > 0;
            const FitArrays a = {pointer("signal", signal, t),
                                 pointer("start", start, t),
                                 grid ? pointer("atoms", atoms, t) : nullptr,
                                 grid ? pointer("atom_solve", atom_solve, t) : nullptr,
                                 grid ? pointer("atom_parameters", atom_parameters, t) : nullptr,
                                 pointer("bounds", bounds, t),
                                 pointer("design", design, t),
                                 pointer("parameters_out", parameters_out, t),
                                 pointer("deviation_out", deviation_out, t),
                                 pointer("cost_out", cost_out, t),
                                 pointer("iterations_out", iterations_out, t)};
            signal_kernels().fit(p, t, a, threads_of(lane));
        },
        "signal"_a, "start"_a, "atoms"_a, "atom_solve"_a, "atom_parameters"_a, "bounds"_a, "design"_a,
        "parameters_out"_a, "deviation_out"_a, "cost_out"_a, "iterations_out"_a, "model"_a, "magnitude"_a, "steps"_a,
        "voxels"_a, "n_atoms"_a, "n_linear"_a, "free"_a, "linear"_a, "positive"_a, "max_iter"_a, "tol"_a, "dtype"_a,
        "lane"_a, nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace mriops::bindings
