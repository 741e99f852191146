// One segment of a train for a block of atoms: the states after a pulse from those after the pulse before, and the
// adjoint of that. States are arrays [order] of lane vectors, read at shifted places, so that a shift moves no memory.
#pragma once
#include "epg_numbers.h"
#include "epg_spread.h"
#include "epg_train.h"

namespace mriops {
namespace {

// u, v, w of one moment; entries -pad ... most + pad - 1 exist.
template <class S>
struct States {
    S *u, *v, *w;
};

// Sizes that all states of a call share.
struct StateSize {
    int64_t most, pad;
    int64_t row() const { return most + 2 * pad; }
    int64_t entries() const { return 3 * row(); }
};
template <class S>
MRIOPS_LANE_INLINE States<S> states_at(S* memory, StateSize size) {
    return {memory + size.pad, memory + size.row() + size.pad, memory + 2 * size.row() + size.pad};
}

// What a segment does: relaxation and precession since the last pulse, then the pulse.
template <class S>
struct Step {
    using R = typename StateOf<S>::Real;
    S precession;    // exp(-t/t2 - i (2 pi f t + phi - phi_before)); its conjugate acts on v
    R recovery;      // exp(-t/t1)
    R sine, cosine;  // of the flip angle
    int shift;
    bool odd_orders;
    bool negate_mirror;  // CPMG: states are i times real numbers, and conj is minus
    // Factors of diffusion by entry, in F_k and Z_k (F_-k: `shift` further on), and what they come from.
    const R *transverse, *longitudinal;
    EpgSpread spread;
};

// Order 0 is crossed: entries -1 ... -shift of u are the conjugates of v's, and the other way round. Orders above
// `live` are empty.
template <class S>
MRIOPS_LANE_INLINE void fill_pads(States<S> x, int64_t live, int64_t next_live, const Step<S>& step) {
    const int shift = step.shift, up = shift < 0 ? -shift : shift;
    for (int64_t k = live; k < next_live + up; ++k) x.u[k] = x.v[k] = S{};
    for (int64_t k = live; k < next_live; ++k) x.w[k] = S{};
    const int crossed = step.odd_orders ? 1 : 0;
    for (int k = 1; k <= shift; ++k) {
        const S mirrored = conjugate(x.v[k - crossed]);
        x.u[-k] = step.negate_mirror ? -mirrored : mirrored;
    }
    for (int k = 1; k <= -shift; ++k) x.v[-k] = conjugate(x.u[k - crossed]);
}

// What a step does to one order of real states, and what order 0 gains from recovery.
template <class R>
struct Turn {
    R e, ae, he, sz, cz, gained, gained_z;

