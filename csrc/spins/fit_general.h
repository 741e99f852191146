// A fit of any parameters of any model: Levenberg-Marquardt on all of them within bounds. One lane is one voxel; a
// vector of voxels is done when all of its lanes are.
#pragma once
#include "fit_start.h"
#include "fit_steps.h"
#include "models_sweep.h"

namespace mriops {
namespace {

template <class T, int N>
struct GeneralFit {
    using V = LaneVec<T>;
    using M = LaneBits<T>;
    using Normal = NormalEquations<T, N>;
    static constexpr int W = LaneOf<T>::width;
    static constexpr int kMax = Normal::kMax;

    const Inputs<T>& a;
    Evaluators<T> model;
    int n = 0, free[kMaxModelParameters], linear[kMaxModelParameters], n_linear = 0;
    int amplitude = -1;  // place among the free parameters of the only one that is linear
    int64_t rows;
    GridSearch<T> search;
    // Per thread.
    T *y, *s, *g, *residual, *values;

    GeneralFit(const Inputs<T>& inputs, Evaluators<T> m, const GridSpacing& spacing)
        : a(inputs), model(m), rows(inputs.rows()) {
        search.bases = a.atoms, search.parameters = a.atom_parameters, search.points = a.p.n_atoms;
        search.linear = a.p.n_linear, search.rows = rows, search.spacing = spacing;
        search.positive = a.p.positive && a.p.n_linear == 1;
        for (int k = 0; k < a.p.signal.size.parameters; ++k) {
            if (a.p.linear >> k & 1) linear[n_linear++] = k, amplitude = n_linear == 1 ? n : -1;
            if (a.p.free >> k & 1) free[n++] = k;
        }
    }

    int64_t most() const { return a.p.signal.steps * a.p.signal.size.components; }
    size_t scratch_count() const {
        const int P = a.p.signal.size.parameters;
        return size_t(W * (rows * 2 + most() * (1 + P) + P + a.p.n_atoms * a.p.n_linear));
    }
    void use(T* work) {
        const int P = a.p.signal.size.parameters;
        y = work, residual = y + rows * W, s = residual + rows * W, g = s + most() * W;
        values = g + most() * P * W, search.along = values + P * W;
    }

    // The parameters of the best point of the grid become the start of the free ones.
    void start_from_atoms() {
        search.find(y);
        for (int k = 0; k < n; ++k) search.take(free[k], a.p.signal.size.parameters, values + free[k] * W);
        for (int l = 0; l < n_linear; ++l) search.solve(a.atom_solve, l, values + linear[l] * W);
        search.between(values);
    }

    // Signal and derivatives at p; half the sum of squares of what is left.
    V evaluate(const V* p) {
        for (int k = 0; k < n; ++k) lane_store(values + free[k] * W, p[k]);
        return half_squares(model.jacobian);
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
    V clamped(V x, int k) const { return clamp_lanes<T>(x, bound(0, k), bound(1, k)); }

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
        constexpr T eps = rounding<T>();
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

    void block(const Voxels<T>& at) {
        const int lanes = at.count;
        const V power = at.load_signal(a, y);
        at.load_start(a, values);
        if (a.p.n_atoms > 0) start_from_atoms();
        V p[kMax], trial[kMax], h[kMax * (kMax + 1) / 2], factor[kMax * (kMax + 1) / 2], b[kMax], held[kMax];
        V step[kMax], last[kMax], inverse[kMax], new_h[kMax * (kMax + 1) / 2], new_b[kMax];
        for (int k = 0; k < n; ++k) last[k] = p[k] = clamped(lane_load(values + free[k] * W), k);
        V cost = evaluate(p);
        Normal::build(free, n, rows, g, residual, h, b);
        if (amplitude >= 0) project(p, h, b, &cost);
        // What rounding leaves of the sum of squares.
        constexpr T eps = rounding<T>();
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
            if (all_lanes<T>(done, lanes)) break;
            V there = evaluate(trial);
            Normal::build(free, n, rows, g, residual, new_h, new_b);
            if (amplitude >= 0) project(trial, new_h, new_b, &there);
            const M better = (there <= cost + cost_rounding<T>(power, cost)) & ~done;
            for (int k = 0; k < n; ++k) p[k] = better ? trial[k] : p[k], b[k] = better ? new_b[k] : b[k];
            for (int k = 0; k < n * (n + 1) / 2; ++k) h[k] = better ? new_h[k] : h[k];
            cost = better ? there : cost;
            damping = better ? damping * T(0.1) : damping * T(10);
            damping = damping < T(1e-7) ? lane_fill<T>(T(1e-7)) : damping;
            done = done | (damping > T(1e10));
            if (all_lanes<T>(done, lanes)) break;
        }
        for (int k = 0; k < n; ++k) lane_store(values + free[k] * W, converged ? last[k] : p[k]);
        const V there = half_squares(model.value);
        const M better = converged & (there <= cost + cost_rounding<T>(power, cost));
        for (int k = 0; k < n; ++k) p[k] = better ? last[k] : p[k];
        cost = better ? there : cost;
        finish(at, p, h, b, cost, took, converged, valid);
    }

    void finish(const Voxels<T>& at, const V* p, V* h, V* b, V cost, V took, M converged, M valid) {
        const int64_t voxels = a.p.signal.voxels;
        const V nan = lane_fill<T>(T(__builtin_nan("")));
        V inverse[kMax], variance[kMax];
        hold(p, h, b);
        Normal::factor(n, h, V{}, inverse);
        Normal::inverse_diagonal(n, h, inverse, variance);
        const V noise = at.store_noise(a, valid ? cost : nan, n);
        for (int k = 0; k < a.p.signal.size.parameters; ++k) {
            if (a.p.free >> k & 1) continue;
            at.store(a.parameters + k * voxels, valid ? lane_load(values + k * W) : nan);
            at.store(a.deviation + k * voxels, V{});
        }
        for (int k = 0; k < n; ++k) {
            at.store(a.parameters + free[k] * voxels, valid ? p[k] : nan);
            at.store(a.deviation + free[k] * voxels, valid ? at.deviation(noise, variance[k]) : nan);
        }
        at.store_steps(a.iterations, took, converged);
    }
};

}  // namespace
}  // namespace mriops
