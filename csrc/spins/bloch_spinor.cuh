// Spinors of a waveform on a device, and all their derivatives: the reverse sweep inverts the steps and keeps nothing.
#pragma once
#include "bloch_gradient.cuh"
#include "bloch_spinor.h"
#include "bloch_table.cuh"

namespace mriops::cuda::isochromats {
namespace {

template <class N>
__device__ __forceinline__ Spinor<typename N::Vec> walk(const Table<N>& table, const Spin<N>& spin, int64_t steps) {
    using T = typename N::Real;
    using Vec = typename N::Vec;
    Spinor<Vec> state{N::fill(N::scalar(T(1), T(0))), Vec{}, Vec{}, Vec{}};
    for (int64_t n = 0; n < steps; ++n) {
        const Triple<Vec> w = spin.vector(table, n);
        Vec c, s;
        half_turn<N>(dot(w, w), c, s);
        state = turned<N>(state, w, c, s);
    }
    return state;
}

template <class N>
__global__ void __launch_bounds__(kThreads, sizeof(typename N::Real) == 8 ? 2 : 4)
    spinor(const __grid_constant__ Call<N> c) {
    using T = typename N::Real;
    const auto begin = [](int64_t) {};
    const auto body = [&](int64_t b, int64_t, int64_t index, bool active) {
        const Table<N> table(c, b);
        const auto end = walk<N>(table, Spin<N>(c, b, index), c.s.steps);
        if (!active) return;
        T* const out = static_cast<T*>(c.a.out) + 4 * (b * c.s.spins + index);
        out[0] = N::result(end.ar);
        out[1] = N::result(end.ai);
        out[2] = N::result(end.br);
        out[3] = N::result(end.bi);
    };
    for_each_spin(c.s, begin, body);
}

template <class N>
__global__ void __launch_bounds__(kThreads, N::dual || sizeof(typename N::Real) == 8 ? 2 : 4)
    spinor_reverse(const __grid_constant__ Call<N> c) {
    using T = typename N::Real;
    using Vec = typename N::Vec;
    const auto begin = [&](int64_t job) { clear_sums(c, job); };
    const auto body = [&](int64_t b, int64_t job, int64_t index, bool active) {
        const Table<N> table(c, b);
        const Spin<N> spin(c, b, index);
        FieldGradient<N> field(c, table, spin, b, job, index, active);
        const T* const v = at<T>(c.a.grad, 4 * (b * c.s.spins + index));
        const T* const d = N::dual ? at<T>(c.a.d_grad, 4 * (b * c.s.spins + index)) : v;
        Spinor<Vec> bar{N::lanes(v[0], d[0]), N::lanes(v[1], d[1]), N::lanes(v[2], d[2]), N::lanes(v[3], d[3])};
        Spinor<Vec> state = walk<N>(table, spin, c.s.steps);
        for (int64_t n = c.s.steps - 1; n >= 0; --n) {
            const Triple<Vec> w = spin.vector(table, n), g = spinor_back<N>(state, bar, w);
            field.nutation_back(g.x, g.y, table.step(n), n * table.step_width);
            field.precession_back(g.z, table.rest(n), n * table.step_width + 2 * table.channels);
        }
        field.finish();
    };
    for_each_spin(c.s, begin, body);
}

}  // namespace

template <class N>
void launch_spinor(const Call<N>& c, gpu::Stream stream) {
    MRIOPS_LAUNCH(spinor<N>, grid_of(c.s), dim3(kThreads), 0, stream, c);
}
template <class N>
void launch_spinor_reverse(const Call<N>& c, gpu::Stream stream) {
    MRIOPS_LAUNCH(spinor_reverse<N>, grid_of(c.s), dim3(kThreads), 0, stream, c);
    launch_waveform_gradient(c, stream);
}

}  // namespace mriops::cuda::isochromats
