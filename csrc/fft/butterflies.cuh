// Transforms of 1 to 16 numbers that a CUDA thread holds in registers.
//
// dft<R, Sign>(v): v[k] <- sum_j v[j] exp(Sign 2 pi i j k / R). Every index is a compile-time constant after unrolling,
// so that v stays in registers.
#pragma once
#include "../core/complex.h"
#include "../core/gpu.h"

namespace mriops::cuda {

// Sign * i * a
template <int Sign, class T>
__device__ __forceinline__ Complex<T> rotate(Complex<T> a) {
    return Sign < 0 ? Complex<T>{a.im, -a.re} : Complex<T>{-a.im, a.re};
}

template <int Sign, class T>
__device__ __forceinline__ void dft2(Complex<T>& a, Complex<T>& b) {
    const Complex<T> t = a - b;
    a = a + b;
    b = t;
}

template <int Sign, class T>
__device__ __forceinline__ void dft4(Complex<T>& a, Complex<T>& b, Complex<T>& c, Complex<T>& d) {
    const Complex<T> s = a + c, t = a - c, u = b + d, v = rotate<Sign>(b - d);
    a = s + u;
    b = t + v;
    c = s - u;
    d = t - v;
}

// cos and sin of 2 pi j / R for j <= R / 2; the array folds into immediates once its index is known.
template <int R, class T>
__device__ __forceinline__ T cosine(int j) {
    if constexpr (R == 3) {
        const T c[] = {T(1), T(-0.5)};
        return c[j];
    } else if constexpr (R == 5) {
        const T c[] = {T(1), T(0.30901699437494742), T(-0.80901699437494742)};
        return c[j];
    } else if constexpr (R == 7) {
        const T c[] = {T(1), T(0.62348980185873353), T(-0.22252093395631440), T(-0.90096886790241913)};
        return c[j];
    } else if constexpr (R == 9) {
        const T c[] = {T(1), T(0.76604444311897804), T(0.17364817766693035), T(-0.5), T(-0.93969262078590838)};
        return c[j];
    } else if constexpr (R == 11) {
        const T c[] = {T(1),
                       T(0.84125353283118117),
                       T(0.41541501300188643),
                       T(-0.14231483827328514),
                       T(-0.65486073394528506),
                       T(-0.95949297361449739)};
        return c[j];
    } else if constexpr (R == 13) {
        const T c[] = {T(1),
                       T(0.88545602565320990),
                       T(0.56806474673115581),
                       T(0.12053668025532305),
                       T(-0.35460488704253562),
                       T(-0.74851074817110110),
                       T(-0.97094181742605203)};
        return c[j];
    } else {
        static_assert(R == 16, "no table");
        const T c[] = {T(1), T(0.92387953251128676),  T(0.70710678118654752),  T(0.38268343236508977),
                       T(0), T(-0.38268343236508977), T(-0.70710678118654752), T(-0.92387953251128676),
                       T(-1)};
        return c[j];
    }
}
template <int R, class T>
__device__ __forceinline__ T sine(int j) {
    if constexpr (R == 3) {
        const T s[] = {T(0), T(0.86602540378443865)};
        return s[j];
    } else if constexpr (R == 5) {
        const T s[] = {T(0), T(0.95105651629515357), T(0.58778525229247313)};
        return s[j];
    } else if constexpr (R == 7) {
        const T s[] = {T(0), T(0.78183148246802981), T(0.97492791218182361), T(0.43388373911755812)};
        return s[j];
    } else if constexpr (R == 9) {
        const T s[] = {T(0), T(0.64278760968653933), T(0.98480775301220806), T(0.86602540378443865),
                       T(0.34202014332566873)};
        return s[j];
    } else if constexpr (R == 11) {
        const T s[] = {T(0),
                       T(0.54064081745559758),
                       T(0.90963199535451837),
                       T(0.98982144188093274),
                       T(0.75574957435425828),
                       T(0.28173255684142970)};
        return s[j];
    } else if constexpr (R == 13) {
        const T s[] = {T(0),
                       T(0.46472317204376854),
                       T(0.82298386589365640),
                       T(0.99270887409805400),
                       T(0.93501624268541482),
                       T(0.66312265824079521),
                       T(0.23931566428755777)};
        return s[j];
    } else {
        static_assert(R == 16, "no table");
        const T s[] = {T(0), T(0.38268343236508977), T(0.70710678118654752), T(0.92387953251128676),
                       T(1), T(0.92387953251128676), T(0.70710678118654752), T(0.38268343236508977),
                       T(0)};
        return s[j];
    }
}

// exp(Sign 2 pi i j / R), 0 <= j <= R / 2
template <int R, int Sign, class T>
__device__ __forceinline__ Complex<T> root(int j) {
    return {cosine<R, T>(j), Sign < 0 ? -sine<R, T>(j) : sine<R, T>(j)};
}

// Odd primes: pairs (j, R - j) meet the same cosine and opposite sines, which halves the multiplications.
template <int R, int Sign, class T>
__device__ __forceinline__ void dft_odd(Complex<T> (&v)[R]) {
    constexpr int H = R / 2;
    Complex<T> sum[H], difference[H];
    Complex<T> total = v[0];
    MRIOPS_UNROLL
    for (int j = 1; j <= H; ++j) {
        sum[j - 1] = v[j] + v[R - j];
        difference[j - 1] = v[j] - v[R - j];
        total = total + sum[j - 1];
    }
    MRIOPS_UNROLL
    for (int k = 1; k <= H; ++k) {
        Complex<T> even = v[0], odd = {T(0), T(0)};
        MRIOPS_UNROLL
        for (int j = 1; j <= H; ++j) {
            const int turn = j * k % R;
            const int index = turn <= H ? turn : R - turn;
            const T c = cosine<R, T>(index), s = turn <= H ? sine<R, T>(index) : -sine<R, T>(index);
            even.re += c * sum[j - 1].re;
            even.im += c * sum[j - 1].im;
            odd.re += s * difference[j - 1].re;
            odd.im += s * difference[j - 1].im;
        }
        odd = rotate<Sign>(odd);
        v[k] = even + odd;
        v[R - k] = even - odd;
    }
    v[0] = total;
}

template <int Sign, class T>
__device__ __forceinline__ void dft8(Complex<T> (&v)[8]) {
    constexpr T h = T(0.70710678118654752);
    dft4<Sign>(v[0], v[2], v[4], v[6]);
    dft4<Sign>(v[1], v[3], v[5], v[7]);
    // v[2k], v[2k + 1] hold the even and odd halves at frequency k.
    const Complex<T> a = v[3], b = v[7];
    const Complex<T> o0 = v[1], o2 = rotate<Sign>(v[5]);
    const Complex<T> o1 =
        Sign < 0 ? Complex<T>{h * (a.re + a.im), h * (a.im - a.re)} : Complex<T>{h * (a.re - a.im), h * (a.im + a.re)};
    const Complex<T> o3 = Sign < 0 ? Complex<T>{h * (b.im - b.re), -h * (b.re + b.im)}
                                   : Complex<T>{-h * (b.re + b.im), h * (b.re - b.im)};
    const Complex<T> e0 = v[0], e1 = v[2], e2 = v[4], e3 = v[6];
    v[0] = e0 + o0;
    v[1] = e1 + o1;
    v[2] = e2 + o2;
    v[3] = e3 + o3;
    v[4] = e0 - o0;
    v[5] = e1 - o1;
    v[6] = e2 - o2;
    v[7] = e3 - o3;
}

// 2 x P for odd P, indexed by remainders, so that no twiddles are needed between.
template <int P, int Sign, class T>
__device__ __forceinline__ void dft_twice_odd(Complex<T> (&v)[2 * P]) {
    Complex<T> even[P], odd[P];
    MRIOPS_UNROLL
    for (int j = 0; j < P; ++j) {
        even[j] = v[2 * j];
        odd[j] = v[(2 * j + P) % (2 * P)];
    }
    dft_odd<P, Sign>(even);
    dft_odd<P, Sign>(odd);
    MRIOPS_UNROLL
    for (int k = 0; k < P; ++k) {
        // k of length P is frequency f = 0 mod 2 or 1 mod 2 with 2 P frequencies in all: f = k mod P.
        const int f = k % 2 == 0 ? k : k + P;
        v[f] = even[k] + odd[k];
        v[(f + P) % (2 * P)] = even[k] - odd[k];
    }
}

template <int Sign, class T>
__device__ __forceinline__ void dft9(Complex<T> (&v)[9]) {
    MRIOPS_UNROLL
    for (int c = 0; c < 3; ++c) {
        Complex<T> w[3] = {v[c], v[c + 3], v[c + 6]};
        dft_odd<3, Sign>(w);
        v[c] = w[0];
        v[c + 3] = c == 0 ? w[1] : w[1] * root<9, Sign, T>(c);
        v[c + 6] = c == 0 ? w[2] : w[2] * root<9, Sign, T>(2 * c);
    }
    Complex<T> out[9];
    MRIOPS_UNROLL
    for (int k = 0; k < 3; ++k) {
        Complex<T> w[3] = {v[3 * k], v[3 * k + 1], v[3 * k + 2]};
        dft_odd<3, Sign>(w);
        out[k] = w[0];
        out[k + 3] = w[1];
        out[k + 6] = w[2];
    }
    MRIOPS_UNROLL
    for (int k = 0; k < 9; ++k) v[k] = out[k];
}

template <int Sign, class T>
__device__ __forceinline__ void dft16(Complex<T> (&v)[16]) {
    MRIOPS_UNROLL
    for (int c = 0; c < 4; ++c) {
        dft4<Sign>(v[c], v[c + 4], v[c + 8], v[c + 12]);
        if (c > 0) {
            v[c + 4] = v[c + 4] * root<16, Sign, T>(c);
            v[c + 8] = v[c + 8] * root<16, Sign, T>(2 * c);
            // 3 c reaches 9, past half a turn.
            v[c + 12] = 3 * c <= 8 ? v[c + 12] * root<16, Sign, T>(3 * c <= 8 ? 3 * c : 0)
                                   : v[c + 12] * conj(root<16, Sign, T>(3 * c <= 8 ? 0 : 16 - 3 * c));
        }
    }
    Complex<T> out[16];
    MRIOPS_UNROLL
    for (int k = 0; k < 4; ++k) {
        dft4<Sign>(v[4 * k], v[4 * k + 1], v[4 * k + 2], v[4 * k + 3]);
        MRIOPS_UNROLL
        for (int j = 0; j < 4; ++j) out[k + 4 * j] = v[4 * k + j];
    }
    MRIOPS_UNROLL
    for (int k = 0; k < 16; ++k) v[k] = out[k];
}

template <int R, int Sign, class T>
__device__ __forceinline__ void dft(Complex<T> (&v)[R]) {
    if constexpr (R == 1) {
    } else if constexpr (R == 2) {
        dft2<Sign>(v[0], v[1]);
    } else if constexpr (R == 4) {
        dft4<Sign>(v[0], v[1], v[2], v[3]);
    } else if constexpr (R == 6) {
        dft_twice_odd<3, Sign>(v);
    } else if constexpr (R == 8) {
        dft8<Sign>(v);
    } else if constexpr (R == 9) {
        dft9<Sign>(v);
    } else if constexpr (R == 10) {
        dft_twice_odd<5, Sign>(v);
    } else if constexpr (R == 16) {
        dft16<Sign>(v);
    } else {
        dft_odd<R, Sign>(v);
    }
}

}  // namespace mriops::cuda
