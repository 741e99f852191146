// One segment of a train on a device: the states after a pulse from those after the pulse before, and the adjoint of
// that. The lanes of a warp share the orders.
#pragma once
#include "epg_device.cuh"

namespace mriops::cuda::phase_graphs {

template <class S>
__device__ __forceinline__ void fill_pads(States<S> x, int64_t live, int64_t next_live, const Step<S>& step) {
    const int shift = step.shift, up = shift < 0 ? -shift : shift, crossed = step.odd_orders ? 1 : 0;
    for (int64_t k = live + lane_of(); k < next_live + up; k += kWarp) x.u[k] = x.v[k] = S{};
    for (int64_t k = live + lane_of(); k < next_live; k += kWarp) x.w[k] = S{};
    __syncwarp();
    for (int k = 1 + lane_of(); k <= shift; k += kWarp) {
        const S mirrored = conjugate(x.v[k - crossed]);
        x.u[-k] = step.negate_mirror ? -mirrored : mirrored;
    }
    for (int k = 1 + lane_of(); k <= -shift; k += kWarp) x.v[-k] = conjugate(x.u[k - crossed]);
    __syncwarp();
}

template <class S>
__device__ __forceinline__ void advance(States<S> x, int64_t live, States<S> out, int64_t next_live,
                                        const Step<S>& step) {
    using R = typename StateOf<S>::Real;
    fill_pads(x, live, next_live, step);
    const S *u = x.u - step.shift, *v = x.v + step.shift, *w = x.w;
    const R half = number<R>(typename R::Real(0.5)), one = number<R>(typename R::Real(1));
    const R a = half * (one - step.cosine), s = step.sine, h2 = half * step.sine;
    const S up = step.precession, down = conjugate(step.precession);
    const R sz = s * step.recovery, cz = step.cosine * step.recovery;
    for (int64_t k = lane_of(); k < next_live; k += kWarp) {
        S p = up * u[k], m = down * v[k], z = w[k];
        if (step.damped) {
            p = scaled(exp(step.rate * step.along_u(k)), p);
            m = scaled(exp(step.rate * step.along_v(k)), m);
            z = scaled(exp(step.rate * step.along_w(k)), z);
        }
        const S h = p + m;
        const S q = scaled(a, h) - scaled(sz, z);
        out.u[k] = p - q;
        out.v[k] = m - q;
        out.w[k] = scaled(cz, z) - scaled(h2, h);
    }
    if (!step.odd_orders && lane_of() == 0) {
        const R grown = one - step.recovery;
        add_real(out.u[0], s * grown);
        add_real(out.v[0], s * grown);
        add_real(out.w[0], step.cosine * grown);
    }
    __syncwarp();
}

template <class R>
struct StepGradient {
    R flip, decay, turn, recovery;  // of the flip angle, ln |precession|, its phase, ln recovery
    R spread;                       // of the rate of diffusion times the duration, with a minus
};

template <class S>
__device__ __forceinline__ typename StateOf<S>::Real flip_gradient(States<S> grad, States<S> out, int64_t live) {
    using R = typename StateOf<S>::Real;
    R turn{}, back{};
    for (int64_t k = lane_of(); k < live; k += kWarp) {
        turn = turn + real_product(grad.u[k] + grad.v[k], out.w[k]);
        back = back + real_product(grad.w[k], out.u[k] + out.v[k]);
    }
    return over_lanes(turn - number<R>(typename R::Real(0.5)) * back);
}

// `grad` is the gradient of the states `out` after the step; `before` becomes that of the states x it started from.
template <class S>
__device__ __forceinline__ StepGradient<typename StateOf<S>::Real> retreat(States<S> grad, States<S> out,
                                                                           int64_t next_live, States<S> before,
                                                                           States<S> x, int64_t live,
                                                                           const Step<S>& step) {
    using R = typename StateOf<S>::Real;
    const int shift = step.shift, lane = lane_of();
    const R half = number<R>(typename R::Real(0.5)), one = number<R>(typename R::Real(1));
    const R a = half * (one - step.cosine), s = step.sine, c = step.cosine, h2 = half * step.sine;
    // What the shift moved out of sight: no lane writes the same place below.
    for (int64_t k = next_live - shift + lane; k < live; k += kWarp) before.u[k] = S{};
    for (int64_t k = next_live + shift + lane; k < live; k += kWarp) before.v[k] = S{};
    for (int64_t k = lane; k < shift; k += kWarp) before.v[k] = S{};
    for (int64_t k = lane; k < -shift; k += kWarp) before.u[k] = S{};
    for (int64_t k = next_live + lane; k < live; k += kWarp) before.w[k] = S{};
    __syncwarp();
    R grown{};
    if (!step.odd_orders) {
        R z0;
        if constexpr (StateOf<S>::complex)
            z0 = s * (grad.u[0].re + grad.v[0].re) + c * grad.w[0].re;
        else
            z0 = s * (grad.u[0] + grad.v[0]) + c * grad.w[0];
        grown = step.recovery * z0;
    }
    S *bu = before.u - shift, *bv = before.v + shift;
    const S *u = x.u - shift, *v = x.v + shift;
    const S back_u = conjugate(step.precession), back_v = step.precession;
    R flip_turn{}, flip_back{}, decay{}, turn{}, recovery{}, spread{};
    for (int64_t k = lane; k < next_live; k += kWarp) {
        const S gu = grad.u[k], gv = grad.v[k], gw = grad.w[k], sum = gu + gv;
        flip_turn = flip_turn + real_product(sum, out.w[k]);
        flip_back = flip_back + real_product(gw, out.u[k] + out.v[k]);
        const S h = scaled(a, sum) + scaled(h2, gw);
        S nu = back_u * (gu - h), nv = back_v * (gv - h);
        S nw = scaled(step.recovery, scaled(s, sum) + scaled(c, gw));
        if (step.damped) {
            const R area_u = step.along_u(k), area_v = step.along_v(k), area_w = step.along_w(k);
            nu = scaled(exp(step.rate * area_u), nu);
            nv = scaled(exp(step.rate * area_v), nv);
            nw = scaled(exp(step.rate * area_w), nw);
            spread = spread + area_u * real_product(nu, u[k]) + area_v * real_product(nv, v[k]) +
                     area_w * real_product(nw, x.w[k]);
        }
        decay = decay + (real_product(nu, u[k]) + real_product(nv, v[k]));
        if constexpr (StateOf<S>::complex) turn = turn + (imaginary_product(nv, v[k]) - imaginary_product(nu, u[k]));
        recovery = recovery + real_product(nw, x.w[k]);
        bu[k] = nu;
        bv[k] = nv;
        before.w[k] = nw;
    }
    __syncwarp();
    const int crossed = step.odd_orders ? 1 : 0;
    for (int k = 1 + lane; k <= shift; k += kWarp) {
        const S mirrored = conjugate(before.u[-k]);
        before.v[k - crossed] = before.v[k - crossed] + (step.negate_mirror ? -mirrored : mirrored);
    }
    for (int k = 1 + lane; k <= -shift; k += kWarp)
        before.u[k - crossed] = before.u[k - crossed] + conjugate(before.v[-k]);
    __syncwarp();
    StepGradient<R> g{};
    g.flip = over_lanes(flip_turn - half * flip_back);
    g.decay = over_lanes(decay);
    if constexpr (StateOf<S>::complex) g.turn = over_lanes(turn);
    g.recovery = over_lanes(recovery) - grown;
    if (step.damped) g.spread = over_lanes(spread);
    return g;
}

}  // namespace mriops::cuda::phase_graphs
