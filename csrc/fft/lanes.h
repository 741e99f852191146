// SIMD lanes of one instruction set: one lane is one independent transform, real and imaginary parts in separate
// vectors.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define MRIOPS_VECTOR_BYTES 64
#elif defined(__AVX__)
#define MRIOPS_VECTOR_BYTES 32
#else
#define MRIOPS_VECTOR_BYTES 16
#endif
#define MRIOPS_INLINE inline __attribute__((always_inline))
#define MRIOPS_LAMBDA_INLINE __attribute__((always_inline))

namespace mriops {
namespace {

template <class T>
struct Lanes {
    typedef T vec __attribute__((vector_size(MRIOPS_VECTOR_BYTES)));
    typedef T vec_u __attribute__((vector_size(MRIOPS_VECTOR_BYTES), aligned(alignof(T))));
    static constexpr int width = MRIOPS_VECTOR_BYTES / int(sizeof(T));
};

template <class T>
using Vec = typename Lanes<T>::vec;

template <class T>
struct Cx {
    Vec<T> re, im;
};

template <class T>
MRIOPS_INLINE Vec<T> load_unaligned(const T* p) {
    return *reinterpret_cast<const typename Lanes<T>::vec_u*>(p);
}
template <class T>
MRIOPS_INLINE void store_unaligned(T* p, Vec<T> v) {
    *reinterpret_cast<typename Lanes<T>::vec_u*>(p) = v;
}

template <class T>
MRIOPS_INLINE Cx<T> operator+(Cx<T> a, Cx<T> b) {
    return {a.re + b.re, a.im + b.im};
}
template <class T>
MRIOPS_INLINE Cx<T> operator-(Cx<T> a, Cx<T> b) {
    return {a.re - b.re, a.im - b.im};
}
template <class T>
MRIOPS_INLINE Cx<T> operator*(Cx<T> a, Cx<T> b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
// conj(a) * b
template <class T>
MRIOPS_INLINE Cx<T> mul_conj(Cx<T> a, Cx<T> b) {
    return {a.re * b.re + a.im * b.im, a.re * b.im - a.im * b.re};
}
template <class T>
MRIOPS_INLINE Cx<T> scaled(Cx<T> a, T s) {
    return {a.re * s, a.im * s};
}
// a times the scalar (wr, wi), or times its conjugate
template <bool Conj, class T>
MRIOPS_INLINE Cx<T> mul_scalar(Cx<T> a, T wr, T wi) {
    if constexpr (Conj) return {a.re * wr + a.im * wi, a.im * wr - a.re * wi};
    return {a.re * wr - a.im * wi, a.im * wr + a.re * wi};
}

#if defined(__clang__) || __GNUC__ >= 12
#define MRIOPS_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#endif

namespace shuffle {
template <class T, int... I>
MRIOPS_INLINE Vec<T> even(Vec<T> a, Vec<T> b, std::integer_sequence<int, I...>) {
    return MRIOPS_SHUFFLE(a, b, (2 * I)...);
}
template <class T, int... I>
MRIOPS_INLINE Vec<T> odd(Vec<T> a, Vec<T> b, std::integer_sequence<int, I...>) {
    return MRIOPS_SHUFFLE(a, b, (2 * I + 1)...);
}
// Interleave of the low halves, or of the high halves, of a and b in groups of G lanes inside blocks of 2G.
template <class T, int G, int H, int... I>
MRIOPS_INLINE Vec<T> zip(Vec<T> a, Vec<T> b, std::integer_sequence<int, I...>) {
    constexpr int W = Lanes<T>::width;
    return MRIOPS_SHUFFLE(a, b, ((I / (2 * G)) * (2 * G) + H * G + I % G + ((I / G) % 2 ? W : 0))...);
}
template <class T, int H, int... I>
MRIOPS_INLINE Vec<T> interleave(Vec<T> a, Vec<T> b, std::integer_sequence<int, I...>) {
    constexpr int W = Lanes<T>::width;
    return MRIOPS_SHUFFLE(a, b, (H * (W / 2) + I / 2 + (I % 2 ? W : 0))...);
}
}  // namespace shuffle

template <class T>
using LaneIndex = std::make_integer_sequence<int, Lanes<T>::width>;

template <class T>
MRIOPS_INLINE Cx<T> load_complex(const T* p) {
    const Vec<T> a = load_unaligned(p), b = load_unaligned(p + Lanes<T>::width);
    return {shuffle::even<T>(a, b, LaneIndex<T>{}), shuffle::odd<T>(a, b, LaneIndex<T>{})};
}
template <class T>
MRIOPS_INLINE void store_complex(T* p, Cx<T> v) {
    store_unaligned(p, shuffle::interleave<T, 0>(v.re, v.im, LaneIndex<T>{}));
    store_unaligned(p + Lanes<T>::width, shuffle::interleave<T, 1>(v.re, v.im, LaneIndex<T>{}));
}
// The same round the caches, for arrays that are larger than they are; p aligned to a vector. `end_streaming` after the
// last one, before another thread may read.
template <class T>
MRIOPS_INLINE void stream_complex(T* p, Cx<T> v) {
    const Vec<T> halves[] = {shuffle::interleave<T, 0>(v.re, v.im, LaneIndex<T>{}),
                             shuffle::interleave<T, 1>(v.re, v.im, LaneIndex<T>{})};
    for (int i = 0; i < 2; ++i) {
#if defined(__AVX512F__)
        _mm512_stream_si512(reinterpret_cast<__m512i*>(p) + i, reinterpret_cast<__m512i>(halves[i]));
#elif defined(__AVX__)
        _mm256_stream_si256(reinterpret_cast<__m256i*>(p) + i, reinterpret_cast<__m256i>(halves[i]));
#elif defined(__x86_64__)
        _mm_stream_si128(reinterpret_cast<__m128i*>(p) + i, reinterpret_cast<__m128i>(halves[i]));
#else
        store_unaligned(p + i * Lanes<T>::width, halves[i]);
#endif
    }
}
// The same without interleaving. kStreams: a vector by itself is a whole line of memory.
template <class T>
constexpr bool kStreams = sizeof(Vec<T>) == 64;
template <class T>
MRIOPS_INLINE void stream_lanes(Cx<T>* p, Cx<T> v) {
#if defined(__AVX512F__)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(&p->re), reinterpret_cast<__m512i>(v.re));
    _mm512_stream_si512(reinterpret_cast<__m512i*>(&p->im), reinterpret_cast<__m512i>(v.im));
#elif defined(__AVX__)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(&p->re), reinterpret_cast<__m256i>(v.re));
    _mm256_stream_si256(reinterpret_cast<__m256i*>(&p->im), reinterpret_cast<__m256i>(v.im));
#else
    *p = v;
#endif
}
inline void end_streaming() {
#if defined(__x86_64__)
    _mm_sfence();
#endif
}
// The first n numbers of a vector only; the others read as zero and are not written. Not by way of a buffer: wide reads
// would wait for narrow writes.
template <class T>
MRIOPS_INLINE Vec<T> load_first(const T* p, int n) {
    n = std::min(std::max(n, 0), Lanes<T>::width);
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return reinterpret_cast<Vec<T>>(_mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), p));
    else
        return reinterpret_cast<Vec<T>>(_mm512_maskz_loadu_pd(__mmask8((1u << n) - 1), p));
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4)
        return reinterpret_cast<Vec<T>>(
            _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))));
    else
        return reinterpret_cast<Vec<T>>(
            _mm256_maskload_pd(p, _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3))));
