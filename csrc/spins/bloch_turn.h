// Turns of magnetization by a vector w [rad] (sense dM/dt = M x w), their derivative, and relaxation.
//
// Everything is an even function of |w| that is analytic in u = |w|^2, so that nothing is lost at tiny angles and no
// direction is divided by. Up to u = 2.5 polynomials; above, half angles, which have no cancellation. Largest error of
// a turn of a unit vector against quadruple precision, |w| from 1e-12 to 100 rad: 3 eps + eps |w|, the second term
// being what rounding w itself does.
#pragma once
#include "bloch_number.h"

namespace mriops {
namespace {

template <class Vec>
struct Triple {
    Vec x, y, z;
};
template <class V, class W>
MRIOPS_LANE_INLINE V dot(const Triple<V>& a, const Triple<W>& b) {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}
template <class V>
MRIOPS_LANE_INLINE Triple<V> cross(const Triple<V>& a, const Triple<V>& b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

namespace turn {

// c[0] + u c[1] + ... by Horner's rule.
template <class N, int Terms, class Vec = typename N::Vec>
MRIOPS_LANE_INLINE Vec series(Vec u, const typename N::Real (&c)[Terms]) {
    Vec y = u * c[Terms - 1] + c[Terms - 2];
    MRIOPS_LANE_UNROLL
    for (int i = Terms - 3; i >= 0; --i) y = y * u + c[i];
    return y;
}

// Near minimax in u on [0, 2.5], relative error 5e-9 and 3e-19: sin(a)/a, (1 - cos a)/a^2, (a - sin a)/a^3, a^2 = u.
template <class N, class Vec = typename N::Vec>
MRIOPS_LANE_INLINE Vec series_s(Vec u) {
    using T = typename N::Real;
    if constexpr (sizeof(T) == 4) {
        constexpr T k[] = {0.999999995409f, -0.166666574826f, 0.00833303894465f, -0.000198081743536f,
                           2.60316911542e-6f};
        return series<N>(u, k);
    } else {
        constexpr T k[] = {1.0,
                           -0.1666666666666666515725,
                           0.008333333333333172298874,
                           -0.0001984126984120368609617,
                           0.000002755731921036892785463,
                           -2.505210681049799198466e-8,
                           1.605893677601724466736e-10,
                           -7.642917664745444233687e-13,
                           2.720405906974994159116e-15};
        return series<N>(u, k);
    }
}
template <class N, class Vec = typename N::Vec>
MRIOPS_LANE_INLINE Vec series_c(Vec u) {
    using T = typename N::Real;
    if constexpr (sizeof(T) == 4) {
        constexpr T k[] = {0.499999999615f, -0.0416666589696f, 0.00138886422242f, -2.47738720124e-5f, 2.6281242471e-7f};
        return series<N>(u, k);
    } else {
        constexpr T k[] = {0.5,
                           -0.04166666666666666591012,
                           0.001388888888888880817666,
                           -0.00002480158730155414497687,
                           2.755731921716150556361e-7,
                           -2.087675619862226701121e-9,
                           1.147069195386765210263e-11,
                           -4.777350289295201272393e-14,
                           1.516330522798859038134e-16};
        return series<N>(u, k);
    }
}
template <class N, class Vec = typename N::Vec>
MRIOPS_LANE_INLINE Vec series_d(Vec u) {
    using T = typename N::Real;
    if constexpr (sizeof(T) == 4) {
        constexpr T k[] = {0.166666666637f, -0.00833333273855f, 0.000198410792709f, -2.75359159451e-6f,
                           2.40675966535e-8f};
        return series<N>(u, k);
    } else {
        constexpr T k[] = {0.1666666666666666666661,       -0.008333333333333333297231,  0.0001984126984126980275455,
                           -0.000002755731922397006900705, 2.505210838218541404223e-8,   -1.605904346025437827185e-10,
                           7.64713814006061979565e-13,     -2.810442713698739480996e-15, 8.003271708777361944876e-18};
        return series<N>(u, k);
    }
}

constexpr double kSeriesLimit = 2.5;

template <class Vec>
struct Coefficients {
    Vec s, c, d;
};

// Angles above the limit; a function of its own, since most waveforms never come here.
template <class N, bool WithD, class Vec = typename N::Vec>
MRIOPS_LANE_SELDOM void wide(const Vec& u, Coefficients<Vec>& k) {
    using T = typename N::Real;
    using F = Functions<N>;
    const LaneBits<T> beyond = N::value(u) > T(kSeriesLimit);
    const Vec v = N::select(beyond, u, N::fill(N::scalar(T(kSeriesLimit), T(0))));
    const Vec half = F::root(v) * T(0.5);
    Vec sine, cosine;
    F::sincos(half, sine, cosine);
    const Vec sinc = sine * F::reciprocal(half);
    const Vec s = sinc * cosine;
    k.s = N::select(beyond, s, k.s);
    k.c = N::select(beyond, sinc * sinc * T(0.5), k.c);
    if constexpr (WithD) k.d = N::select(beyond, (T(1) - s) * F::reciprocal(v), k.d);
}

template <class N, bool WithD, class Vec = typename N::Vec>
MRIOPS_LANE_INLINE Coefficients<Vec> coefficients(Vec u) {
    using T = typename N::Real;
    Coefficients<Vec> k;
    k.s = series_s<N>(u);
    k.c = series_c<N>(u);
    if constexpr (WithD) k.d = series_d<N>(u);
    if (__builtin_expect(any_above(N::value(u), T(kSeriesLimit)), 0)) wide<N, WithD>(u, k);
    return k;
}

}  // namespace turn

// M turned by w; with Back, by -w.
template <class N, bool Back, class Vec = typename N::Vec>
MRIOPS_LANE_INLINE Triple<Vec> turned(const Triple<Vec>& m, const Triple<Vec>& w, Vec u,
                                      const turn::Coefficients<Vec>& k) {
    const Triple<Vec> across = Back ? cross(w, m) : cross(m, w);
    const Vec along = k.c * dot(m, w), cu = k.c * u;
    return {m.x - cu * m.x + (along * w.x + k.s * across.x), m.y - cu * m.y + (along * w.y + k.s * across.y),
            m.z - cu * m.z + (along * w.z + k.s * across.z)};
}

template <class N, class Vec = typename N::Vec>
MRIOPS_LANE_INLINE Triple<Vec> turned(const Triple<Vec>& m, const Triple<Vec>& w) {
    const Vec u = dot(w, w);
    return turned<N, false>(m, w, u, turn::coefficients<N, false>(u));
}

// Cotangents through N = turned(M, w): replaces that of N by that of M, and returns that of w.
template <class N, class Vec = typename N::Vec>
MRIOPS_LANE_INLINE Triple<Vec> turned_back(const Triple<Vec>& m, const Triple<Vec>& w, Triple<Vec>& bar) {
    const Vec u = dot(w, w);
    const turn::Coefficients<Vec> k = turn::coefficients<N, true>(u);
    bar = turned<N, true>(bar, w, u, k);
    // With q = bar x M, seen before the turn, the derivative of the exponential map gives s q - c (w x q) + d (w.q) w.
    const Triple<Vec> q = cross(bar, m), across = cross(w, q);
    const Vec along = k.d * dot(q, w);
    return {k.s * q.x - k.c * across.x + along * w.x, k.s * q.y - k.c * across.y + along * w.y,
            k.s * q.z - k.c * across.z + along * w.z};
}

// What relaxation takes away in a time h: 1 - exp(-h/T), exact to a few eps however short h is.
template <class N, class Vec = typename N::Vec>
MRIOPS_LANE_INLINE Vec lost(Vec rate, typename N::Scalar h) {
    using T = typename N::Real;
    const Vec x = rate * h;
    // 1 - exp(-x) = x (1 - x/2 (1 - x/3 (...))) for small x; the last term left out is 0.3^n / n!, n = 9 and 14.
    constexpr int terms = sizeof(T) == 4 ? 8 : 13;
    Vec y = N::fill(N::scalar(T(1), T(0)));
    MRIOPS_LANE_UNROLL
    for (int i = terms; i >= 2; --i) y = T(1) - x * y * (T(1) / T(i));
    const LaneBits<T> large = N::value(x) > T(0.3);
    const Vec far = T(1) - Functions<N>::exp(-x);
    return N::select(large, far, x * y);
}

}  // namespace
}  // namespace mriops
