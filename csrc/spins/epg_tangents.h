// One segment for a tangent of the states. It goes through the same linear map as the states themselves, which are at
// hand, and gains what the numbers of that map change by: for relaxation and precession before the pulse, for the flip
// angle behind it, where its generator is that of a rotation.
#pragma once
#include "epg_sweep.h"

namespace mriops {
namespace {

// How fast the numbers of a segment change along one direction.
template <class R>
struct StepRates {
    R recovery;  // of ln recovery
    R decay;     // of ln |precession|
    R turn;      // of the phase that precession takes away
    R flip;      // of the flip angle
    R spread;    // of minus the rate of diffusion times the duration
};

// `x` before and `out` after the segment, as `advance` has left them; `dx` becomes `dout`. Sources that the direction
// has not are left out.
template <bool Longitudinal, bool Transverse, bool Flip, bool Damped, class S>
MRIOPS_LANE_INLINE void advance_tangent(States<S> x, States<S> dx, int64_t live, States<S> out, States<S> dout,
                                        int64_t next_live, const Step<S>& step,
                                        const StepRates<typename StateOf<S>::Real>& rates) {
    using R = typename StateOf<S>::Real;
    fill_pads(dx, live, next_live, step);
    const S *u = x.u - step.shift, *v = x.v + step.shift, *w = x.w;
    const S *du = dx.u - step.shift, *dv = dx.v + step.shift, *dw = dx.w;
    const R half = number<R>(typename R::Real(0.5)), one = number<R>(typename R::Real(1));
    const R a = half * (one - step.cosine), h2 = half * step.sine, half_flip = half * rates.flip;
    const R sz = step.sine * step.recovery, cz = step.cosine * step.recovery;
    const S up = step.precession, down = conjugate(step.precession);
    S source;
    if constexpr (StateOf<S>::complex)
        source = {rates.decay, -rates.turn};
    else
        source = rates.decay;
    for (int64_t k = 0; k < next_live; ++k) {
        S p = du[k], m = dv[k], z = dw[k];
        if constexpr (Damped && Transverse && Longitudinal) {
            using T = typename R::Real;
            const EpgSpread& spread = step.spread;
            p = p + scaled(rates.spread * number<R>(spread.transverse<T>(k)), u[k]);
            m = m + scaled(rates.spread * number<R>(spread.transverse<T>(k + step.shift)), v[k]);
            z = z + scaled(rates.spread * number<R>(spread.longitudinal<T>(k)), w[k]);
        }
        if constexpr (Transverse) {
            p = p + source * u[k];
            m = m + conjugate(source) * v[k];
        }
        if constexpr (Longitudinal) z = z + scaled(rates.recovery, w[k]);
        p = up * p;
        m = down * m;
        if constexpr (Damped) {
            p = scaled(step.transverse[k], p);
            m = scaled(step.transverse[k + step.shift], m);
            z = scaled(step.longitudinal[k], z);
        }
        const S h = p + m, q = scaled(a, h) - scaled(sz, z);
        S nu = p - q, nv = m - q, nw = scaled(cz, z) - scaled(h2, h);
        if constexpr (Flip) {
            const S turned = scaled(rates.flip, out.w[k]);
            nu = nu + turned;
            nv = nv + turned;
            nw = nw - scaled(half_flip, out.u[k] + out.v[k]);
        }
        dout.u[k] = nu;
        dout.v[k] = nv;
        dout.w[k] = nw;
    }
    if (Longitudinal && !step.odd_orders) {
        const R shrunk = rates.recovery * step.recovery, turned = step.sine * shrunk;
        add_real(dout.u[0], -turned);
        add_real(dout.v[0], -turned);
        add_real(dout.w[0], -(step.cosine * shrunk));
    }
}

}  // namespace
}  // namespace mriops
