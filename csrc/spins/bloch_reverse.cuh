// Gradients of isochromats through a waveform on a device, and their tangents: a reverse sweep per thread, its states
// recomputed from checkpoints in the workspace.
#pragma once
#include "bloch_gradient.cuh"
#include "bloch_table.cuh"

namespace mriops::cuda::isochromats {
namespace {

template <class N>
struct Tape {
    using T = typename N::Real;
    using Vec = typename N::Vec;
    T* base;
    int64_t stride;

    __device__ __forceinline__ explicit Tape(const Call<N>& c)
        : base(c.tape + blockIdx.x * int64_t(kThreads) + threadIdx.x), stride(int64_t(gridDim.x) * kThreads) {}
    static constexpr int parts = N::dual ? 6 : 3;
    __device__ __forceinline__ void keep(int64_t i, const Triple<Vec>& m) {
        T* const to = base + i * parts * stride;
        to[0] = N::value(m.x);
        to[stride] = N::value(m.y);
        to[2 * stride] = N::value(m.z);
        if constexpr (N::dual) {
            to[3 * stride] = N::result(m.x);
            to[4 * stride] = N::result(m.y);
            to[5 * stride] = N::result(m.z);
        }
    }
    __device__ __forceinline__ Triple<Vec> kept(int64_t i) const {
        const T* const v = base + i * parts * stride;
        const T* const d = N::dual ? v + 3 * stride : v;
        return {N::lanes(v[0], d[0]), N::lanes(v[stride], d[stride]), N::lanes(v[2 * stride], d[2 * stride])};
    }
};

template <class N>
struct Reverse {
    using T = typename N::Real;
    using Vec = typename N::Vec;
    using Scalar = typename N::Scalar;

    const Call<N>& c;
    int64_t b, index;
    bool active;
    const Table<N>& table;
    const Spin<N>& spin;
    FieldGradient<N>& field;
    Steps<N> steps;