    MRIOPS_LANE_INLINE explicit Turn(const Step<R>& step) {
        const R half = number<R>(typename R::Real(0.5)), one = number<R>(typename R::Real(1));
        const R grown = one - step.recovery;
        e = step.precession;
        ae = half * (one - step.cosine) * e;
        he = half * step.sine * e;
        sz = step.sine * step.recovery;
        cz = step.cosine * step.recovery;
        gained = step.sine * grown;
        gained_z = step.cosine * grown;
    }
    MRIOPS_LANE_INLINE void operator()(R p, R m, R z, R& u, R& v, R& w) const {
        const R h = p + m, q = ae * h - sz * z;
        u = e * p - q;
        v = e * m - q;
        w = cz * z - he * h;
    }
    MRIOPS_LANE_INLINE void recover(R& u, R& v, R& w) const {
        u = u + gained;
        v = v + gained;
        w = w + gained_z;
    }
};

template <bool Damped, class S>
MRIOPS_LANE_INLINE void advance(States<S> x, int64_t live, States<S> out, int64_t next_live, const Step<S>& step) {
    using R = typename StateOf<S>::Real;
    fill_pads(x, live, next_live, step);
    const S *u = x.u - step.shift, *v = x.v + step.shift, *w = x.w;
    const R half = number<R>(typename R::Real(0.5)), one = number<R>(typename R::Real(1));
    const R a = half * (one - step.cosine), s = step.sine, h2 = half * step.sine;
    if constexpr (Damped) {
        const R sz = s * step.recovery, cz = step.cosine * step.recovery;
        const R *along_u = step.transverse, *along_v = step.transverse + step.shift, *along_w = step.longitudinal;
        const S up = step.precession, down = conjugate(step.precession);
        for (int64_t k = 0; k < next_live; ++k) {
            const S p = scaled(along_u[k], up * u[k]), m = scaled(along_v[k], down * v[k]);
            const S z = scaled(along_w[k], w[k]), h = p + m;
            const S q = scaled(a, h) - scaled(sz, z);
            out.u[k] = p - q;
            out.v[k] = m - q;
            out.w[k] = scaled(cz, z) - scaled(h2, h);
        }
    } else if constexpr (StateOf<S>::complex) {
        const S up = step.precession, down = conjugate(step.precession);
        const R sz = s * step.recovery, cz = step.cosine * step.recovery;
        for (int64_t k = 0; k < next_live; ++k) {
            const S p = up * u[k], m = down * v[k], z = w[k], h = p + m;
            const S q = scaled(a, h) - scaled(sz, z);
            out.u[k] = p - q;
            out.v[k] = m - q;
            out.w[k] = scaled(cz, z) - scaled(h2, h);
        }
    } else {
        const Turn<R> turn(step);
        for (int64_t k = 0; k < next_live; ++k) turn(u[k], v[k], w[k], out.u[k], out.v[k], out.w[k]);
    }
    if (!step.odd_orders) {
        const R grown = one - step.recovery;
        add_real(out.u[0], s * grown);
        add_real(out.v[0], s * grown);
        add_real(out.w[0], step.cosine * grown);
    }
}

// Two steps that each shift by 1, of real states of at most `most` orders, at least 2, before, between and after: what
// lies between them stays in registers but for order 0, which is left in `middle`.
template <class R>
MRIOPS_LANE_INLINE void advance_twice(States<R> x, int64_t live, States<R> middle, States<R> out, int64_t most,
                                      const Step<R>& first, const Step<R>& second) {
    fill_pads(x, live, most, first);
    const Turn<R> one(first), two(second);
    R u0, v0, w0, u1, v1, w1, below;
    one(x.u[-1], x.v[1], x.w[0], u0, v0, w0);
    one(x.u[0], x.v[2], x.w[1], u1, v1, w1);
    if (!first.odd_orders) one.recover(u0, v0, w0);
    middle.u[0] = u0;
    middle.v[0] = v0;
    below = second.negate_mirror ? -v0 : second.odd_orders ? v0 : v1;
    two(below, v1, w0, out.u[0], out.v[0], out.w[0]);
    if (!second.odd_orders) two.recover(out.u[0], out.v[0], out.w[0]);
    int64_t k = 1;
#pragma GCC unroll 2
    for (; k + 1 < most; ++k) {
        R u2, v2, w2;
        one(x.u[k], x.v[k + 2], x.w[k + 1], u2, v2, w2);
        two(u0, v2, w1, out.u[k], out.v[k], out.w[k]);
        u0 = u1;
        u1 = u2;
        w1 = w2;
    }
    two(u0, R{}, w1, out.u[k], out.v[k], out.w[k]);
}

// Gradients of one segment's numbers.
template <class R>
struct StepGradient {
    R flip;      // of the flip angle
    R decay;     // of ln |precession|
    R turn;      // of the phase of the precession
    R recovery;  // of ln recovery
    R spread;    // of minus the rate of diffusion times the duration
};

template <class S>
MRIOPS_LANE_INLINE typename StateOf<S>::Real flip_gradient(States<S> grad, States<S> out, int64_t live) {
    using R = typename StateOf<S>::Real;
    R turn{}, back{};
    for (int64_t k = 0; k < live; ++k) {
        turn = turn + real_product(grad.u[k] + grad.v[k], out.w[k]);
        back = back + real_product(grad.w[k], out.u[k] + out.v[k]);
    }
    return turn - number<R>(typename R::Real(0.5)) * back;
}

// `grad` is the gradient of the states `out` after the step; `before` becomes that of the states x it started from.
template <bool Damped, class S>
MRIOPS_LANE_INLINE StepGradient<typename StateOf<S>::Real> retreat(States<S> grad, States<S> out, int64_t next_live,
                                                                   States<S> before, States<S> x, int64_t live,
                                                                   const Step<S>& step) {
    using R = typename StateOf<S>::Real;
    const int shift = step.shift;
    const R half = number<R>(typename R::Real(0.5)), one = number<R>(typename R::Real(1));
    const R a = half * (one - step.cosine), s = step.sine, c = step.cosine, h2 = half * step.sine;
    for (int64_t k = next_live - shift; k < live; ++k) before.u[k] = S{};
    for (int64_t k = next_live + shift; k < live; ++k) before.v[k] = S{};
    for (int64_t k = 0; k < shift; ++k) before.v[k] = S{};
    for (int64_t k = 0; k < -shift; ++k) before.u[k] = S{};
    for (int64_t k = next_live; k < live; ++k) before.w[k] = S{};
    StepGradient<R> g{};
    R grown{}, decay{}, turn{}, recovery{};
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
    R flip_turn{}, flip_back{};
    for (int64_t k = 0; k < next_live; ++k) {
        const S gu = grad.u[k], gv = grad.v[k], gw = grad.w[k], sum = gu + gv;
        flip_turn = flip_turn + real_product(sum, out.w[k]);
        flip_back = flip_back + real_product(gw, out.u[k] + out.v[k]);
        const S h = scaled(a, sum) + scaled(h2, gw);
        S nu = back_u * (gu - h), nv = back_v * (gv - h);
        S nw = scaled(step.recovery, scaled(s, sum) + scaled(c, gw));
        if constexpr (Damped) {
            nu = scaled(step.transverse[k], nu);
            nv = scaled(step.transverse[k + shift], nv);
            nw = scaled(step.longitudinal[k], nw);
            using T = typename R::Real;
            const EpgSpread& spread = step.spread;
            g.spread = g.spread + number<R>(spread.transverse<T>(k)) * real_product(nu, u[k]);
            g.spread = g.spread + number<R>(spread.transverse<T>(k + shift)) * real_product(nv, v[k]);
            g.spread = g.spread + number<R>(spread.longitudinal<T>(k)) * real_product(nw, x.w[k]);
        }
        decay = decay + (real_product(nu, u[k]) + real_product(nv, v[k]));
        if constexpr (StateOf<S>::complex) turn = turn + (imaginary_product(nv, v[k]) - imaginary_product(nu, u[k]));
        recovery = recovery + real_product(nw, x.w[k]);
        bu[k] = nu;
        bv[k] = nv;
        before.w[k] = nw;
    }
    g.flip = flip_turn - half * flip_back;
    g.decay = decay;
    g.turn = turn;
    g.recovery = recovery - grown;
    const int crossed = step.odd_orders ? 1 : 0;
    for (int k = 1; k <= shift; ++k) {
        const S mirrored = conjugate(before.u[-k]);
        before.v[k - crossed] = before.v[k - crossed] + (step.negate_mirror ? -mirrored : mirrored);
    }
    for (int k = 1; k <= -shift; ++k) before.u[k - crossed] = before.u[k - crossed] + conjugate(before.v[-k]);
    return g;
}

}  // namespace
}  // namespace mriops
