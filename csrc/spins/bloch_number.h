// The numbers of the Bloch kernels: vectors of isochromats, alone or with a tangent (dual numbers), behind one set of
// operators, so that tangents and second derivatives are the same source as values.
#pragma once
#include "lane_math.h"
#if defined(__SSE2__) && !defined(MRIOPS_LANE_SCALAR)
#include <immintrin.h>
#endif

namespace mriops {
namespace {

// Value and tangent, one number for all isochromats.
template <class T>
struct ScalarDual {
    T v, d;
};
// Value and tangent per isochromat.
template <class T>
struct LaneDual {
    LaneVec<T> v, d;
};

#define MRIOPS_DUAL(Result, A, B)                            \
    template <class T>                                       \
    MRIOPS_LANE_INLINE Result<T> operator+(A<T> a, B<T> b) { \
        return {a.v + b.v, a.d + b.d};                       \
    }                                                        \
    template <class T>                                       \
    MRIOPS_LANE_INLINE Result<T> operator-(A<T> a, B<T> b) { \
        return {a.v - b.v, a.d - b.d};                       \
    }                                                        \
    template <class T>                                       \
    MRIOPS_LANE_INLINE Result<T> operator*(A<T> a, B<T> b) { \
        return {a.v * b.v, a.v * b.d + a.d * b.v};           \
    }
MRIOPS_DUAL(LaneDual, LaneDual, LaneDual)
MRIOPS_DUAL(LaneDual, LaneDual, ScalarDual)
MRIOPS_DUAL(LaneDual, ScalarDual, LaneDual)
MRIOPS_DUAL(ScalarDual, ScalarDual, ScalarDual)
#undef MRIOPS_DUAL
template <class T>
MRIOPS_LANE_INLINE LaneDual<T> operator+(LaneDual<T> a, T b) {
    return {a.v + b, a.d};
}
template <class T>
MRIOPS_LANE_INLINE LaneDual<T> operator-(LaneDual<T> a, T b) {
    return {a.v - b, a.d};
}
template <class T>
MRIOPS_LANE_INLINE LaneDual<T> operator-(T a, LaneDual<T> b) {
    return {a - b.v, -b.d};
}
template <class T>
MRIOPS_LANE_INLINE LaneDual<T> operator*(LaneDual<T> a, T b) {
    return {a.v * b, a.d * b};
}
template <class T>
MRIOPS_LANE_INLINE LaneDual<T> operator*(T a, LaneDual<T> b) {
    return {a * b.v, a * b.d};
}
template <class T>
MRIOPS_LANE_INLINE LaneDual<T> operator-(LaneDual<T> a) {
    return {-a.v, -a.d};
}
template <class T>
MRIOPS_LANE_INLINE ScalarDual<T> operator*(T a, ScalarDual<T> b) {
    return {a * b.v, a * b.d};
}
template <class T>
MRIOPS_LANE_INLINE bool operator==(ScalarDual<T> a, ScalarDual<T> b) {
    return a.v == b.v && a.d == b.d;
}

// A kernel is a template on one of these two.
template <class T>
struct Values {
    using Real = T;
    using Vec = LaneVec<T>;
    using Scalar = T;
    static constexpr bool dual = false;
    static MRIOPS_LANE_INLINE Scalar scalar(T v, T) { return v; }
    static MRIOPS_LANE_INLINE Vec fill(Scalar s) { return lane_fill<T>(s); }
    static MRIOPS_LANE_INLINE Vec lanes(LaneVec<T> v, LaneVec<T>) { return v; }
    static MRIOPS_LANE_INLINE LaneVec<T> value(Vec v) { return v; }
    static MRIOPS_LANE_INLINE LaneVec<T> result(Vec v) { return v; }
#if !defined(MRIOPS_LANE_SCALAR)  // where Vec is Scalar
    static MRIOPS_LANE_INLINE T result(Scalar s) { return s; }
#endif
    static MRIOPS_LANE_INLINE Vec select(LaneBits<T> where, Vec a, Vec b) { return where ? a : b; }
};
template <class T>
struct Tangents {
    using Real = T;
    using Vec = LaneDual<T>;
    using Scalar = ScalarDual<T>;
    static constexpr bool dual = true;
    static MRIOPS_LANE_INLINE Scalar scalar(T v, T d) { return {v, d}; }
    static MRIOPS_LANE_INLINE Vec fill(Scalar s) { return {lane_fill<T>(s.v), lane_fill<T>(s.d)}; }
    static MRIOPS_LANE_INLINE Vec lanes(LaneVec<T> v, LaneVec<T> d) { return {v, d}; }
    static MRIOPS_LANE_INLINE LaneVec<T> value(Vec v) { return v.v; }
    static MRIOPS_LANE_INLINE LaneVec<T> result(Vec v) { return v.d; }
    static MRIOPS_LANE_INLINE T result(Scalar s) { return s.d; }
    static MRIOPS_LANE_INLINE Vec select(LaneBits<T> where, Vec a, Vec b) {
        return {where ? a.v : b.v, where ? a.d : b.d};
    }
};

// Whether any lane of v is above the limit.
#if defined(MRIOPS_LANE_SCALAR)
template <class T>
MRIOPS_LANE_INLINE bool any_above(T v, T limit) {
    return v > limit;
}
#else
MRIOPS_LANE_INLINE bool any_above(LaneVec<float> v, float limit) {
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask(v, _mm512_set1_ps(limit), _CMP_GT_OQ) != 0;
#elif defined(__AVX__)
    return _mm256_movemask_ps(_mm256_cmp_ps(v, _mm256_set1_ps(limit), _CMP_GT_OQ)) != 0;
#elif defined(__SSE2__)
    return _mm_movemask_ps(_mm_cmpgt_ps(v, _mm_set1_ps(limit))) != 0;
#else
    bool any = false;
    for (int i = 0; i < LaneOf<float>::width; ++i) any |= v[i] > limit;
    return any;
#endif
}
MRIOPS_LANE_INLINE bool any_above(LaneVec<double> v, double limit) {
#if defined(__AVX512F__)
    return _mm512_cmp_pd_mask(v, _mm512_set1_pd(limit), _CMP_GT_OQ) != 0;
#elif defined(__AVX__)
    return _mm256_movemask_pd(_mm256_cmp_pd(v, _mm256_set1_pd(limit), _CMP_GT_OQ)) != 0;
#elif defined(__SSE2__)
    return _mm_movemask_pd(_mm_cmpgt_pd(v, _mm_set1_pd(limit))) != 0;
#else
    bool any = false;
    for (int i = 0; i < LaneOf<double>::width; ++i) any |= v[i] > limit;
    return any;
#endif
}

#endif

template <class T>
MRIOPS_LANE_INLINE LaneVec<T> number_sqrt(LaneVec<T> x) {
    return lane_sqrt<T>(x);
}

// Functions of vectors, and of vectors with a tangent.
template <class N>
struct Functions;

template <class T>
struct Functions<Values<T>> {
    using Vec = LaneVec<T>;
    static MRIOPS_LANE_INLINE Vec reciprocal(Vec x) { return T(1) / x; }
    static MRIOPS_LANE_INLINE Vec root(Vec x) { return lane_sqrt<T>(x); }
    static MRIOPS_LANE_INLINE void sincos(Vec x, Vec& s, Vec& c) { lane_sincos<T>(x, s, c); }
    static MRIOPS_LANE_INLINE Vec exp(Vec x) { return lane_exp<T>(x); }
};
template <class T>
struct Functions<Tangents<T>> {
    using Vec = LaneDual<T>;
    static MRIOPS_LANE_INLINE Vec reciprocal(Vec x) {
        const LaneVec<T> r = T(1) / x.v;
        return {r, -r * r * x.d};
    }
    static MRIOPS_LANE_INLINE Vec root(Vec x) {
        const LaneVec<T> r = lane_sqrt<T>(x.v);
        return {r, x.d / (r + r)};
    }
    static MRIOPS_LANE_INLINE void sincos(Vec x, Vec& s, Vec& c) {
        LaneVec<T> sine, cosine;
        lane_sincos<T>(x.v, sine, cosine);
        s = {sine, cosine * x.d};
        c = {cosine, -sine * x.d};
    }
    static MRIOPS_LANE_INLINE Vec exp(Vec x) {
        const LaneVec<T> e = lane_exp<T>(x.v);
        return {e, e * x.d};
    }
};

}  // namespace
}  // namespace mriops
