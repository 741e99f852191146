// Voxelwise least squares: a start from a grid of signals by variable projection, then Levenberg-Marquardt on all free
// parameters within bounds. One lane is one voxel; a vector of voxels is done when all of its lanes are.
#include <cmath>

#include "../core/by_dtype.h"
#include "../core/parallel.h"
#include "../core/scratch.h"
#include "fit_steps.h"
#include "models_sweep.h"

namespace mriops {
namespace {

// Voxels per task of the pool: a multiple of every vector's width, small enough to balance voxels that take longer.
constexpr int64_t kVoxelsPerTask = 512;

template <class T>
struct Inputs {
    const FitProblem& p;
    const T *signal, *start, *atoms, *atom_solve, *atom_parameters, *bounds, *design;
    T *parameters, *deviation, *cost, *iterations;
};

template <class T, int N>
struct Fit {
    using V = LaneVec<T>;
    using M = LaneBits<T>;
    using Normal = NormalEquations<T, N>;
    static constexpr int W = LaneOf<T>::width;
    static constexpr int kMax = Normal::kMax;

    const Inputs<T>& a;
    Evaluators<T> model;
    int n = 0, free[kMaxModelParameters], linear[kMaxModelParameters], n_linear = 0;
    int64_t rows;
    // Per thread.
    T *y, *s, *g, *residual, *values;

    Fit(const Inputs<T>& inputs, Evaluators<T> m) : a(inputs), model(m) {
        const FitProblem& p = a.p;
        for (int k = 0; k < p.signal.size.parameters; ++k) {
            if (p.free >> k & 1) free[n++] = k;
            if (p.linear >> k & 1) linear[n_linear++] = k;
        }
        rows = p.signal.steps * p.signal.components();
    }

    size_t scratch_count() const {
        const int64_t most = a.p.signal.steps * a.p.signal.size.components;
        return size_t(W * (rows * 2 + most * (1 + a.p.signal.size.parameters) + a.p.signal.size.parameters));
    }
    void use(T* work) {
        const int64_t most = a.p.signal.steps * a.p.signal.size.components;
        y = work, residual = y + rows * W, s = residual + rows * W, g = s + most * W;
        values = g + most * a.p.signal.size.parameters * W;
    }

    void load(int64_t first, int lanes) {
        const SignalProblem& p = a.p.signal;
        const int C = p.components();
        for (int64_t i = 0; i < p.steps; ++i)
            for (int c = 0; c < C; ++c) {
                const T* const from = a.signal + (i * p.voxels + first) * C;
                V v = {};
                if (C == 1)
                    v = lane_load(from, lanes);
                else
                    for (int l = 0; l < lanes; ++l) v[l] = from[l * C + c];
                lane_store(y + (i * C + c) * W, v);
            }
        for (int k = 0; k < p.size.parameters; ++k)
            lane_store(values + k * W, lane_load(a.start + k * p.voxels + first, lanes, T(1)));
    }

    // The atom whose span holds most of the signal; its parameters become the start of the free ones.
    void start_from_atoms() {
        const int64_t L = a.p.n_linear;
        V best = lane_fill<T>(T(-1)), chosen = V{};
        V projection[kMaxModelParameters], kept[kMaxModelParameters];
        for (int64_t l = 0; l < L; ++l) kept[l] = V{};
        const T* atom = a.atoms;
        for (int64_t m = 0; m < a.p.n_atoms; ++m) {
            V energy = {};
            for (int64_t l = 0; l < L; ++l, atom += rows) {
                V even = {}, odd = {};
                int64_t i = 0;
                for (; i + 1 < rows; i += 2) {
                    even = even + atom[i] * lane_load(y + i * W);
                    odd = odd + atom[i + 1] * lane_load(y + (i + 1) * W);
                }
                if (i < rows) even = even + atom[i] * lane_load(y + i * W);
                projection[l] = even + odd;
                energy = energy + projection[l] * projection[l];
            }
            if (a.p.positive) energy = projection[0] > T(0) ? energy : V{};
            const M better = energy > best;
            best = better ? energy : best;
            chosen = better ? lane_fill<T>(T(m)) : chosen;
            for (int64_t l = 0; l < L; ++l) kept[l] = better ? projection[l] : kept[l];
        }
        const int P = a.p.signal.size.parameters;
        for (int lane = 0; lane < W; ++lane) {
            const int64_t m = int64_t(chosen[lane]);
            for (int k = 0; k < n; ++k) values[free[k] * W + lane] = a.atom_parameters[m * P + free[k]];
            for (int64_t l = 0; l < L; ++l) {
                T sum = 0;
                for (int64_t j = 0; j < L; ++j) sum += a.atom_solve[(m * L + l) * L + j] * T(kept[j][lane]);
                values[linear[l] * W + lane] = sum;
            }
        }
    }

