// One segment of a train for two pools of a block of atoms: the states after a pulse from those after the pulse before,
// and the adjoint of that. As epg_sweep.h, of which pool b is a second copy (Both), or adds a row of longitudinal
// states.
#pragma once
#include "epg_train.h"
#include "epgx_interval.h"

namespace mriops {
namespace {

// The states of one row, order by order. On a device those of neighbouring threads lie side by side.
#if defined(MRIOPS_LANE_SCALAR)
template <class S>
struct Row {
    S* at;
    int64_t stride;
    MRIOPS_HD S& operator[](int64_t k) const { return at[k * stride]; }
    MRIOPS_HD Row operator+(int64_t k) const { return {at + k * stride, stride}; }
    MRIOPS_HD Row operator-(int64_t k) const { return {at - k * stride, stride}; }
};
#else
template <class S>
using Row = S*;
#endif

// u, v, w of one moment, of each pool; entries -pad ... most + pad - 1 exist. u[1] and v[1] only where Both.
template <class S>
struct PoolStates {
    Row<S> u[2], v[2], w[2];
};

struct PoolSize {
    int64_t most, pad;
    bool both;
    MRIOPS_LANE_INLINE int64_t row() const { return most + 2 * pad; }
    MRIOPS_LANE_INLINE int64_t entries() const { return (both ? 6 : 4) * row(); }
};
template <class S>
MRIOPS_LANE_INLINE PoolStates<S> pool_states_at(Row<S> memory, PoolSize size) {
    const Row<S> first = memory + size.pad;
    const int64_t row = size.row();
    const int64_t second = size.both ? 4 : 0;
    return {{first, first + second * row},
            {first + row, first + (size.both ? 5 : 1) * row},
            {first + 2 * row, first + 3 * row}};
}

// What a segment does: relaxation, exchange and precession since the last pulse, then the pulse.
template <class S>
struct PoolStep {
    using R = typename StateOf<S>::Real;
    S precession[2][2];  // of u; its conjugate acts on v. Without Both, the first entry alone
    R exchange[2][2];    // of w
    R grown[2];          // what equilibrium adds to w at order 0
    R sine, cosine;      // of the flip angle
    R saturation;        // what the pulse leaves of w_b, without Both
    int shift;
};

template <bool Both, class S>
MRIOPS_LANE_INLINE void fill_pads(const PoolStates<S>& x, int64_t live, int64_t next_live, int shift) {
    const int up = shift < 0 ? -shift : shift;
    for (int i = 0; i < 2; ++i) {
        for (int64_t k = live; k < next_live; ++k) x.w[i][k] = S{};
        if (!Both && i) continue;
        for (int64_t k = live; k < next_live + up; ++k) x.u[i][k] = x.v[i][k] = S{};
        for (int k = 1; k <= shift; ++k) x.u[i][-k] = conjugate(x.v[i][k]);
        for (int k = 1; k <= -shift; ++k) x.v[i][-k] = conjugate(x.u[i][k]);
    }
}

template <bool Both, class S>
MRIOPS_LANE_INLINE void advance(const PoolStates<S>& x, int64_t live, const PoolStates<S>& out, int64_t next_live,
                                const PoolStep<S>& step) {
    using R = typename StateOf<S>::Real;
    using T = typename R::Real;
    constexpr int pools = Both ? 2 : 1;
    fill_pads<Both>(x, live, next_live, step.shift);
    const R a = times_number(T(0.5), number<R>(T(1)) - step.cosine), h2 = times_number(T(0.5), step.sine);
    for (int64_t k = 0; k < next_live; ++k) {
        const S za = x.w[0][k], zb = x.w[1][k];
        S z[2];
        z[0] = scaled(step.exchange[0][0], za) + scaled(step.exchange[0][1], zb);
        z[1] = scaled(step.exchange[1][0], za) + scaled(step.exchange[1][1], zb);
        if (k == 0)
            for (int i = 0; i < 2; ++i) add_real(z[i], step.grown[i]);
        for (int i = 0; i < pools; ++i) {
            S p = step.precession[i][0] * x.u[0][k - step.shift];
            S m = conjugate(step.precession[i][0]) * x.v[0][k + step.shift];
            if constexpr (Both) {
                p = p + step.precession[i][1] * x.u[1][k - step.shift];
                m = m + conjugate(step.precession[i][1]) * x.v[1][k + step.shift];
            }
            const S h = p + m, q = scaled(a, h) - scaled(step.sine, z[i]);
            out.u[i][k] = p - q;
            out.v[i][k] = m - q;
            out.w[i][k] = scaled(step.cosine, z[i]) - scaled(h2, h);
        }
        if constexpr (!Both) out.w[1][k] = scaled(step.saturation, z[1]);
    }
}

// Gradients of one segment's numbers: d = Re sum precession[i][j] dprecession_ij, and the real numbers likewise.
template <class S>
struct PoolStepGradient {
    using R = typename StateOf<S>::Real;
    S precession[2][2];
    R exchange[2][2], grown[2];
    R flip, saturation;  // the latter of ln saturation
};

template <class S>
MRIOPS_LANE_INLINE typename StateOf<S>::Real real_part(S a) {
    if constexpr (StateOf<S>::complex)
        return a.re;
    else
        return a;
}
template <class S>
MRIOPS_LANE_INLINE typename StateOf<S>::Real imaginary_part(S a) {
    if constexpr (StateOf<S>::complex)
        return a.im;
    else
        return S{};
}

// Of the pulse that made the states `out`.
template <bool Both, class S>
MRIOPS_LANE_INLINE typename StateOf<S>::Real flip_gradient(const PoolStates<S>& grad, const PoolStates<S>& out,
                                                           int64_t live) {
    using R = typename StateOf<S>::Real;
    using T = typename R::Real;
    R turn{}, back{};
    for (int i = 0; i < (Both ? 2 : 1); ++i)
        for (int64_t k = 0; k < live; ++k) {
            turn = turn + real_product(grad.u[i][k] + grad.v[i][k], out.w[i][k]);
            back = back + real_product(grad.w[i][k], out.u[i][k] + out.v[i][k]);
        }
    return turn - times_number(T(0.5), back);
}

// `grad` is the gradient of the states `out` after the step; `before` becomes that of the states x it started from.
template <bool Both, class S>
MRIOPS_LANE_INLINE PoolStepGradient<S> retreat(const PoolStates<S>& grad, const PoolStates<S>& out, int64_t next_live,
                                               const PoolStates<S>& before, const PoolStates<S>& x, int64_t live,
                                               const PoolStep<S>& step) {
    using R = typename StateOf<S>::Real;
    using T = typename R::Real;
    constexpr int pools = Both ? 2 : 1;
    const int shift = step.shift;
    const R a = times_number(T(0.5), number<R>(T(1)) - step.cosine), h2 = times_number(T(0.5), step.sine);
    for (int i = 0; i < 2; ++i) {
        for (int64_t k = next_live; k < live; ++k) before.w[i][k] = S{};
        if (!Both && i) continue;
        for (int64_t k = next_live - shift; k < live; ++k) before.u[i][k] = S{};
        for (int64_t k = next_live + shift; k < live; ++k) before.v[i][k] = S{};
        for (int64_t k = 0; k < shift; ++k) before.v[i][k] = S{};
        for (int64_t k = 0; k < -shift; ++k) before.u[i][k] = S{};
    }
    PoolStepGradient<S> g{};
    R turn{}, back{};
    for (int64_t k = 0; k < next_live; ++k) {
        S nz[2], nu[2], nv[2];
        for (int i = 0; i < pools; ++i) {
            const S gu = grad.u[i][k], gv = grad.v[i][k], gw = grad.w[i][k], sum = gu + gv;
            turn = turn + real_product(sum, out.w[i][k]);
            back = back + real_product(gw, out.u[i][k] + out.v[i][k]);
            const S h = scaled(a, sum) + scaled(h2, gw);
            nu[i] = gu - h;
            nv[i] = gv - h;
            nz[i] = scaled(step.sine, sum) + scaled(step.cosine, gw);
        }
        if constexpr (!Both) {
            const S gw = grad.w[1][k];
            g.saturation = g.saturation + real_product(gw, out.w[1][k]);
            nz[1] = scaled(step.saturation, gw);
        }
        for (int j = 0; j < 2; ++j) {
            for (int i = 0; i < 2; ++i) g.exchange[i][j] = g.exchange[i][j] + real_product(nz[i], x.w[j][k]);
            before.w[j][k] = scaled(step.exchange[0][j], nz[0]) + scaled(step.exchange[1][j], nz[1]);
            if (k == 0) g.grown[j] = real_part(nz[j]);
            if (j >= pools) continue;
            const S u = x.u[j][k - shift], v = conjugate(x.v[j][k + shift]);
            S bu{}, bv{};
            for (int i = 0; i < pools; ++i) {
                g.precession[i][j] = g.precession[i][j] + (conjugate(nu[i]) * u + nv[i] * v);
                bu = bu + conjugate(step.precession[i][j]) * nu[i];
                bv = bv + step.precession[i][j] * nv[i];
            }
            before.u[j][k - shift] = bu;
            before.v[j][k + shift] = bv;
        }
    }
    g.flip = turn - times_number(T(0.5), back);
    for (int i = 0; i < pools; ++i) {
        for (int k = 1; k <= shift; ++k) before.v[i][k] = before.v[i][k] + conjugate(before.u[i][-k]);
        for (int k = 1; k <= -shift; ++k) before.u[i][k] = before.u[i][k] + conjugate(before.v[i][-k]);
    }
    return g;
}

}  // namespace
}  // namespace mriops
