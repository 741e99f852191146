// Vectors of independent atoms (voxels, isochromats, dictionary entries) and the functions that signal models need on
// them: exp, sin and cos as polynomials, without -ffast-math and without a maths library.
//
// One lane is one atom. The vectors are those of the instruction set in use: 16 floats on x86-64-v4, 8 on v3, 4 on v2.
// Largest errors over 4 million arguments, in units of eps(T) (1.2e-7, 2.2e-16), relative to the result (exp) or to 1
// (sin, cos):
//   exp      0.8 for results that are normal numbers; smaller results are 0, exp(-inf) = 0, NaN stays NaN
//   sincos   0.93 for |x| < 25000 (float) or |x| < 3e6 (double); beyond that the error grows like eps |x|
// and of the short forms for arguments near 0: exp 0.7, sincos 1.4
#pragma once
#if defined(MRIOPS_LANE_SCALAR)
#include "lane_scalar.h"
#else
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#define MRIOPS_LANE_BYTES 64
#elif defined(__AVX__)
#define MRIOPS_LANE_BYTES 32
#else
#define MRIOPS_LANE_BYTES 16
#endif
#define MRIOPS_LANE_INLINE inline __attribute__((always_inline))
#define MRIOPS_LANE_SELDOM __attribute__((noinline))
#define MRIOPS_LANE_UNROLL _Pragma("GCC unroll 16")

