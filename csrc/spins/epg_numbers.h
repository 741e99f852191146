// The numbers that one pass over a train is written in: a lane vector, or a lane vector with its tangent; each alone
// (pulses about one axis) or as real and imaginary part.
#pragma once
#include <utility>

#include "lane_math.h"

namespace mriops {
namespace {

// Plain<T> and Dual<T> have the same operations; Dual carries a derivative along.
template <class T>
struct Plain {
    using Real = T;
    LaneVec<T> v;
};
template <class T>
struct Dual {
    using Real = T;
    LaneVec<T> v, d;
};

#define MRIOPS_L MRIOPS_LANE_INLINE

template <class T>
MRIOPS_L Plain<T> operator+(Plain<T> a, Plain<T> b) {
    return {a.v + b.v};
}
template <class T>
MRIOPS_L Plain<T> operator-(Plain<T> a, Plain<T> b) {
    return {a.v - b.v};
}
template <class T>
MRIOPS_L Plain<T> operator*(Plain<T> a, Plain<T> b) {
    return {a.v * b.v};
}
template <class T>
MRIOPS_L Plain<T> operator-(Plain<T> a) {
    return {-a.v};
}
template <class T>
MRIOPS_L Plain<T> exp(Plain<T> a) {
    return {lane_exp<T>(a.v)};
}
template <class T>
MRIOPS_L void sincos(Plain<T> a, Plain<T>& s, Plain<T>& c) {
    lane_sincos<T>(a.v, s.v, c.v);
}
// For arguments within lane_exp_near and lane_sincos_near.
template <class T>
MRIOPS_L Plain<T> exp_of_near(Plain<T> a) {
    return {lane_exp_of_near<T>(a.v)};
}
template <class T>
MRIOPS_L void sincos_of_near(Plain<T> a, Plain<T>& s, Plain<T>& c) {
    lane_sincos_of_near<T>(a.v, s.v, c.v);
}
template <class T>
MRIOPS_L Plain<T> reciprocal(Plain<T> a) {
    return {T(1) / a.v};
}

template <class T>
MRIOPS_L Dual<T> operator+(Dual<T> a, Dual<T> b) {
    return {a.v + b.v, a.d + b.d};
}
template <class T>
MRIOPS_L Dual<T> operator-(Dual<T> a, Dual<T> b) {
    return {a.v - b.v, a.d - b.d};
}
template <class T>
MRIOPS_L Dual<T> operator*(Dual<T> a, Dual<T> b) {
    return {a.v * b.v, a.v * b.d + a.d * b.v};
}
template <class T>
MRIOPS_L Dual<T> operator-(Dual<T> a) {
    return {-a.v, -a.d};
}
template <class T>
MRIOPS_L Dual<T> exp(Dual<T> a) {
    const LaneVec<T> e = lane_exp<T>(a.v);
    return {e, e * a.d};
}
template <class T>
MRIOPS_L void sincos(Dual<T> a, Dual<T>& s, Dual<T>& c) {
    lane_sincos<T>(a.v, s.v, c.v);
    s.d = c.v * a.d;
    c.d = -(s.v * a.d);
}
template <class T>
MRIOPS_L Dual<T> exp_of_near(Dual<T> a) {
    const LaneVec<T> e = lane_exp_of_near<T>(a.v);
    return {e, e * a.d};
}
template <class T>
MRIOPS_L void sincos_of_near(Dual<T> a, Dual<T>& s, Dual<T>& c) {
    lane_sincos_of_near<T>(a.v, s.v, c.v);
    s.d = c.v * a.d;
    c.d = -(s.v * a.d);
}
template <class T>
MRIOPS_L Dual<T> reciprocal(Dual<T> a) {
    const LaneVec<T> r = T(1) / a.v;
    return {r, -(r * r * a.d)};
}

// The same value in all lanes.
template <class R>
MRIOPS_L R number(typename R::Real value) {
    R r{};
    r.v = lane_fill(value);
    return r;
}

// What a caller asked for: the value, or its derivative.
template <class T>
MRIOPS_L LaneVec<T> wanted(Plain<T> a) {
    return a.v;
}
template <class T>
MRIOPS_L LaneVec<T> wanted(Dual<T> a) {
    return a.d;
}

template <class R>
struct Pair {
    using Real = typename R::Real;
    R re, im;
};
template <class R>
MRIOPS_L Pair<R> operator+(Pair<R> a, Pair<R> b) {
    return {a.re + b.re, a.im + b.im};
}
template <class R>
MRIOPS_L Pair<R> operator-(Pair<R> a, Pair<R> b) {
    return {a.re - b.re, a.im - b.im};
}
template <class R>
MRIOPS_L Pair<R> operator-(Pair<R> a) {
    return {-a.re, -a.im};
}
template <class R>
MRIOPS_L Pair<R> operator*(Pair<R> a, Pair<R> b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
template <class R>
MRIOPS_L Pair<R> scaled(R s, Pair<R> a) {
    return {s * a.re, s * a.im};
}
template <class R>
MRIOPS_L R scaled(R s, R a) {
    return s * a;
}
template <class R>
MRIOPS_L Pair<R> conjugate(Pair<R> a) {
    return {a.re, -a.im};
}
template <class R>
MRIOPS_L R conjugate(R a) {
    return a;
}
// conj(a) b, real and imaginary part.
template <class R>
MRIOPS_L R real_product(Pair<R> a, Pair<R> b) {
    return a.re * b.re + a.im * b.im;
}
template <class R>
MRIOPS_L R imaginary_product(Pair<R> a, Pair<R> b) {
    return a.re * b.im - a.im * b.re;
}
template <class R>
MRIOPS_L R real_product(R a, R b) {
    return a * b;
}
template <class R>
MRIOPS_L R imaginary_product(R, R) {
    return R{};
}

// State is R itself, or Pair<R>.
template <class S>
struct StateOf {
    using Real = S;
    static constexpr bool complex = false;
};
template <class R>
struct StateOf<Pair<R>> {
    using Real = R;
    static constexpr bool complex = true;
};
template <class S>
MRIOPS_L void add_real(S& a, typename StateOf<S>::Real b) {
    if constexpr (StateOf<S>::complex)
        a.re = a.re + b;
    else
        a = a + b;
}

#if !defined(MRIOPS_LANE_SCALAR)
// n numbers re + i im, interleaved in memory.
template <class T, int... I>
MRIOPS_L LaneVec<T> zip_low(LaneVec<T> a, LaneVec<T> b, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, (I / 2 + (I % 2 ? LaneOf<T>::width : 0))...);
}
template <class T, int... I>
MRIOPS_L LaneVec<T> zip_high(LaneVec<T> a, LaneVec<T> b, std::integer_sequence<int, I...>) {
    constexpr int W = LaneOf<T>::width;
    return __builtin_shufflevector(a, b, (W / 2 + I / 2 + (I % 2 ? W : 0))...);
}
template <class T>
MRIOPS_L void store_interleaved(T* p, LaneVec<T> re, LaneVec<T> im, int n, bool stream) {
    constexpr int W = LaneOf<T>::width;
    if (n == W) {
        const LaneVec<T> low = zip_low<T>(re, im, std::make_integer_sequence<int, W>{});
        const LaneVec<T> high = zip_high<T>(re, im, std::make_integer_sequence<int, W>{});
        if (stream) {
            lane_stream(p, low);
            lane_stream(p + W, high);
        } else {
            lane_store(p, low);
            lane_store(p + W, high);
        }
        return;
    }
    for (int i = 0; i < n; ++i) {
        p[2 * i] = re[i];
        p[2 * i + 1] = im[i];
    }
}
template <class T, int First, int... I>
MRIOPS_L LaneVec<T> take_every(LaneVec<T> a, LaneVec<T> b, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, (2 * I + First)...);
}
template <class T>
MRIOPS_L void load_interleaved(const T* p, LaneVec<T>& re, LaneVec<T>& im, int n) {
    constexpr int W = LaneOf<T>::width;
    if (n == W) {
        const LaneVec<T> a = lane_load(p), b = lane_load(p + W);
        re = take_every<T, 0>(a, b, std::make_integer_sequence<int, W>{});
        im = take_every<T, 1>(a, b, std::make_integer_sequence<int, W>{});
        return;
    }
    re = im = LaneVec<T>{};
    for (int i = 0; i < n; ++i) {
        re[i] = p[2 * i];
        im[i] = p[2 * i + 1];
    }
}
#endif

#undef MRIOPS_L

}  // namespace
}  // namespace mriops