    // Signal and derivatives at p; half the sum of squares of what is left.
    V evaluate(const V* p) {
        const SignalProblem& q = a.p.signal;
        for (int k = 0; k < n; ++k) lane_store(values + free[k] * W, p[k]);
        model.jacobian(values, a.design, q.steps, s, q.size.components * W, g);
        if (q.magnitude) take_magnitude<T>(q.size.components, q.size.parameters, q.steps, s, g);
        V sum = {};
        for (int64_t i = 0; i < rows; ++i) {
            const V r = lane_load(y + i * W) - lane_load(s + i * W);
            lane_store(residual + i * W, r);
            sum = sum + r * r;
        }
        return T(0.5) * sum;
    }

    V bound(int which, int k) const { return lane_fill<T>(a.bounds[which * a.p.signal.size.parameters + free[k]]); }
    V clamped(V x, int k) const {
        const V low = bound(0, k), high = bound(1, k);
        x = x < low ? low : x;
        return x > high ? high : x;
    }

    // Parameters that sit on a bound and would leave it are held: their row of the equations becomes x = 0.
    void hold(const V* p, V* h, V* b) const {
        for (int k = 0; k < n; ++k) {
            const M held = ((p[k] <= bound(0, k)) & (b[k] < T(0))) | ((p[k] >= bound(1, k)) & (b[k] > T(0)));
            b[k] = held ? V{} : b[k];
            for (int l = 0; l < k; ++l) h[triangle(k, l)] = held ? V{} : h[triangle(k, l)];
            for (int l = k + 1; l < n; ++l) h[triangle(l, k)] = held ? V{} : h[triangle(l, k)];
        }
    }

    void block(int64_t first, int lanes) {
        load(first, lanes);
        if (a.p.n_atoms > 0) start_from_atoms();
        V p[kMax], trial[kMax], h[kMax * (kMax + 1) / 2], factor[kMax * (kMax + 1) / 2], b[kMax], held[kMax];
        V step[kMax], scale[kMax], new_h[kMax * (kMax + 1) / 2], new_b[kMax];
        for (int k = 0; k < n; ++k) p[k] = clamped(lane_load(values + free[k] * W), k);
        V power = {};
        for (int64_t i = 0; i < rows; ++i) power = power + lane_load(y + i * W) * lane_load(y + i * W);
        V cost = evaluate(p);
        Normal::build(free, n, rows, g, residual, h, b);
        // What rounding leaves of the sum of squares.
        const T eps = sizeof(T) == 4 ? T(1.2e-7) : T(2.2e-16);
        const V floor = power * (T(64) * eps * eps);
        const T threshold = T(a.p.tol * a.p.tol);
        V damping = lane_fill<T>(T(1e-3)), took = V{};
        const V inf = lane_fill<T>(T(__builtin_inf()));
        M valid = (cost < inf) & (power < inf);
        for (int k = 0; k < n; ++k) valid = valid & (p[k] == p[k]);  // a start that is NaN, though the model ignores it
        M done = ~valid, converged = valid & ~valid;
        for (int iteration = 0; iteration < a.p.max_iter; ++iteration) {
            for (int k = 0; k < n * (n + 1) / 2; ++k) factor[k] = h[k];
            for (int k = 0; k < n; ++k) held[k] = b[k];
            hold(p, factor, held);
            Normal::factor(n, factor, damping, scale);
            Normal::solve(n, factor, scale, held, step);
            V gain = {};
            for (int k = 0; k < n; ++k) {
                gain = gain + held[k] * step[k];
                // A step can overflow to NaN where the model hardly depends on a parameter: that one stays where it is.
                const V moved = clamped(p[k] + step[k], k);
                trial[k] = (done | (moved != moved)) ? p[k] : moved;
            }
            // Expected decrease against the noise: (step / standard error)^2 is about gain over cost per degree of
            // freedom.
            const T freedom = T(rows > n ? rows - n : 1);
            const M arrived = (gain * freedom <= T(2) * threshold * cost + floor) & (damping <= T(1));
            const V there = evaluate(trial);
            Normal::build(free, n, rows, g, residual, new_h, new_b);
            // Below this a rise of the cost is rounding of the signal: |r . dr| with |dr| = eps |y|.
            const V blur = lane_sqrt<T>(power * cost) * (T(4) * eps) + floor;
            const M better = (there <= cost + blur) & ~done;
            for (int k = 0; k < n; ++k) p[k] = better ? trial[k] : p[k], b[k] = better ? new_b[k] : b[k];
            for (int k = 0; k < n * (n + 1) / 2; ++k) h[k] = better ? new_h[k] : h[k];
            cost = better ? there : cost;
            damping = better ? damping * T(0.1) : damping * T(10);
            damping = damping < T(1e-7) ? lane_fill<T>(T(1e-7)) : damping;
            took = done ? took : took + T(1);
            converged = converged | (arrived & ~done);
            done = done | arrived | (damping > T(1e10));
            bool all = true;
            for (int l = 0; l < lanes; ++l) all = all && done[l] != 0;
            if (all) break;
        }
        finish(first, lanes, p, h, b, cost, took, converged, valid);
    }