#else
    Vec<T> v{};
    std::memcpy(&v, p, sizeof(T) * size_t(n));
    return v;
#endif
}
template <class T>
MRIOPS_INLINE void store_first(T* p, Vec<T> v, int n) {
    n = std::min(std::max(n, 0), Lanes<T>::width);
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        _mm512_mask_storeu_ps(p, __mmask16((1u << n) - 1), reinterpret_cast<__m512>(v));
    else
        _mm512_mask_storeu_pd(p, __mmask8((1u << n) - 1), reinterpret_cast<__m512d>(v));
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4)
        _mm256_maskstore_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)),
                            reinterpret_cast<__m256>(v));
    else
        _mm256_maskstore_pd(p, _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)),
                            reinterpret_cast<__m256d>(v));
#else
    std::memcpy(p, &v, sizeof(T) * size_t(n));
#endif
}
// The first n lanes.
template <class T>
inline Cx<T> load_complex_part(const T* p, int n) {
    constexpr int L = Lanes<T>::width;
    const Vec<T> a = load_first(p, 2 * n), b = load_first(p + L, 2 * n - L);
    return {shuffle::even<T>(a, b, LaneIndex<T>{}), shuffle::odd<T>(a, b, LaneIndex<T>{})};
}
template <class T>
inline void store_complex_part(T* p, Cx<T> v, int n) {
    constexpr int L = Lanes<T>::width;
    store_first(p, shuffle::interleave<T, 0>(v.re, v.im, LaneIndex<T>{}), 2 * n);
    store_first(p + L, shuffle::interleave<T, 1>(v.re, v.im, LaneIndex<T>{}), 2 * n - L);
}
template <class T>
MRIOPS_INLINE Cx<T> load_complex(const T* p, int n) {
    return n == Lanes<T>::width ? load_complex(p) : load_complex_part(p, n);
}
template <class T>
MRIOPS_INLINE void store_complex(T* p, Cx<T> v, int n) {
    if (n == Lanes<T>::width)
        store_complex(p, v);
    else
        store_complex_part(p, v, n);
}

// Rows to columns of width x width values held in registers: log2(width) rounds of two-input shuffles. A round pairs
// registers whose index differs in one bit and swaps groups of as many lanes.
template <class T, int G>
MRIOPS_INLINE void transpose_round(Vec<T>* v) {
    constexpr int W = Lanes<T>::width;
    if constexpr (G >= 1) {
#pragma GCC unroll 16
        for (int i = 0; i < W; ++i) {
            if (i & G) continue;
            const Vec<T> a = v[i], b = v[i + G];
            v[i] = shuffle::zip<T, G, 0>(a, b, LaneIndex<T>{});
            v[i + G] = shuffle::zip<T, G, 1>(a, b, LaneIndex<T>{});
        }
        transpose_round<T, G / 2>(v);
    }
}
template <class T>
MRIOPS_INLINE void transpose(Vec<T>* v) {
    transpose_round<T, Lanes<T>::width / 2>(v);
}
// Values of n rows of `width` lanes, n rounded up to whole transposes.
template <class T>
inline int64_t lane_rows_size(int64_t n) {
    constexpr int64_t W = Lanes<T>::width;
    return (n + W - 1) / W * W * W;
}

}  // namespace
}  // namespace mriops