    // The cotangent that enters the state m at record j, and what the coils' own gradients gain.
    __device__ __forceinline__ Triple<Vec> cotangent(int64_t j, const Triple<Vec>& m) const {
        const Sizes& s = c.s;
        if (!s.coils) {
            const int64_t i = 3 * ((b * s.records + j) * s.spins + index);
            const T* const v = at<T>(c.a.grad, i);
            const T* const d = N::dual ? at<T>(c.a.d_grad, i) : v;
            return {N::lanes(v[0], d[0]), N::lanes(v[1], d[1]), N::lanes(v[2], d[2])};
        }
        Triple<Vec> bar{};
        for (int64_t coil = 0; coil < s.coils; ++coil) {
            const int64_t i = 2 * ((b * s.coils + coil) * s.records + j);
            const T* const v = at<T>(c.a.grad, i);
            const T* const d = N::dual ? at<T>(c.a.d_grad, i) : v;
            const Scalar gr = N::scalar(v[0], d[0]), gi = N::scalar(v[1], d[1]);
            const Vec re = receive_of(c, b, coil, index, 0), im = receive_of(c, b, coil, index, 1);
            bar.x = bar.x + (re * gr + im * gi);
            bar.y = bar.y + (re * gi - im * gr);
            if (!active) continue;
            T* const own = static_cast<T*>(c.a.grad_receive) + 2 * ((b * s.coils + coil) * s.spins + index);
            own[0] += N::result(m.x * gr + m.y * gi);
            own[1] += N::result(m.x * gi - m.y * gr);
        }
        return bar;
    }
    // Through a relaxation, with the states after it: returns the gradient of the time.
    __device__ __forceinline__ Vec relaxation_back(const Triple<Vec>& after, Triple<Vec>& bar, Loss<N>& loss,
                                                   Scalar h) {
        const Vec g1 = (T(1) - after.z) * bar.z, g2 = -(after.x * bar.x + after.y * bar.y);
        field.r1 += N::result(g1 * h);
        field.r2 += N::result(g2 * h);
        loss.over(spin, h);
        bar = loss.back(bar);
        return g1 * spin.r1 + g2 * spin.r2;
    }
    // Record j, taken after step n from the state m in the middle of it.
    __device__ __forceinline__ void enter(int64_t j, int64_t n, const Triple<Vec>& m, Triple<Vec>& bar) {
        const Scalar* const rest = table.half(n);
        const int64_t row = c.s.steps * table.step_width + j * table.half_width;
        steps.half_loss.over(spin, rest[table.axes + 1]);
        const Triple<Vec> relaxed = steps.half_loss.apply(m);
        Triple<Vec> seen = relaxed, w{};
        if (steps.split) {
            w.z = spin.precession(rest, table.axes);
            seen = turned<N>(relaxed, w);
        }
        Triple<Vec> g = cotangent(j, seen);
        if (steps.split) field.precession_back(turned_back<N>(relaxed, w, g).z, rest, row);
        const Vec time = relaxation_back(relaxed, g, steps.half_loss, rest[table.axes + 1]);
        field.add(row + table.axes + 1, time);
        bar = {bar.x + g.x, bar.y + g.y, bar.z + g.z};
    }
    // Through step n, which turned the state m.
    __device__ __forceinline__ void back(int64_t n, const Triple<Vec>& m, Triple<Vec>& bar) {
        const Scalar* const rest = table.rest(n);
        const int64_t row = n * table.step_width, rest_row = row + 2 * table.channels;
        Triple<Vec> w = spin.vector(table, n), g;
        if (steps.split) {
            const Triple<Vec> z{Vec{}, Vec{}, w.z};
            w.z = Vec{};
            g = turned_back<N>(turned<N>(m, z), w, bar);
            g.z = turned_back<N>(m, z, bar).z;
        } else {
            g = turned_back<N>(m, w, bar);
        }
        field.nutation_back(g.x, g.y, table.step(n), row);
        field.precession_back(g.z, rest, rest_row);
        const Vec time = relaxation_back(m, bar, steps.loss, rest[table.axes + 1]);
        field.add(rest_row + table.axes + 1, time);
    }
    // Returns the gradient of the first state.
    __device__ __forceinline__ Triple<Vec> run(const Triple<Vec>& first, Tape<N> tape) {
        const int64_t size = c.s.interval, count = (c.s.steps + size - 1) / size;
        Triple<Vec> m = first, bar{};
        for (int64_t i = 0; i + 1 < count; ++i) {
            tape.keep(size + i, m);
            for (int64_t n = i * size; n < (i + 1) * size; ++n) m = steps.turn(steps.relaxed(m, n), n);
        }
        int64_t record = c.s.records - 1;
        for (int64_t i = count - 1; i >= 0; --i) {
            const int64_t from = i * size, to = from + size < c.s.steps ? from + size : c.s.steps;
            if (i < count - 1) m = tape.kept(size + i);
            for (int64_t n = from; n < to; ++n) {
                const Triple<Vec> relaxed = steps.relaxed(m, n);
                tape.keep(n - from, relaxed);
                m = steps.turn(relaxed, n);
            }
            for (int64_t n = to - 1; n >= from; --n) {
                const Triple<Vec> before = tape.kept(n - from);
                if (record >= 0 && c.record[record] == n + 1) enter(record--, n, steps.turn(before, n), bar);
                back(n, before, bar);
            }
        }
        if (record >= 0) {
            const Triple<Vec> g = cotangent(record, first);
            bar = {bar.x + g.x, bar.y + g.y, bar.z + g.z};
        }
        return bar;
    }
};

template <class N>
__global__ void __launch_bounds__(kThreads, N::dual || sizeof(typename N::Real) == 8 ? 2 : 4)
    reverse(const __grid_constant__ Call<N> c) {
    using T = typename N::Real;
    using Vec = typename N::Vec;
    const Sizes& s = c.s;
    const auto begin = [&](int64_t job) { clear_sums(c, job); };
    const auto body = [&](int64_t b, int64_t job, int64_t spin, bool active) {
        const Table<N> table(c, b);
        const Spin<N> own(c, b, spin);
        FieldGradient<N> field(c, table, own, b, job, spin, active);
        for (int64_t coil = 0; active && coil < s.coils; ++coil) {
            T* const receive = static_cast<T*>(c.a.grad_receive) + 2 * ((b * s.coils + coil) * s.spins + spin);
            receive[0] = receive[1] = T(0);
        }
        Reverse<N> reverse{c, b, spin, active, table, own, field, Steps<N>(table, own, s.split)};
        const Triple<Vec> bar = reverse.run(start_of(c, b, spin), Tape<N>(c));
        field.finish();
        if (!active) return;
        T* const out = static_cast<T*>(c.a.grad_magnetization) + 3 * (b * s.spins + spin);
        out[0] = N::result(bar.x);
        out[1] = N::result(bar.y);
        out[2] = N::result(bar.z);
    };
    for_each_spin(s, begin, body);
}

}  // namespace

template <class N>
void launch_reverse(const Call<N>& c, gpu::Stream stream) {
    MRIOPS_LAUNCH(reverse<N>, grid_of(c.s), dim3(kThreads), 0, stream, c);
    launch_waveform_gradient(c, stream);
}

}  // namespace mriops::cuda::isochromats
