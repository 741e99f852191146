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
    int amplitude = -1;  // place among the free parameters of the only one that is linear
    // The parameter in which consecutive atoms differ, how many values it has, the logarithm of their ratio.
    int spaced = -1;
    int64_t spaced_count = 0;
    T spacing = 0;
    int64_t rows;
    // Per thread.
    T *y, *s, *g, *residual, *values;

    Fit(const Inputs<T>& inputs, Evaluators<T> m) : a(inputs), model(m) {
        const FitProblem& p = a.p;
        for (int k = 0; k < p.signal.size.parameters; ++k) {
            if (p.linear >> k & 1) linear[n_linear++] = k, amplitude = n_linear == 1 ? n : -1;
            if (p.free >> k & 1) free[n++] = k;
        }
        rows = p.signal.steps * p.signal.components();
        find_spacing();
    }

    void find_spacing() {
        const int P = a.p.signal.size.parameters;
        const auto value = [&](int64_t m, int k) { return a.atom_parameters[m * P + k]; };
        if (a.p.n_atoms < 3) return;
        for (int i = 0; i < n; ++i)
            if (value(1, free[i]) > value(0, free[i]) && value(0, free[i]) > 0) spaced = spaced < 0 ? free[i] : P;
        if (spaced < 0 || spaced == P) return void(spaced = -1);
        spacing = std::log(value(1, spaced) / value(0, spaced)), spaced_count = 1;
        while (spaced_count < a.p.n_atoms && value(spaced_count, spaced) > value(spaced_count - 1, spaced))
            ++spaced_count;
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
        V best = lane_fill<T>(T(-1)), chosen = V{}, before = V{}, left = V{}, right = V{};
        M fresh = chosen != chosen;
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
            right = fresh ? energy : right;
            left = better ? before : left;
            fresh = better, before = energy;
            best = better ? energy : best;
            chosen = better ? lane_fill<T>(T(m)) : chosen;
            for (int64_t l = 0; l < L; ++l) kept[l] = better ? projection[l] : kept[l];
        }
        const int P = a.p.signal.size.parameters;
        // Through memory: a lane of a register that is picked at run time costs more than the store.
        T index[W], projections[kMaxModelParameters * W];
        lane_store(index, chosen);
        for (int64_t l = 0; l < L; ++l) lane_store(projections + l * W, kept[l]);
        int64_t m[W];
        for (int lane = 0; lane < W; ++lane) m[lane] = int64_t(index[lane]);
        for (int k = 0; k < n; ++k)
            for (int lane = 0; lane < W; ++lane) values[free[k] * W + lane] = a.atom_parameters[m[lane] * P + free[k]];
        for (int64_t l = 0; l < L; ++l)
            for (int lane = 0; lane < W; ++lane) {
                T sum = 0;
                for (int64_t j = 0; j < L; ++j)
                    sum += a.atom_solve[(m[lane] * L + l) * L + j] * projections[j * W + lane];
                values[linear[l] * W + lane] = sum;
            }
        if (spaced >= 0) between_atoms(chosen, left, best, right);
    }

    // The maximum of the parabola through the energies of three atoms, which lie evenly by powers.
    void between_atoms(V chosen, V left, V best, V right) {
        const T count = T(spaced_count);
        V place = chosen;
        for (int64_t m = spaced_count; m < a.p.n_atoms; m += spaced_count)
            place = chosen >= T(m) ? chosen - T(m) : place;
        const V bend = left - best + (right - best);
        const M inner = (place > T(0)) & (place < count - T(1)) & (bend < V{});
        const V shift = T(0.5) * (left - right) / (inner ? bend : lane_fill<T>(T(-1)));
        T* const at = values + spaced * W;
        lane_store(at, inner ? lane_load(at) * lane_exp<T>(shift * spacing) : lane_load(at));
    }

    // Signal and derivatives at p; half the sum of squares of what is left.
    V evaluate(const V* p) {
        for (int k = 0; k < n; ++k) lane_store(values + free[k] * W, p[k]);
        return half_squares(model.jacobian);
    }

    // Below this a rise of the cost is rounding of the signal: |r . dr| with |dr| = eps |y|.
    static V blur(V power, V cost) {
        const T eps = sizeof(T) == 4 ? T(1.2e-7) : T(2.2e-16);
        return lane_sqrt<T>(power * cost) * (T(4) * eps) + power * (T(64) * eps * eps);
    }

    V half_squares(Evaluate<T> evaluator) {
        const SignalProblem& q = a.p.signal;
        evaluator(values, a.design, q.steps, s, q.size.components * W, g);
        T* const derivatives = evaluator == model.jacobian ? g : nullptr;
        if (q.magnitude) take_magnitude<T>(q.size.components, q.size.parameters, q.steps, s, derivatives);
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

    static bool all_of(M done, int lanes) {
        bool all = true;
        for (int l = 0; l < lanes; ++l) all = all && done[l] != 0;
        return all;
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

    // The best amplitude for the other parameters as they are, in closed form: all derivatives for them, and the
    // signal, are proportional to it.
    void project(V* p, V* h, V* b, V* cost) const {
        const int k = amplitude;
        const T eps = sizeof(T) == 4 ? T(1.2e-7) : T(2.2e-16);
        const V one = lane_fill<T>(T(1)), own = h[triangle(k, k)], old = p[k];
        const V move = b[k] / (own > V{} ? own : one), next = old + move;
        const V ratio = next / (old != V{} ? old : one);
        const M fine = (ratio > T(1e-3)) & (ratio < T(1e3)) & (own > V{}) & (old != V{}) & (next >= bound(0, k)) &
                       (next <= bound(1, k));
        const V c = fine ? ratio : one, step = fine ? move : V{};
        for (int i = 0; i < n; ++i) {
            if (i == k) continue;
            V& cross = h[i > k ? triangle(i, k) : triangle(k, i)];
            b[i] = fine ? c * (b[i] - step * cross) : b[i];
            cross = c * cross;
        }
        for (int i = 0; i < n; ++i)
            for (int l = 0; l <= i; ++l)
                if (i != k && l != k) h[triangle(i, l)] = c * c * h[triangle(i, l)];
        // Never less than what the subtraction's rounding hides.
        const V left = *cost - T(0.5) * step * b[k];
        *cost = fine ? (left > V{} ? left : V{}) + T(8) * eps * *cost : *cost;
        p[k] = fine ? next : old, b[k] = fine ? V{} : b[k];
    }

    void block(int64_t first, int lanes) {
        load(first, lanes);
        if (a.p.n_atoms > 0) start_from_atoms();
        V p[kMax], trial[kMax], h[kMax * (kMax + 1) / 2], factor[kMax * (kMax + 1) / 2], b[kMax], held[kMax];
        V step[kMax], last[kMax], inverse[kMax], new_h[kMax * (kMax + 1) / 2], new_b[kMax];
        for (int k = 0; k < n; ++k) last[k] = p[k] = clamped(lane_load(values + free[k] * W), k);
        V power = {};
        for (int64_t i = 0; i < rows; ++i) power = power + lane_load(y + i * W) * lane_load(y + i * W);
        V cost = evaluate(p);
        Normal::build(free, n, rows, g, residual, h, b);
        if (amplitude >= 0) project(p, h, b, &cost);
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
            Normal::factor(n, factor, damping, inverse);
            Normal::solve(n, factor, inverse, held, step);
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
            const M arrived = (gain * freedom <= T(2) * threshold * cost + floor) & (damping <= T(1)) & ~done;
            // Derivatives after so short a step are not worth their time: its signal is looked at when all are there.
            for (int k = 0; k < n; ++k) last[k] = arrived ? trial[k] : last[k];
            took = done ? took : took + T(1);
            converged = converged | arrived;
            done = done | arrived;
            if (all_of(done, lanes)) break;
            V there = evaluate(trial);
            Normal::build(free, n, rows, g, residual, new_h, new_b);
            if (amplitude >= 0) project(trial, new_h, new_b, &there);
            const M better = (there <= cost + blur(power, cost)) & ~done;
            for (int k = 0; k < n; ++k) p[k] = better ? trial[k] : p[k], b[k] = better ? new_b[k] : b[k];
            for (int k = 0; k < n * (n + 1) / 2; ++k) h[k] = better ? new_h[k] : h[k];
            cost = better ? there : cost;
            damping = better ? damping * T(0.1) : damping * T(10);
            damping = damping < T(1e-7) ? lane_fill<T>(T(1e-7)) : damping;
            done = done | (damping > T(1e10));
            if (all_of(done, lanes)) break;
        }
        for (int k = 0; k < n; ++k) lane_store(values + free[k] * W, converged ? last[k] : p[k]);
        const V there = half_squares(model.value);
        const M better = converged & (there <= cost + blur(power, cost));
        for (int k = 0; k < n; ++k) p[k] = better ? last[k] : p[k];
        cost = better ? there : cost;
        finish(first, lanes, p, h, b, cost, took, converged, valid);
    }

    void finish(int64_t first, int lanes, const V* p, V* h, V* b, V cost, V took, M converged, M valid) {
        const int64_t voxels = a.p.signal.voxels;
        const V nan = lane_fill<T>(T(__builtin_nan("")));
        V inverse[kMax], variance[kMax];
        hold(p, h, b);
        Normal::factor(n, h, V{}, inverse);
        Normal::inverse_diagonal(n, h, inverse, variance);
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
