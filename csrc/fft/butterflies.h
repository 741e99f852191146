// Small transforms held in registers: v[k] = sum_j v[j] exp(-+2 pi i j k / R), in place, natural order.
#pragma once
#include "lanes.h"

namespace mriops {
namespace {

// Multiplication by -i (forward) or +i (inverse).
template <bool Inv, class T>
MRIOPS_INLINE Cx<T> rot(Cx<T> a) {
    if constexpr (Inv) return {-a.im, a.re};
    return {a.im, -a.re};
}
// Multiplication by sqrt(2) exp(-+i pi/4) and sqrt(2) exp(-+3 i pi/4): the root is left to what comes next.
template <bool Inv, class T>
MRIOPS_INLINE Cx<T> turned_eighth(Cx<T> a) {
    if constexpr (Inv) return {a.re - a.im, a.re + a.im};
    return {a.re + a.im, a.im - a.re};
}
template <bool Inv, class T>
MRIOPS_INLINE Cx<T> turned_three_eighths(Cx<T> a) {
    if constexpr (Inv) return {-a.re - a.im, a.re - a.im};
    return {a.im - a.re, -a.re - a.im};
}
// a (1 - i t), t the tangent of an angle: a turned by it (forward; back for the inverse) but for its cosine, which
// `plus` and `minus` bring in: each product is part of an addition.
template <bool Inv, class T>
MRIOPS_INLINE Cx<T> tilted(Cx<T> a, T t) {
    if constexpr (Inv) return {a.re - t * a.im, a.im + t * a.re};
    return {a.re + t * a.im, a.im - t * a.re};
}
template <class T>
MRIOPS_INLINE Cx<T> plus(Cx<T> a, T c, Cx<T> b) {
    return {a.re + c * b.re, a.im + c * b.im};
}
template <class T>
MRIOPS_INLINE Cx<T> minus(Cx<T> a, T c, Cx<T> b) {
    return {a.re - c * b.re, a.im - c * b.im};
}

template <int R, bool Inv, class T>
struct Dft;

template <bool Inv, class T>
struct Dft<2, Inv, T> {
    static MRIOPS_INLINE void run(Cx<T>* v) {
        const Cx<T> a = v[0], b = v[1];
        v[0] = a + b;
        v[1] = a - b;
    }
};

template <bool Inv, class T>
struct Dft<3, Inv, T> {
    static MRIOPS_INLINE void run(Cx<T>* v) {
        constexpr T c = T(-0.5), s = T(0.86602540378443864676);
        const Cx<T> p = v[1] + v[2], m = rot<Inv>(v[1] - v[2]);
        const Cx<T> a = {v[0].re + c * p.re, v[0].im + c * p.im};
        v[0] = v[0] + p;
        v[1] = {a.re + s * m.re, a.im + s * m.im};
        v[2] = {a.re - s * m.re, a.im - s * m.im};
    }
};

template <bool Inv, class T>
struct Dft<4, Inv, T> {
    static MRIOPS_INLINE void run(Cx<T>* v) {
        const Cx<T> a = v[0] + v[2], b = v[0] - v[2], c = v[1] + v[3], d = rot<Inv>(v[1] - v[3]);
        v[0] = a + c;
        v[1] = b + d;
        v[2] = a - c;
        v[3] = b - d;
    }
};

template <bool Inv, class T>
struct Dft<5, Inv, T> {
    static MRIOPS_INLINE void run(Cx<T>* v) {
        constexpr T c1 = T(0.30901699437494742410), c2 = T(-0.80901699437494742410);
        constexpr T s1 = T(0.95105651629515357212), s2 = T(0.58778525229247312917);
        const Cx<T> p1 = v[1] + v[4], p2 = v[2] + v[3];
        const Cx<T> m1 = rot<Inv>(v[1] - v[4]), m2 = rot<Inv>(v[2] - v[3]);
        const Cx<T> a = {v[0].re + c1 * p1.re + c2 * p2.re, v[0].im + c1 * p1.im + c2 * p2.im};
        const Cx<T> b = {v[0].re + c2 * p1.re + c1 * p2.re, v[0].im + c2 * p1.im + c1 * p2.im};
        const Cx<T> e = {m1.re + s2 / s1 * m2.re, m1.im + s2 / s1 * m2.im};
        const Cx<T> f = {m1.re - s1 / s2 * m2.re, m1.im - s1 / s2 * m2.im};
        v[0] = v[0] + p1 + p2;
        v[1] = {a.re + s1 * e.re, a.im + s1 * e.im};
        v[4] = {a.re - s1 * e.re, a.im - s1 * e.im};
        v[2] = {b.re + s2 * f.re, b.im + s2 * f.im};
        v[3] = {b.re - s2 * f.re, b.im - s2 * f.im};
    }
};

template <bool Inv, class T>
struct Dft<7, Inv, T> {
    static MRIOPS_INLINE void run(Cx<T>* v) {
        constexpr T c[3] = {T(0.62348980185873353053), T(-0.22252093395631440429), T(-0.90096886790241912624)};
        constexpr T s[3] = {T(0.78183148246802980871), T(0.97492791218182360702), T(0.43388373911755812048)};
        const Cx<T> p1 = v[1] + v[6], p2 = v[2] + v[5], p3 = v[3] + v[4];
        const Cx<T> m1 = rot<Inv>(v[1] - v[6]), m2 = rot<Inv>(v[2] - v[5]), m3 = rot<Inv>(v[3] - v[4]);
        const Cx<T> x0 = v[0];
        auto even = [&](T a, T b, T d) MRIOPS_LAMBDA_INLINE {
            return Cx<T>{x0.re + a * p1.re + b * p2.re + d * p3.re, x0.im + a * p1.im + b * p2.im + d * p3.im};
        };
        auto odd = [&](T a, T b, T d) MRIOPS_LAMBDA_INLINE {
            return Cx<T>{a * m1.re + b * m2.re + d * m3.re, a * m1.im + b * m2.im + d * m3.im};
        };
        const Cx<T> e1 = even(c[0], c[1], c[2]), o1 = odd(s[0], s[1], s[2]);
        const Cx<T> e2 = even(c[1], c[2], c[0]), o2 = odd(s[1], -s[2], -s[0]);
        const Cx<T> e3 = even(c[2], c[0], c[1]), o3 = odd(s[2], -s[0], s[1]);
        v[0] = x0 + p1 + p2 + p3;
        v[1] = e1 + o1;
        v[6] = e1 - o1;
        v[2] = e2 + o2;
        v[5] = e2 - o2;
        v[3] = e3 + o3;
        v[4] = e3 - o3;
    }
};

template <bool Inv, class T>
struct Dft<8, Inv, T> {
    static MRIOPS_INLINE void run(Cx<T>* v) {
        constexpr T h = T(0.70710678118654752440);
        Cx<T> a[4] = {v[0] + v[4], v[1] + v[5], v[2] + v[6], v[3] + v[7]};
        const Cx<T> b0 = v[0] - v[4], b1 = turned_eighth<Inv>(v[1] - v[5]);
        const Cx<T> b2 = rot<Inv>(v[2] - v[6]), b3 = turned_three_eighths<Inv>(v[3] - v[7]);
        Dft<4, Inv, T>::run(a);
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) v[2 * k] = a[k];
        const Cx<T> p = b0 + b2, m = b0 - b2, c = b1 + b3, d = rot<Inv>(b1 - b3);
        v[1] = plus(p, h, c);
        v[3] = plus(m, h, d);
        v[5] = minus(p, h, c);
        v[7] = minus(m, h, d);
    }
};

// R = A * B with coprime A and B: no twiddles (Good-Thomas). Input j = (B a + A b) mod R, output by the Chinese
// remainder.
template <int A, int B, bool Inv, class T>
struct CoprimeDft {
    static constexpr int inverse_mod(int x, int m) {
        for (int i = 1; i < m; ++i)
            if (x % m * i % m == 1) return i;
        return 0;
    }
    static MRIOPS_INLINE void run(Cx<T>* v) {
        constexpr int R = A * B;
        Cx<T> w[R];
#pragma GCC unroll 16
        for (int b = 0; b < B; ++b) {
            Cx<T> u[A];
#pragma GCC unroll 16
            for (int a = 0; a < A; ++a) u[a] = v[(B * a + A * b) % R];
            Dft<A, Inv, T>::run(u);
#pragma GCC unroll 16
            for (int a = 0; a < A; ++a) w[a * B + b] = u[a];
        }
        second_layer(w, v);
    }
    static MRIOPS_INLINE void second_layer(Cx<T>* w, Cx<T>* v) {
        constexpr int R = A * B, ib = inverse_mod(B, A), ia = inverse_mod(A, B);
#pragma GCC unroll 16
        for (int a = 0; a < A; ++a) {
            Dft<B, Inv, T>::run(w + a * B);
#pragma GCC unroll 16
            for (int b = 0; b < B; ++b) v[(a * B * ib + b * A * ia) % R] = w[a * B + b];
        }
    }
};
template <bool Inv, class T>
struct Dft<6, Inv, T> : CoprimeDft<2, 3, Inv, T> {};
template <bool Inv, class T>
struct Dft<10, Inv, T> : CoprimeDft<2, 5, Inv, T> {};
template <bool Inv, class T>
struct Dft<12, Inv, T> : CoprimeDft<4, 3, Inv, T> {};
template <bool Inv, class T>
struct Dft<20, Inv, T> : CoprimeDft<4, 5, Inv, T> {};

template <bool Inv, class T>
struct Dft<16, Inv, T> {
    static MRIOPS_INLINE void run(Cx<T>* v) {
        constexpr T c = T(0.92387953251128675613), t = T(0.41421356237309504880), h = T(0.70710678118654752440);
        Cx<T> w[4][4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
#pragma GCC unroll 4
            for (int k = 0; k < 4; ++k) w[j][k] = v[j + 4 * k];
            Dft<4, Inv, T>::run(w[j]);
        }
        // Twiddles of angles pi/8 and 3 pi/8, a quarter turn less pi/8, without their cosine c.
        const Cx<T> x1 = tilted<Inv>(w[1][1], t), x3 = rot<Inv>(tilted<!Inv>(w[3][1], t));
        const Cx<T> z1 = rot<Inv>(tilted<!Inv>(w[1][3], t)), z3 = tilted<Inv>(w[3][3], t);
        const Cx<T> y1 = turned_eighth<Inv>(w[1][2]), y3 = turned_three_eighths<Inv>(w[3][2]);
        last(w[0][0] + w[2][0], w[0][0] - w[2][0], T(1), w[1][0] + w[3][0], rot<Inv>(w[1][0] - w[3][0]), v);
        const Cx<T> x2 = turned_eighth<Inv>(w[2][1]), y2 = rot<Inv>(w[2][2]), z2 = turned_three_eighths<Inv>(w[2][3]);
        last(plus(w[0][1], h, x2), minus(w[0][1], h, x2), c, x1 + x3, rot<Inv>(x1 - x3), v + 1);
        last(w[0][2] + y2, w[0][2] - y2, h, y1 + y3, rot<Inv>(y1 - y3), v + 2);
        last(plus(w[0][3], h, z2), minus(w[0][3], h, z2), c, z1 - z3, rot<Inv>(z1 + z3), v + 3);
    }

  private:
    // a +- f c and b +- f d, to every fourth.
    static MRIOPS_INLINE void last(Cx<T> a, Cx<T> b, T f, Cx<T> c, Cx<T> d, Cx<T>* v) {
        v[0] = plus(a, f, c);
        v[4] = plus(b, f, d);
        v[8] = minus(a, f, c);
        v[12] = minus(b, f, d);
    }
};

}  // namespace
}  // namespace mriops
