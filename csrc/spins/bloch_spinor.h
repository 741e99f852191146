// Spinors turned by a vector w [rad], forward and back: the maths of Cayley-Klein parameters.
#pragma once
#include "bloch_turn.h"

namespace mriops {
namespace {

template <class Vec>
struct Spinor {
    Vec ar, ai, br, bi;  // alpha, beta
};

// cos(|w|/2) and sin(|w|/2)/|w|.
template <class N, class Vec = typename N::Vec>
MRIOPS_LANE_INLINE void half_turn(Vec u, Vec& c, Vec& s) {
    using T = typename N::Real;
    const Vec v = u * T(0.25);
    const turn::Coefficients<Vec> k = turn::coefficients<N, false>(v);
    c = T(1) - v * k.c;
    s = k.s * T(0.5);
}

// (c + i s w.sigma) applied to a spinor; with -s, the inverse.
template <class N, class Vec = typename N::Vec>
MRIOPS_LANE_INLINE Spinor<Vec> turned(const Spinor<Vec>& p, const Triple<Vec>& w, Vec c, Vec s) {
    const Vec x = w.x * s, y = w.y * s, z = w.z * s;
    return {c * p.ar - z * p.ai + y * p.br - x * p.bi, c * p.ai + z * p.ar + y * p.bi + x * p.br,
            c * p.br + z * p.bi - y * p.ar - x * p.ai, c * p.bi - z * p.br - y * p.ai + x * p.ar};
}

// Through a step that ended in `state` with the cotangent `bar`: both become those before it; returns the gradient of
// w.
template <class N, class Vec = typename N::Vec>
MRIOPS_LANE_INLINE Triple<Vec> spinor_back(Spinor<Vec>& state, Spinor<Vec>& bar, const Triple<Vec>& w) {
    using T = typename N::Real;
    const Vec u = dot(w, w);
    Vec c, s;
    half_turn<N>(u, c, s);
    state = turned<N>(state, w, c, -s);
    bar = turned<N>(bar, w, c, -s);
    // Re <bar, i sigma/2 state>, and the derivative of the exponential map as for vectors.
    const Triple<Vec> q{(state.br * bar.ai - state.bi * bar.ar + state.ar * bar.bi - state.ai * bar.br) * T(0.5),
                        (bar.ar * state.br + bar.ai * state.bi - bar.br * state.ar - bar.bi * state.ai) * T(0.5),
                        (state.ar * bar.ai - state.ai * bar.ar + state.bi * bar.br - state.br * bar.bi) * T(0.5)};
    const Triple<Vec> across = cross(w, q);
    const Vec along = turn::coefficients<N, true>(u).d * dot(q, w), sine = s * c * T(2), cosine = s * s * T(2);
    return {sine * q.x - cosine * across.x + along * w.x, sine * q.y - cosine * across.y + along * w.y,
            sine * q.z - cosine * across.z + along * w.z};
}

}  // namespace
}  // namespace mriops
