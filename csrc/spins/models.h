// Closed-form signal models: the problem, checked, and the functions that each instruction set provides.
//
// Arrays are real and C-contiguous; voxels are innermost. A complex signal has a last axis (re, im).
//   parameters, tangents, gradient   (parameters of the model, voxels)
//   design                           (rows of the model, steps)
//   signal, cotangent                (steps, voxels, components)
//   jacobian                         (parameters, steps, voxels, components)
#pragma once
#include "../core/checks.h"

namespace mriops {

enum class SignalModel : int {
    mono_exponential,
    bi_exponential,
    stretched_exponential,
    inversion_recovery,
    saturation_recovery,
    look_locker,
    molli,
    spgr,
    bssfp,
    gradient_echo_trains,
    water_fat,
    diffusion,
    diffusion_tensor,
    diffusion_kurtosis,
    ivim,
    tofts,
    phase_contrast,
    asl_continuous,
    asl_pulsed,
    count
};

struct ModelSize {
    int parameters, rows, components;
};
constexpr int kMaxModelParameters = 22;

inline ModelSize size_of(SignalModel model) {
    constexpr ModelSize sizes[] = {{2, 1, 1}, {4, 1, 1}, {3, 1, 1}, {3, 2, 1}, {3, 1, 1}, {4, 3, 1}, {3, 1, 1},
                                   {3, 2, 1}, {6, 4, 2}, {4, 6, 1}, {6, 3, 2}, {2, 1, 1}, {7, 6, 1}, {22, 21, 1},
                                   {4, 1, 1}, {3, 2, 1}, {5, 3, 2}, {5, 3, 1}, {5, 3, 1}};
    static_assert(sizeof(sizes) / sizeof(sizes[0]) == size_t(SignalModel::count), "one size per model");
    return sizes[static_cast<int>(model)];
}

struct SignalProblem {
    SignalModel model;
    bool magnitude;
    int64_t steps, voxels;
    ModelSize size;
    // Real numbers per voxel and time, in the model and in the signal.
    int components() const { return magnitude ? 1 : size.components; }
};

inline SignalProblem make_signal_problem(int model, bool magnitude, int64_t steps, int64_t voxels) {
    const int count = static_cast<int>(SignalModel::count);
    if (model < 0 || model >= count) refuse("model", "0 to " + std::to_string(count - 1), model);
    at_least("steps", steps, 1);
    at_least("voxels", voxels, 0);
    const auto chosen = static_cast<SignalModel>(model);
    elements("signal", int64_t(kMaxModelParameters), steps, voxels);
    return {chosen, magnitude, steps, voxels, size_of(chosen)};
}

// What a sweep over the times leaves behind.
enum class SignalTask : int { value, jacobian, jvp, vjp };

// A voxelwise fit: start (parameters, voxels), or (parameters) for all voxels, holds fixed parameters and, without
// atoms, where the free ones begin. atoms (n_atoms, n_linear, steps * components) are orthonormal bases of the signals
// at points of a grid, atom_solve (n_atoms, n_linear, n_linear) turns projections into the linear parameters, and
// atom_parameters (n_atoms, parameters) holds the others. bounds is (2, parameters).
//
// grid (n_grid, 1 or 2, steps) and grid_parameters are the same for variable projection of a real signal, whose free
// parameters are the first, perhaps one in which the signal is affine, and one or two others.
struct FitProblem {
    SignalProblem signal;
    int64_t n_atoms, n_linear, n_grid;
    uint32_t free, linear, affine;  // bit per parameter
    bool positive;                  // only atoms with a positive projection count (n_linear = 1)
    bool one_start;
    bool estimate_noise;  // deviations are those for the noise that the residual shows, which takes the place of the
                          // cost
    int max_iter;
    double tol;  // a step that is expected to be smaller than this share of the standard error ends the fit
};

inline FitProblem make_fit_problem(const SignalProblem& s, int64_t n_atoms, int64_t n_linear, int64_t n_grid,
                                   int64_t free, int64_t linear, int64_t affine, bool positive, bool one_start,
                                   bool estimate_noise, int64_t max_iter, double tol) {
    at_least("n_atoms", n_atoms, 0);
    at_least("n_grid", n_grid, 0);
    const auto count = [](int64_t bits) { return __builtin_popcountll(static_cast<unsigned long long>(bits)); };
    const int64_t all = (int64_t(1) << s.size.parameters) - 1;
    if (free < 1 || free > all) refuse("free", "a set of the parameters, 1 to " + std::to_string(all), free);
    if ((linear & ~free) != 0) refuse("linear", "a subset of free", linear);
    if ((affine & ~free) != 0 || (affine & 1) || count(affine) > 1)
        refuse("affine", "nothing, or one of the free parameters but not the first", affine);
    if (n_atoms > 0 && n_linear != count(linear)) refuse("n_linear", "the number of linear parameters", n_linear);
    const int others = count(free) - (affine != 0 ? 2 : 1);
    if (n_grid > 0 && (s.components() != 1 || s.magnitude || !(free & 1) || others < 1 || others > 2))
        refuse("n_grid", "0 unless the first and one or two parameters of a real signal are free", n_grid);
    at_least("max_iter", max_iter, 0);
    if (!(tol > 0)) throw std::invalid_argument("tol: expected a positive number, got " + std::to_string(tol));
    const auto bits = [](int64_t set) { return static_cast<uint32_t>(set); };
    const int iterations = static_cast<int>(max_iter < 100000 ? max_iter : 100000);
    return {s,        n_atoms,   n_linear,       n_grid,     bits(free), bits(linear), bits(affine),
            positive, one_start, estimate_noise, iterations, tol};
}

struct FitArrays {
    const void *signal, *start, *atoms, *atom_solve, *atom_parameters, *grid, *grid_parameters, *bounds, *design;
    // (parameters, voxels), twice; (voxels): half the sum of squares, or the noise; (voxels), int32: iterations
    // (negative: not converged).
    void *parameters, *deviation, *cost, *iterations;
};

struct SignalKernels {
    // `in` is tangents (jvp) or cotangent (vjp); `more` is the Jacobian where that is asked for.
    void (*signal)(SignalTask, const SignalProblem&, Dtype, const void* parameters, const void* in, const void* design,
                   void* out, void* more, int threads);
    void (*fit)(const FitProblem&, Dtype, const FitArrays&, int threads);
};

#if defined(__x86_64__)
extern const SignalKernels signal_kernels_v2, signal_kernels_v3, signal_kernels_v4;
#else
extern const SignalKernels signal_kernels_generic;
#endif

}  // namespace mriops
