// Turns without relaxation as spinors: Cayley-Klein parameters (alpha, beta) of a waveform, and all their derivatives.
//
// With U = exp(i w.sigma/2) per step, sense dM/dt = M x w, the first column of the product of all steps. The reverse
// sweep inverts the steps, which are unitary: it keeps no states.
#include <memory>

#include "../core/by_dtype.h"
#include "../core/parallel.h"
#include "bloch_gradients.h"
#include "bloch_kernels.h"
#include "bloch_spinor.h"
#include "bloch_walk.h"

namespace mriops {
namespace {

template <class N, class Vec = typename N::Vec>
Spinor<Vec> walk(const BlochProblem& p, const Walk<N>& steps) {
    using T = typename N::Real;
    Spinor<Vec> state{N::fill(N::scalar(T(1), T(0))), Vec{}, Vec{}, Vec{}};
    for (int64_t n = 0; n < p.steps; ++n) {
        const Triple<Vec> w = steps.vector(n);
        Vec c, s;
        half_turn<N>(dot(w, w), c, s);
        state = turned<N>(state, w, c, s);
    }
    return state;
}

template <class N, class Vec = typename N::Vec>
void sweep(const BlochProblem& p, const BlochTable<N>& table, const Walk<N>& steps, FieldGradient<N>& field,
           Spinor<Vec> bar) {
    using T = typename N::Real;
    Spinor<Vec> state = walk<N>(p, steps);
    for (int64_t n = p.steps - 1; n >= 0; --n) {
        const Triple<Vec> w = steps.vector(n);
        const Triple<Vec> g = spinor_back<N>(state, bar, w);
        const typename N::Scalar* row = table.step(n);
        LaneVec<T>* const gradient = field.shared.steps + n * table.step_width;
        field.nutation_back(g.x, g.y, row, gradient);
        field.precession_back(g.z, row + 2 * table.channels, gradient + 2 * table.channels);
    }
}

// (n, 2) complex in memory.
template <class N>
Spinor<typename N::Vec> load(const void* v, const void* d, int64_t at, int lanes) {
    using T = typename N::Real;
    LaneVec<T> value[4] = {}, tangent[4] = {};
    for (int k = 0; k < 4; ++k)
        for (int i = 0; i < lanes; ++i) {
            value[k][i] = static_cast<const T*>(v)[at + 4 * i + k];
            if constexpr (N::dual) tangent[k][i] = static_cast<const T*>(d)[at + 4 * i + k];
        }
    return {N::lanes(value[0], tangent[0]), N::lanes(value[1], tangent[1]), N::lanes(value[2], tangent[2]),
            N::lanes(value[3], tangent[3])};
}

template <class N>
void run_forward(const BlochProblem& p, const BlochArrays& a, int threads) {
    using T = typename N::Real;
    using Vec = typename N::Vec;
    constexpr int W = LaneOf<T>::width;
    const BlochJobs jobs(p, W, 64);
    parallel_for(p.batch * jobs.chunks, useful_threads(p, threads), [&](int64_t job, int) {
        const int64_t b = job / jobs.chunks, chunk = job % jobs.chunks;
        const BlochTable<N> table(p, a, b);
        Vec* const rows = scratch<Vec>(Scratch::rows, size_t(p.spin_rows()));
        for (int64_t block = jobs.first(chunk); block < jobs.first(chunk + 1); ++block) {
            const int64_t from = block * W;
            const int lanes = int(std::min<int64_t>(W, p.spins - from));
            const Isochromats<N> spins(p, a, b, from, lanes, rows);
            const Spinor<Vec> end = walk<N>(p, Walk<N>(p, table, spins));
            const LaneVec<T> parts[4] = {N::result(end.ar), N::result(end.ai), N::result(end.br), N::result(end.bi)};
            T* const out = static_cast<T*>(a.out) + 4 * (b * p.spins + from);
            for (int k = 0; k < 4; ++k)
                for (int i = 0; i < lanes; ++i) out[4 * i + k] = parts[k][i];
        }
    });
}

template <class N>
void run_reverse(const BlochProblem& p, const BlochArrays& a, int threads) {
    using T = typename N::Real;
    using Vec = typename N::Vec;
    constexpr int W = LaneOf<T>::width;
    const int64_t rows = p.steps * (2 * p.channels + p.axes + 2), n_rows = p.spin_rows();
    const int64_t values = rows * (N::dual ? 2 : 1);
    const BlochJobs jobs(p, W, std::max<int64_t>(1, std::min<int64_t>(16, (int64_t(1) << 23) / (rows + 1))));
    const std::unique_ptr<double[]> partial(new double[size_t(p.batch * jobs.chunks * values + 1)]());
    parallel_for(p.batch * jobs.chunks, useful_threads(p, threads), [&](int64_t job, int) {
        const int64_t b = job / jobs.chunks, chunk = job % jobs.chunks;
        const BlochTable<N> table(p, a, b);
        Vec* const space = scratch<Vec>(Scratch::rows, size_t(2 * n_rows));
        LaneVec<T>* const sums = scratch<LaneVec<T>>(Scratch::accumulator, size_t(values + 1));
        std::fill_n(sums, values, LaneVec<T>{});
        const TableGradient<N> shared{sums, nullptr, rows, true};
        for (int64_t block = jobs.first(chunk); block < jobs.first(chunk + 1); ++block) {
            const int64_t from = block * W, at = 4 * (b * p.spins + from);
            const int lanes = int(std::min<int64_t>(W, p.spins - from));
            const Isochromats<N> spins(p, a, b, from, lanes, space);
            std::fill_n(space + n_rows, n_rows, Vec{});
            FieldGradient<N> field{table, spins, shared, space + n_rows};
            sweep<N>(p, table, Walk<N>(p, table, spins), field, load<N>(a.grad, a.d_grad, at, lanes));
            for (int64_t i = 0; i < n_rows; ++i)
                lane_store<T>(static_cast<T*>(a.grad_spins) + (b * n_rows + i) * p.spins + from,
                              N::result(space[n_rows + i]), lanes);
        }
        for (int64_t i = 0; i < values; ++i) partial[job * values + i] = lane_sum<T>(sums[i]);
    });
    // No states are recorded on the way: the waveform's gradient needs no rows for halves of steps.
    BlochProblem alone = p;
    alone.records = 0;
    parallel_for(p.batch, useful_threads(p, threads), [&](int64_t b, int) {
        double* const total = partial.get() + b * jobs.chunks * values;
        for (int64_t k = 1; k < jobs.chunks; ++k)
            for (int64_t i = 0; i < values; ++i) total[i] += total[k * values + i];
        waveform_gradient<N>(alone, a, b, total, total + rows,
                             static_cast<T*>(a.grad_waveform) + b * p.waveform_rows() * p.steps);
    });
}

}  // namespace

namespace MRIOPS_ISA_NAMESPACE {

void bloch_spinor_forward(const BlochProblem& p, Dtype dtype, const BlochArrays& a, int threads) {
    MRIOPS_BY_DTYPE(run_forward<Values<T>>, p, a, threads)
}
void bloch_spinor_jvp(const BlochProblem& p, Dtype dtype, const BlochArrays& a, int threads) {
    MRIOPS_BY_DTYPE(run_forward<Tangents<T>>, p, a, threads)
}
void bloch_spinor_vjp(const BlochProblem& p, Dtype dtype, const BlochArrays& a, int threads) {
    MRIOPS_BY_DTYPE(run_reverse<Values<T>>, p, a, threads)
}
void bloch_spinor_hvp(const BlochProblem& p, Dtype dtype, const BlochArrays& a, int threads) {
    MRIOPS_BY_DTYPE(run_reverse<Tangents<T>>, p, a, threads)
}

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