    void finish(int64_t first, int lanes, const V* p, V* h, V* b, V cost, V took, M converged, M valid) {
        const int64_t voxels = a.p.signal.voxels;
        const V nan = lane_fill<T>(T(__builtin_nan("")));
        V scale[kMax], variance[kMax];
        hold(p, h, b);
        Normal::factor(n, h, V{}, scale);
        Normal::inverse_diagonal(n, h, scale, variance);
        for (int k = 0; k < a.p.signal.size.parameters; ++k) {
            const V fixed = valid ? lane_load(values + k * W) : nan;
            lane_store(a.parameters + k * voxels + first, fixed, lanes);
            lane_store(a.deviation + k * voxels + first, V{}, lanes);
        }
        for (int k = 0; k < n; ++k) {
            lane_store(a.parameters + free[k] * voxels + first, valid ? p[k] : nan, lanes);
            lane_store(a.deviation + free[k] * voxels + first, valid ? lane_sqrt<T>(variance[k]) : nan, lanes);
        }
        lane_store(a.cost + first, valid ? cost : nan, lanes);
        lane_store(a.iterations + first, converged ? took : -took, lanes);
    }
};

template <class T, int N>
void run(const Inputs<T>& inputs, Evaluators<T> model, int threads) {
    const int64_t voxels = inputs.p.signal.voxels;
    parallel_for((voxels + kVoxelsPerTask - 1) / kVoxelsPerTask, threads, [&](int64_t task, int) {
        Fit<T, N> fit(inputs, model);
        fit.use(scratch<T>(Scratch::work, fit.scratch_count()));
        const int64_t last = (task + 1) * kVoxelsPerTask < voxels ? (task + 1) * kVoxelsPerTask : voxels;
        for (int64_t v = task * kVoxelsPerTask; v < last; v += Fit<T, N>::W)
            fit.block(v, int(last - v < Fit<T, N>::W ? last - v : Fit<T, N>::W));
    });
}

template <class T>
void run_any(const FitProblem& p, const FitArrays& f, int threads) {
    const Inputs<T> inputs = {p,
                              MRIOPS_IN(f.signal),
                              MRIOPS_IN(f.start),
                              MRIOPS_IN(f.atoms),
                              MRIOPS_IN(f.atom_solve),
                              MRIOPS_IN(f.atom_parameters),
                              MRIOPS_IN(f.bounds),
                              MRIOPS_IN(f.design),
                              MRIOPS_OUT(f.parameters),
                              MRIOPS_OUT(f.deviation),
                              MRIOPS_OUT(f.cost),
                              MRIOPS_OUT(f.iterations)};
    const Evaluators<T> model = MRIOPS_ISA_NAMESPACE::evaluators_of(p.signal.model, T());
    switch (__builtin_popcount(p.free)) {
        case 2: return run<T, 2>(inputs, model, threads);
        case 3: return run<T, 3>(inputs, model, threads);
        default: return run<T, 0>(inputs, model, threads);
    }
}

}  // namespace

namespace MRIOPS_ISA_NAMESPACE {

void fit(const FitProblem& p, Dtype dtype, const FitArrays& arrays, int threads) {
    MRIOPS_BY_DTYPE(run_any<T>, p, arrays, threads);
}

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