namespace mriops {
namespace {

template <class T>
struct LaneOf;

template <>
struct LaneOf<float> {
    static constexpr int width = MRIOPS_LANE_BYTES / 4;
    typedef float vec __attribute__((vector_size(MRIOPS_LANE_BYTES)));
    typedef float loose __attribute__((vector_size(MRIOPS_LANE_BYTES), aligned(4), may_alias));
    typedef int32_t bits __attribute__((vector_size(MRIOPS_LANE_BYTES)));
    static constexpr float round_magic = 12582912.0f;  // 1.5 2^23: adding it leaves the nearest integer in the low bits
    static constexpr int mantissa = 23, bias = 127;
    static constexpr float exp_low = -87.33654f, exp_high = 88.376f;
    static constexpr float ln2_high = 0x1.62ep-1f, ln2_low = 0x1.0bfbe8p-15f;
    static constexpr float half_pi[3] = {0x1.92p+0f, 0x1.fb8p-12f, -0x1.5dde98p-23f};  // 10 bits, 10 bits, the rest
};

template <>
struct LaneOf<double> {
    static constexpr int width = MRIOPS_LANE_BYTES / 8;
    typedef double vec __attribute__((vector_size(MRIOPS_LANE_BYTES)));
    typedef double loose __attribute__((vector_size(MRIOPS_LANE_BYTES), aligned(8), may_alias));
    typedef int64_t bits __attribute__((vector_size(MRIOPS_LANE_BYTES)));
    static constexpr double round_magic = 6755399441055744.0;  // 1.5 2^52
    static constexpr int mantissa = 52, bias = 1023;
    static constexpr double exp_low = -708.396418532264, exp_high = 709.43;
    static constexpr double ln2_high = 0x1.62e42fefa4p-1, ln2_low = -0x1.8432a1b0e2634p-43;
    static constexpr double half_pi[3] = {0x1.921fb544p+0, 0x1.0b4611a6p-34, 0x1.3198a2e037073p-69};
};

template <class T>
using LaneVec = typename LaneOf<T>::vec;  // float or double, one per atom
template <class T>
using LaneBits = typename LaneOf<T>::bits;  // what comparisons give: all bits set where true

template <class T>
MRIOPS_LANE_INLINE LaneVec<T> lane_fill(T value) {
    return value - LaneVec<T>{};
}
template <class T>
MRIOPS_LANE_INLINE LaneVec<T> lane_load(const T* p) {
    return *reinterpret_cast<const typename LaneOf<T>::loose*>(p);
}
template <class T>
MRIOPS_LANE_INLINE void lane_store(T* p, LaneVec<T> v) {
    *reinterpret_cast<typename LaneOf<T>::loose*>(p) = v;
}
// The first n lanes; the others read as `rest` and are not written.
template <class T>
MRIOPS_LANE_INLINE LaneVec<T> lane_load(const T* p, int n, T rest = T(0)) {
    if (n >= LaneOf<T>::width) return lane_load(p);
    LaneVec<T> v = lane_fill<T>(rest);
    for (int i = 0; i < n; ++i) v[i] = p[i];
    return v;
}
template <class T>
MRIOPS_LANE_INLINE void lane_store(T* p, LaneVec<T> v, int n) {
    if (n >= LaneOf<T>::width)
        lane_store(p, v);
    else
        for (int i = 0; i < n; ++i) p[i] = v[i];
}
// A whole vector past the caches, for results larger than they are: memory is not read first, and what is in the caches
// stays. Places that are not aligned to a vector are written as always. Whoever has streamed calls lane_fence.
template <class T>
MRIOPS_LANE_INLINE void lane_stream(T* p, LaneVec<T> v) {
    if (reinterpret_cast<uintptr_t>(p) % MRIOPS_LANE_BYTES != 0) return lane_store(p, v);
#if defined(__clang__)
    __builtin_nontemporal_store(v, reinterpret_cast<LaneVec<T>*>(p));
#elif defined(__AVX512F__)
    __builtin_ia32_movntps512(reinterpret_cast<float*>(p), reinterpret_cast<LaneVec<float> >(v));
#elif defined(__AVX__)
    __builtin_ia32_movntps256(reinterpret_cast<float*>(p), reinterpret_cast<LaneVec<float> >(v));
#elif defined(__SSE2__)
    __builtin_ia32_movntps(reinterpret_cast<float*>(p), reinterpret_cast<LaneVec<float> >(v));
#else
    lane_store(p, v);
#endif
}
MRIOPS_LANE_INLINE void lane_fence() {
#if defined(__SSE2__)
    __builtin_ia32_sfence();
#endif
}
// Sum over lanes in double, in a fixed order.
template <class T>
MRIOPS_LANE_INLINE double lane_sum(LaneVec<T> v) {
    double total = 0;
    for (int i = 0; i < LaneOf<T>::width; ++i) total += double(v[i]);
    return total;
}
template <class T>
MRIOPS_LANE_INLINE LaneVec<T> lane_sqrt(LaneVec<T> v) {
    LaneVec<T> r;
    for (int i = 0; i < LaneOf<T>::width; ++i)
        r[i] = sizeof(T) == 4 ? T(__builtin_sqrtf(float(v[i]))) : T(__builtin_sqrt(double(v[i])));
    return r;
}

namespace lane_detail {

// c[0] + x c[1] + ... by Horner's rule.
template <class T, int N>
MRIOPS_LANE_INLINE LaneVec<T> polynomial(LaneVec<T> x, const T (&c)[N]) {
    LaneVec<T> y = lane_fill<T>(c[N - 1]);
#pragma GCC unroll 16
    for (int i = N - 2; i >= 0; --i) y = y * x + c[i];
    return y;
}

template <class T>
MRIOPS_LANE_INLINE LaneBits<T> as_bits(LaneVec<T> v) {
    return reinterpret_cast<LaneBits<T> >(v);
}

// Minimax on |r| <= ln(2)/2 for (exp(r) - 1 - r) / r^2, absolute error of exp 8e-9 and 2e-19.
MRIOPS_LANE_INLINE LaneVec<float> exp_tail(LaneVec<float> r) {
    constexpr float c[] = {0.5f, 0.16666576845993976f, 0.041666554437685939f, 0.0083632029715758550f,
                           0.0013926213466332443f};
    return polynomial<float>(r, c);
}
MRIOPS_LANE_INLINE LaneVec<double> exp_tail(LaneVec<double> r) {
    constexpr double c[] = {0.5,
                            0.16666666666666671008,
                            0.041666666666666669767,
                            0.0083333333333261120526,
                            0.0013888888888883731828,
                            0.00019841269874901259234,
                            0.000024801587325605322782,
                            2.7557255297969644392e-6,
                            2.7557273570102139673e-7,
                            2.5105259538448493419e-8,
                            2.0914717341716375952e-9};
    return polynomial<double>(r, c);
}

// With u = r^2 and |r| <= pi/4: (sin(r) - r) / r^3 and (cos(r) - 1 + u/2) / u^2, absolute error 1e-8 and 1e-17.
MRIOPS_LANE_INLINE LaneVec<float> sin_tail(LaneVec<float> u) {
    constexpr float c[] = {-0.16666664656310707f, 0.0083327471043728948f, -0.00019587639035792598f};
    return polynomial<float>(u, c);
}
MRIOPS_LANE_INLINE LaneVec<float> cos_tail(LaneVec<float> u) {
    constexpr float c[] = {0.041666664653487288f, -0.0013888301867270141f, 0.000024547689709382208f};
    return polynomial<float>(u, c);
}
MRIOPS_LANE_INLINE LaneVec<double> sin_tail(LaneVec<double> u) {
    constexpr double c[] = {-0.16666666666666664611,  0.0083333333333309365507,  -0.00019841269836740527586,
                            2.7557316093196064354e-6, -2.5051129895962806497e-8, 1.5917988944318715217e-10};
    return polynomial<double>(u, c);
}
MRIOPS_LANE_INLINE LaneVec<double> cos_tail(LaneVec<double> u) {
    constexpr double c[] = {0.041666666666666665381,   -0.0013888888888887389771, 0.000024801587298754398347,
                            -2.7557317265876615658e-7, 2.0876145049108280391e-9,  -1.1382544623404290303e-11};
    return polynomial<double>(u, c);
}

}  // namespace lane_detail

template <class T>
MRIOPS_LANE_INLINE LaneVec<T> lane_exp(LaneVec<T> x) {
    using L = LaneOf<T>;
    const LaneBits<T> under = x<L::exp_low, over = x> L::exp_high;
    x = under ? lane_fill<T>(L::exp_low) : x;
    x = over ? lane_fill<T>(L::exp_high) : x;
    const LaneVec<T> shifted = x * T(1.4426950408889634074) + L::round_magic, n = shifted - L::round_magic;
    const LaneVec<T> r = (x - n * L::ln2_high) - n * L::ln2_low;
    const LaneVec<T> y = lane_detail::exp_tail(r) * (r * r) + r + T(1);
    // The integer n sits in the low bits of `shifted`; moved to the exponent, the magic number's own bits fall off.
    const LaneBits<T> exponent = (lane_detail::as_bits<T>(shifted) + L::bias) << L::mantissa;
    const LaneVec<T> result = y * reinterpret_cast<LaneVec<T> >(exponent);
    const LaneVec<T> high = over ? lane_fill<T>(T(__builtin_inf())) : result;
    return under ? LaneVec<T>{} : high;
}

// For |x| <= lane_exp_near, where nothing is to be reduced.
constexpr double lane_exp_near = 0.34657;
template <class T>
MRIOPS_LANE_INLINE LaneVec<T> lane_exp_of_near(LaneVec<T> x) {
    return lane_detail::exp_tail(x) * (x * x) + x + T(1);
}

namespace lane_detail {

// For |r| <= pi/4.
template <class T>
MRIOPS_LANE_INLINE void sincos_of_eighth(LaneVec<T> r, LaneVec<T>& s, LaneVec<T>& c) {
    const LaneVec<T> u = r * r;
    s = sin_tail(u) * (u * r) + r;
    c = cos_tail(u) * (u * u) + (T(1) - T(0.5) * u);
}

}  // namespace lane_detail

// For |x| <= lane_sincos_near, by the half angle.
constexpr double lane_sincos_near = 1.5707963;
template <class T>
MRIOPS_LANE_INLINE void lane_sincos_of_near(LaneVec<T> x, LaneVec<T>& sine, LaneVec<T>& cosine) {
    LaneVec<T> s, c;
    lane_detail::sincos_of_eighth<T>(T(0.5) * x, s, c);
    const LaneVec<T> twice = s + s;
    sine = twice * c;
    cosine = T(1) - twice * s;
}

template <class T>
MRIOPS_LANE_INLINE void lane_sincos(LaneVec<T> x, LaneVec<T>& sine, LaneVec<T>& cosine) {
    using L = LaneOf<T>;
    const LaneVec<T> shifted = x * T(0.63661977236758134308) + L::round_magic, n = shifted - L::round_magic;
    const LaneVec<T> r = ((x - n * L::half_pi[0]) - n * L::half_pi[1]) - n * L::half_pi[2];
    LaneVec<T> s, c;
    lane_detail::sincos_of_eighth<T>(r, s, c);
    const LaneBits<T> quadrant = lane_detail::as_bits<T>(shifted);
    const LaneBits<T> odd = (quadrant & 1) != 0;
    const LaneVec<T> s1 = odd ? c : s, c1 = odd ? s : c;
    // Sign bits: the sine is negative in quadrants 2 and 3, the cosine in 1 and 2.
    constexpr int top = 8 * int(sizeof(T)) - 2;
    const LaneBits<T> sine_sign = (quadrant & 2) << top, cosine_sign = ((quadrant + 1) & 2) << top;
    sine = reinterpret_cast<LaneVec<T> >(lane_detail::as_bits<T>(s1) ^ sine_sign);
    cosine = reinterpret_cast<LaneVec<T> >(lane_detail::as_bits<T>(c1) ^ cosine_sign);
}

}  // namespace
}  // namespace mriops

#endif
