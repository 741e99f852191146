// One segment on a device for a tangent of the states: see epg_tangents.h of the CPU.
#pragma once
#include "epg_device_sweep.cuh"

namespace mriops::cuda::phase_graphs {

// One direction of what an atom has: how fast its numbers change along it.
template <class T, class S>
struct Direction {
    using R = typename StateOf<S>::Real;

    const Atom<T, S>& atom;
    int64_t row;

    __device__ __forceinline__ R along(EpgArgument which) const {
        const T* const tangent = static_cast<const T*>(atom.arrays.tangent[which]);
        return number<R>(tangent ? tangent[row * atom.train.atoms + atom.index] : T(0));
    }
    __device__ __forceinline__ R r1() const { return -(atom.r1 * atom.r1 * along(epg_t1)); }
    __device__ __forceinline__ R r2() const { return -(atom.r2 * atom.r2 * along(epg_t2)); }
    __device__ __forceinline__ R omega() const { return number<R>(T(2 * kPi)) * along(epg_off_resonance); }
    __device__ __forceinline__ R flip(int64_t n) const {
        return atom.train.adiabatic(n) ? R{} : atom.shared(epg_flip_angle, n) * along(epg_b1);
    }

    __device__ __forceinline__ void start(States<S> x) const {
        const R rate = flip(0);
        if (lane_of() == 0) {
            x.u[0] = x.v[0] = x.w[0] = S{};
            if (atom.train.inverts) {
                add_real(x.w[0], -along(epg_inversion));
            } else {
                add_real(x.u[0], rate * atom.cosine);
                if (!atom.train.odd_orders) add_real(x.v[0], rate * atom.cosine);
                if (!atom.train.odd_orders) add_real(x.w[0], -(rate * atom.sine));
            }
        }
        __syncwarp();
    }
    // `x` before and `out` after segment n - 1, as the step that `advance` took has left them; `dx` becomes `dout`.
    __device__ __forceinline__ void advance(int64_t n, States<S> x, States<S> dx, States<S> out, States<S> dout,
                                            const Step<S>& step) const {
        const int64_t next_live = atom.live(n);
        fill_pads(dx, atom.live(n - 1), next_live, step);
        const R duration = atom.shared(epg_duration, n - 1), shrinking = -(duration * r1()), turning = flip(n);
        const R spreading = step.damped ? -(duration * along(epg_diffusion)) : R{};
        S source;
        if constexpr (StateOf<S>::complex)
            source = {-(duration * r2()), -(duration * omega())};
        else
            source = -(duration * r2());
        const S *u = x.u - step.shift, *v = x.v + step.shift, *w = x.w;
        const S *du = dx.u - step.shift, *dv = dx.v + step.shift, *dw = dx.w;
        const R half = number<R>(T(0.5)), one = number<R>(T(1));
        const R a = half * (one - step.cosine), h2 = half * step.sine, half_turning = half * turning;
        const R sz = step.sine * step.recovery, cz = step.cosine * step.recovery;
        const S up = step.precession, down = conjugate(step.precession);
        for (int64_t k = lane_of(); k < next_live; k += kWarp) {
            S p = du[k] + source * u[k], m = dv[k] + conjugate(source) * v[k], z = dw[k] + scaled(shrinking, w[k]);
            if (step.damped) {
                const R area_u = step.along_u(k), area_v = step.along_v(k), area_w = step.along_w(k);
                p = scaled(exp(step.rate * area_u), p + scaled(spreading * area_u, u[k]));
                m = scaled(exp(step.rate * area_v), m + scaled(spreading * area_v, v[k]));
                z = scaled(exp(step.rate * area_w), z + scaled(spreading * area_w, w[k]));
            }
            p = up * p;
            m = down * m;
            const S h = p + m, q = scaled(a, h) - scaled(sz, z), turned = scaled(turning, out.w[k]);
            dout.u[k] = p - q + turned;
            dout.v[k] = m - q + turned;
            dout.w[k] = scaled(cz, z) - scaled(h2, h) - scaled(half_turning, out.u[k] + out.v[k]);
        }
        if (!step.odd_orders && lane_of() == 0) {
            const R shrunk = shrinking * step.recovery;
            add_real(dout.u[0], -(step.sine * shrunk));
            add_real(dout.v[0], -(step.sine * shrunk));
            add_real(dout.w[0], -(step.cosine * shrunk));
        }
        __syncwarp();
    }
    // Of sample j, y / m0, of segment n, which reads its state with `factor`.
    __device__ __forceinline__ Pair<R> sample(int64_t n, int64_t j, States<S> x, Pair<R> factor, Pair<R> y) const {
        const R time = atom.shared(epg_sample_time, j);
        Pair<R> d = atom.times(factor, atom.state_of(x, n, atom.train.offsets[j]));
        R faster = r2();
        if (atom.damped) faster = faster + along(epg_diffusion) * atom.sample_area(j);
        d = d - scaled(time * faster, y);
        if constexpr (StateOf<S>::complex) {
            const R turn = time * omega();
            d = d + Pair<R>{turn * y.im, -(turn * y.re)};
        }
        return scaled(atom.m0, d) + scaled(along(epg_m0), y);
    }
};

}  // namespace mriops::cuda::phase_graphs
