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
// Derivatives take the same two ways: C_y = S / 2 and S_y, which has a series of its own, or the eigenvalues'.
#pragma once
#include "epg_numbers.h"

namespace mriops {
namespace {

#define MRIOPS_L MRIOPS_LANE_INLINE

// One lane of a vector; a number of a device has but one.
#if defined(MRIOPS_LANE_SCALAR)
template <class T>
MRIOPS_L T lane_at(T v, int) {
    return v;
}
template <class T>
MRIOPS_L void set_lane(T& v, int, T value) {
    v = value;
}
#else
template <class V>
MRIOPS_L auto lane_at(V v, int i) {
    return v[i];
}
template <class V, class T>
MRIOPS_L void set_lane(V& v, int i, T value) {
    v[i] = value;
}
#endif

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
MRIOPS_L Dual<T> choose(LaneBits<T> first, Dual<T> a, Dual<T> b) {
    return {first ? a.v : b.v, first ? a.d : b.d};
}
template <class T, class R>
MRIOPS_L Pair<R> choose(LaneBits<T> first, Pair<R> a, Pair<R> b) {
    return {choose<T>(first, a.re, b.re), choose<T>(first, a.im, b.im)};
}
template <class T>
MRIOPS_L LaneVec<T> magnitude(LaneVec<T> a) {
    return a < T(0) ? -a : a;
}

template <class R>
MRIOPS_L R exp_minus(R a) {
    return exp(-a);
}
template <class R>
MRIOPS_L Pair<R> exp_minus(Pair<R> a) {
    R sine, cosine;
    sincos(a.im, sine, cosine);
    const R size = exp(-a.re);
    return {size * cosine, -(size * sine)};
}
template <class R>
MRIOPS_L Pair<R> reciprocal(Pair<R> a) {
    const R r = reciprocal(a.re * a.re + a.im * a.im);
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
template <class N>
MRIOPS_L N root_of(N a) {
    if constexpr (Parts<N>::dual) {
        using P = Parts<N>;
        using T = typename StateOf<N>::Real::Real;
        const typename P::Value r = root(P::value(a));
        return P::join(r, times_number(T(0.5), P::tangent(a) * reciprocal(r)));
    } else {
        return root(a);
    }
}
template <class T>
MRIOPS_L LaneBits<T> is_small(Plain<T> y) {
    return magnitude<T>(y.v) < T(4);
}
template <class T>
MRIOPS_L LaneBits<T> is_small(Pair<Plain<T>> y) {
    return magnitude<T>(y.re.v) + magnitude<T>(y.im.v) < T(4);
}
template <class N>
MRIOPS_L auto near_zero(N y) {
    if constexpr (Parts<N>::dual)
        return is_small(Parts<N>::value(y));
    else
        return is_small(y);
}

// Term n of the derivative of order `lift` of sum y^n / (2 n + odd)!.
MRIOPS_L constexpr double series_term(int lift, int odd, int n) {
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

// C and S, and what their derivatives are made of: near y = 0 that of S, elsewhere the two exponentials.
template <class N>
struct Exponential {
    N c, s, s1;
    N x, slow, fast, slow_part, fast_part;  // sqrt(y), the eigenvalues mu -+ x, their exponentials
};

template <class N>
MRIOPS_L void near_exponential(N mu, N y, N& c, N& s, N& s1) {
    if constexpr (Parts<N>::dual) {
        using P = Parts<N>;
        using V = typename P::Value;
        using T = typename StateOf<N>::Real::Real;
        const V value = P::value(y), dmu = P::tangent(mu), dy = P::tangent(y), em = exp_minus(P::value(mu));
        const V c0 = em * series<0, 0>(value), v0 = em * series<0, 1>(value), v1 = em * series<1, 1>(value);
        const V v2 = em * series<2, 1>(value);
        c = P::join(c0, times_number(T(0.5), v0) * dy - c0 * dmu);
        s = P::join(v0, v1 * dy - v0 * dmu);
        s1 = P::join(v1, v2 * dy - v1 * dmu);
    } else {
        const N em = exp_minus(mu);
        c = em * series<0, 0>(y);
        s = em * series<0, 1>(y);
        s1 = em * series<1, 1>(y);
    }
}
template <class N>
MRIOPS_L Exponential<N> exponential(N mu, N y, N det) {
    using T = typename StateOf<N>::Real::Real;
    Exponential<N> e;
    N c, s;
    near_exponential(mu, y, c, s, e.s1);
    e.x = root_of(y);
    e.fast = mu + e.x;
    e.slow = det * reciprocal(e.fast);
    e.slow_part = exp_minus(e.slow);
    e.fast_part = exp_minus(e.fast);
    const auto small = near_zero(y);
    e.c = choose<T>(small, c, times_number(T(0.5), e.slow_part + e.fast_part));
    e.s = choose<T>(small, s, times_number(T(0.5), (e.slow_part - e.fast_part) * reciprocal(e.x)));
    return e;
}

template <class N>
struct Interval {
    Exponential<N> f;
    N h, y, p_a, p_b, b_a, b_b;
    N e[2][2];
};
template <class N>
MRIOPS_L Interval<N> interval(N p_a, N p_b, N b_a, N b_b) {
    using T = typename StateOf<N>::Real::Real;
    const N a = p_a + b_a, d = p_b + b_b;
    Interval<N> r;
    r.h = times_number(T(0.5), a - d);
    r.y = r.h * r.h + b_a * b_b;
    r.p_a = p_a;
    r.p_b = p_b;
    r.b_a = b_a;
    r.b_b = b_b;
    r.f = exponential(times_number(T(0.5), a + d), r.y, p_a * d + p_b * b_a);
    r.e[0][0] = r.f.c - r.f.s * r.h;
    r.e[0][1] = r.f.s * b_b;
    r.e[1][0] = r.f.s * b_a;
    r.e[1][1] = r.f.c + r.f.s * r.h;
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
    const Exponential<N>& f = r.f;
    const N of_c = g[0][0] + g[1][1], apart = g[1][1] - g[0][0];
    const N of_s = apart * r.h + g[0][1] * r.b_b + g[1][0] * r.b_a;
    // Away from y = 0 through the eigenvalues: through mu and y the small one would be a difference of large numbers.
    const N per_x = reciprocal(f.x), per_fast = reciprocal(f.fast), ratio = of_s * per_x;
    const N of_slow = times_number(T(-0.5), f.slow_part * (of_c + ratio));
    const N of_det_far = of_slow * per_fast;
    const N of_fast = times_number(T(-0.5), f.fast_part * (of_c - ratio)) - of_det_far * f.slow;
    const N of_y_far = times_number(T(0.5), (of_fast - ratio * f.s) * per_x);
    const auto small = near_zero(r.y);
    const N of_mu = choose<T>(small, -(of_c * f.c + of_s * f.s), of_fast);
    const N of_y = choose<T>(small, times_number(T(0.5), of_c * f.s) + of_s * f.s1, of_y_far);
    const N of_det = choose<T>(small, N{}, of_det_far);
    const N of_h = f.s * apart + times_number(T(2), r.h * of_y);
    const N of_a = times_number(T(0.5), of_mu + of_h), of_d = times_number(T(0.5), of_mu - of_h);
    return {of_a + of_det * (r.p_b + r.b_b), of_d + of_det * (r.p_a + r.b_a),
            f.s * g[1][0] + r.b_b * of_y + of_a + of_det * r.p_b, f.s * g[0][1] + r.b_a * of_y + of_d + of_det * r.p_a};
}

#undef MRIOPS_L

}  // namespace
}  // namespace mriops
