// Relaxation and exchange of two pools over an interval, exactly: the exponential of a 2 x 2 matrix in closed form.
//
// With A = -[[p_a + b_a, -b_b], [-b_a, p_b + b_b]], dimensionless (rates times the interval; p_b complex off
// resonance),
//
//   mu = (p_a + b_a + p_b + b_b) / 2,   h = (p_a + b_a - p_b - b_b) / 2,   y = h^2 + b_a b_b
//   exp A = C I + S [[-h, b_b], [b_a, h]],   C = e^-mu cosh sqrt(y),   S = e^-mu sinh(sqrt(y)) / sqrt(y)
//
// cosh sqrt(y) and sinh(sqrt(y)) / sqrt(y) are entire functions of y: for |y| < 4 they are summed as power series, so
// that nothing happens where the eigenvalues meet; elsewhere they come from exp(-(mu -+ sqrt(y))), where the small
// eigenvalue is det(A) over the large one, so that nothing cancels for fast exchange and nothing overflows.
// Derivatives follow from C_y = S / 2 and S_y = (C - S) / (2 y), which has its own series.
#pragma once
#include "epg_numbers.h"

namespace mriops {
namespace {

#define MRIOPS_L MRIOPS_LANE_INLINE

// Value and tangent of a number that carries both; a number that does not is its own value.
template <class N>
struct Parts {
    static constexpr bool dual = false;
    using Value = N;
};
template <class T>
struct Parts<Dual<T>> {
    static constexpr bool dual = true;
    using Value = Plain<T>;
    static MRIOPS_L Value value(Dual<T> a) { return {a.v}; }
    static MRIOPS_L Value tangent(Dual<T> a) { return {a.d}; }
    static MRIOPS_L Dual<T> join(Value v, Value d) { return {v.v, d.v}; }
};
template <class T>
struct Parts<Pair<Dual<T>>> {
    static constexpr bool dual = true;
    using Value = Pair<Plain<T>>;
    static MRIOPS_L Value value(Pair<Dual<T>> a) { return {{a.re.v}, {a.im.v}}; }
    static MRIOPS_L Value tangent(Pair<Dual<T>> a) { return {{a.re.d}, {a.im.d}}; }
    static MRIOPS_L Pair<Dual<T>> join(Value v, Value d) { return {{v.re.v, d.re.v}, {v.im.v, d.im.v}}; }
};

template <class T>
MRIOPS_L Plain<T> times_number(T s, Plain<T> a) {
    return {s * a.v};
}
template <class T>
MRIOPS_L Dual<T> times_number(T s, Dual<T> a) {
    return {s * a.v, s * a.d};
}
template <class R, class T>
MRIOPS_L Pair<R> times_number(T s, Pair<R> a) {
    return {times_number(s, a.re), times_number(s, a.im)};
}
// A real number as one of type N.
template <class N, class R>
MRIOPS_L N embed(R a) {
    N n{};
    add_real(n, a);
    return n;
}

template <class T>
MRIOPS_L Plain<T> choose(LaneBits<T> first, Plain<T> a, Plain<T> b) {
    return {first ? a.v : b.v};
}
template <class T>
MRIOPS_L Pair<Plain<T>> choose(LaneBits<T> first, Pair<Plain<T>> a, Pair<Plain<T>> b) {
    return {choose<T>(first, a.re, b.re), choose<T>(first, a.im, b.im)};
}
template <class T>
MRIOPS_L LaneVec<T> magnitude(LaneVec<T> a) {
    return a < T(0) ? -a : a;
}

template <class T>
MRIOPS_L Plain<T> exp_minus(Plain<T> a) {
    return exp(-a);
}
template <class T>
MRIOPS_L Pair<Plain<T>> exp_minus(Pair<Plain<T>> a) {
    Plain<T> sine, cosine;
    sincos(a.im, sine, cosine);
    const Plain<T> size = exp(-a.re);
    return {size * cosine, -(size * sine)};
}
template <class T>
MRIOPS_L Pair<Plain<T>> reciprocal(Pair<Plain<T>> a) {
    const Plain<T> r = reciprocal(a.re * a.re + a.im * a.im);
    return {r * a.re, -(r * a.im)};
}
// The root whose real part is not negative; of a negative real number, which has none here that is real, 0.
template <class T>
MRIOPS_L Plain<T> root(Plain<T> a) {
    return {lane_sqrt<T>(a.v > T(0) ? a.v : LaneVec<T>{})};
}
template <class T>
MRIOPS_L Pair<Plain<T>> root(Pair<Plain<T>> a) {
    const LaneVec<T> re = a.re.v, im = a.im.v;
    const LaneVec<T> large = lane_sqrt<T>(T(0.5) * (lane_sqrt<T>(re * re + im * im) + magnitude<T>(re)));
    const LaneVec<T> other = T(0.5) * im / large, signed_large = im < T(0) ? -large : large;
    const LaneVec<T> positive = magnitude<T>(other);
    return {{re < T(0) ? positive : large}, {re < T(0) ? signed_large : other}};
}
template <class T>
MRIOPS_L LaneBits<T> is_small(Plain<T> y) {
    return magnitude<T>(y.v) < T(4);
}
template <class T>
MRIOPS_L LaneBits<T> is_small(Pair<Plain<T>> y) {
    return magnitude<T>(y.re.v) + magnitude<T>(y.im.v) < T(4);
}

// C, S and the first two derivatives of sinh(sqrt(y)) / sqrt(y), all times e^-mu.
template <class N>
struct Exponential {
    N c, s, s1, s2;
};

// Term n of the derivative of order `lift` of sum y^n / (2 n + odd)!.
constexpr double series_term(int lift, int odd, int n) {
    double term = 1;
    for (int i = 1; i <= lift; ++i) term *= n + i;
    for (int i = 2; i <= 2 * (n + lift) + odd; ++i) term /= i;
    return term;
}
template <int Lift, int Odd, int First = 0, class N>
MRIOPS_L N series(N y) {
    using R = typename StateOf<N>::Real;
    using T = typename R::Real;
    constexpr int terms = sizeof(T) == 4 ? 9 : 14;  // 4^n / (2 n)! is below 1e-10 and 1e-19 from there on
    constexpr T term = T(series_term(Lift, Odd, First));
    if constexpr (First + 1 < terms) {
        N sum = series<Lift, Odd, First + 1>(y) * y;
        add_real(sum, number<R>(term));
        return sum;
    } else {
        return embed<N>(number<R>(term));
    }
}

template <class N>
MRIOPS_L Exponential<N> exponential_of_values(N mu, N y, N det) {
    using T = typename StateOf<N>::Real::Real;
    const N em = exp_minus(mu);
    const Exponential<N> low = {em * series<0, 0>(y), em * series<0, 1>(y), em * series<1, 1>(y), em * series<2, 1>(y)};
    const N x = root(y), fast = mu + x;
    const N slow_part = exp_minus(det * reciprocal(fast)), fast_part = exp_minus(fast),
            half_y = times_number(T(0.5), reciprocal(y));
    Exponential<N> high;
    high.c = times_number(T(0.5), slow_part + fast_part);
    high.s = times_number(T(0.5), (slow_part - fast_part) * reciprocal(x));
    high.s1 = half_y * (high.c - high.s);
    high.s2 = half_y * (times_number(T(0.5), high.s) - times_number(T(3), high.s1));
    const LaneBits<T> small = is_small(y);
    return {choose<T>(small, low.c, high.c), choose<T>(small, low.s, high.s), choose<T>(small, low.s1, high.s1),
            choose<T>(small, low.s2, high.s2)};
}
template <class N>
MRIOPS_L Exponential<N> exponential(N mu, N y, N det) {
    if constexpr (Parts<N>::dual) {
        using P = Parts<N>;
        using V = typename P::Value;
        using T = typename StateOf<V>::Real::Real;
        const V dmu = P::tangent(mu), dy = P::tangent(y);
        const Exponential<V> e = exponential_of_values(P::value(mu), P::value(y), P::value(det));
        return {P::join(e.c, times_number(T(0.5), e.s) * dy - e.c * dmu), P::join(e.s, e.s1 * dy - e.s * dmu),
                P::join(e.s1, e.s2 * dy - e.s1 * dmu), N{}};
    } else {
        return exponential_of_values(mu, y, det);
    }
}

template <class N>
struct Interval {
    N c, s, s1, h, b_a, b_b;
    N e[2][2];
};
template <class N>
MRIOPS_L Interval<N> interval(N p_a, N p_b, N b_a, N b_b) {
    using T = typename StateOf<N>::Real::Real;
    const N a = p_a + b_a, d = p_b + b_b;
    Interval<N> r;
    r.h = times_number(T(0.5), a - d);
    r.b_a = b_a;
    r.b_b = b_b;
    const Exponential<N> f = exponential(times_number(T(0.5), a + d), r.h * r.h + b_a * b_b, p_a * d + p_b * b_a);
    r.c = f.c;
    r.s = f.s;
    r.s1 = f.s1;
    r.e[0][0] = f.c - f.s * r.h;
    r.e[0][1] = f.s * b_b;
    r.e[1][0] = f.s * b_a;
    r.e[1][1] = f.c + f.s * r.h;
    return r;
}

// From what the entries mean to a real number, d = Re sum g_ij de_ij, to what p_a, p_b, b_a, b_b mean to it.
template <class N>
struct IntervalGradient {
    N p_a, p_b, b_a, b_b;
};
template <class N>
MRIOPS_L IntervalGradient<N> pull(const Interval<N>& r, const N (&g)[2][2]) {
    using T = typename StateOf<N>::Real::Real;
    const N of_c = g[0][0] + g[1][1], apart = g[1][1] - g[0][0];
    const N of_s = apart * r.h + g[0][1] * r.b_b + g[1][0] * r.b_a;
    const N of_mu = -(of_c * r.c + of_s * r.s), of_y = times_number(T(0.5), of_c * r.s) + of_s * r.s1;
    const N of_h = r.s * apart + times_number(T(2), r.h * of_y);
    const N of_a = times_number(T(0.5), of_mu + of_h), of_d = times_number(T(0.5), of_mu - of_h);
    return {of_a, of_d, r.s * g[1][0] + r.b_b * of_y + of_a, r.s * g[0][1] + r.b_a * of_y + of_d};
}

#undef MRIOPS_L

}  // namespace
}  // namespace mriops
