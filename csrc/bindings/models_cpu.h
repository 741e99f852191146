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
        [](Address signal, Address start, Address atoms, Address atom_solve, Address atom_parameters, Address grid,
           Address grid_parameters, Address bounds, Address design, Address parameters_out, Address deviation_out,
           Address cost_out, Address iterations_out, int model, bool magnitude, int64_t steps, int64_t voxels,
           int64_t n_atoms, int64_t n_linear, int64_t n_grid, int64_t free, int64_t linear, int64_t affine,
           bool positive, bool one_start, bool estimate_noise, int64_t max_iter, double tol, int dtype, int64_t lane) {
            const FitProblem p =
                make_fit_problem(make_signal_problem(model, magnitude, steps, voxels), n_atoms, n_linear, n_grid, free,
                                 linear, affine, positive, one_start, estimate_noise, max_iter, tol);
            const Dtype t = make_dtype(dtype);
            if (voxels == 0) return;
            const auto given = [t](const char* name, Address x, int64_t n) {
                return n > 0 ? pointer(name, x, t) : nullptr;
            };
            const FitArrays a = {pointer("signal", signal, t),
                                 pointer("start", start, t),
                                 given("atoms", atoms, n_atoms),
                                 given("atom_solve", atom_solve, n_atoms),
                                 given("atom_parameters", atom_parameters, n_atoms),
                                 given("grid", grid, n_grid),
                                 given("grid_parameters", grid_parameters, n_grid),
                                 pointer("bounds", bounds, t),
                                 pointer("design", design, t),
                                 pointer("parameters_out", parameters_out, t),
                                 pointer("deviation_out", deviation_out, t),
                                 pointer("cost_out", cost_out, t),
                                 pointer("iterations_out", iterations_out, Dtype::complex64)};
            signal_kernels().fit(p, t, a, threads_of(lane));
        },
        "signal"_a, "start"_a, "atoms"_a, "atom_solve"_a, "atom_parameters"_a, "grid"_a, "grid_parameters"_a,
        "bounds"_a, "design"_a, "parameters_out"_a, "deviation_out"_a, "cost_out"_a, "iterations_out"_a, "model"_a,
        "magnitude"_a, "steps"_a, "voxels"_a, "n_atoms"_a, "n_linear"_a, "n_grid"_a, "free"_a, "linear"_a, "affine"_a,
        "positive"_a, "one_start"_a, "estimate_noise"_a, "max_iter"_a, "tol"_a, "dtype"_a, "lane"_a,
        nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace mriops::bindings
