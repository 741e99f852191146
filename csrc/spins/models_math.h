// What the closed-form signal models are written with: the same functor runs on lanes of voxels (CPU) and on one voxel
// per thread (CUDA, where MRIOPS_MODELS_SCALAR is defined before this file).
#pragma once
#include <cstdint>

#include "../core/hostdevice.h"
#if defined(MRIOPS_MODELS_SCALAR)
#include <cmath>
#else
#include "lane_math.h"
#endif

#if defined(__CUDACC__)
#define MRIOPS_MODELS_UNROLL _Pragma("unroll")
#define MRIOPS_MODELS_ROLLED _Pragma("unroll 1")
#else
#define MRIOPS_MODELS_ROLLED
#define MRIOPS_MODELS_UNROLL
#endif

namespace mriops {
namespace {

#if defined(MRIOPS_MODELS_SCALAR)
template <class V>
struct RealOf {
    using type = V;
};
MRIOPS_HD float exp_of(float x) { return expf(x); }
MRIOPS_HD double exp_of(double x) { return exp(x); }
MRIOPS_HD float exp_minus_one(float x) { return expm1f(x); }
MRIOPS_HD double exp_minus_one(double x) { return expm1(x); }
MRIOPS_HD float log_of(float x) { return logf(x); }
MRIOPS_HD double log_of(double x) { return log(x); }
// sincospi needs no table in local memory for large arguments, which sin and cos keep.
MRIOPS_HD void sincos_of(float x, float& s, float& c) { sincospif(x * 0.318309886183790671f, &s, &c); }
MRIOPS_HD void sincos_of(double x, double& s, double& c) { sincospi(x * 0.318309886183790671, &s, &c); }
#else
template <class V>
struct RealOf;
template <>
struct RealOf<LaneVec<float> > {
    using type = float;
};
template <>
struct RealOf<LaneVec<double> > {
    using type = double;
};
template <class V>
MRIOPS_HD V exp_of(V x) {
    return lane_exp<typename RealOf<V>::type>(x);
}
// exp(x) - 1: where |x| is small the polynomial of exp without its leading 1.
template <class V>
MRIOPS_HD V exp_minus_one(V x) {
    using T = typename RealOf<V>::type;
    const auto small = (x < T(0.34)) & (x > T(-0.34));
    const V near = small ? x : V{};
    return small ? lane_detail::exp_tail(near) * (near * near) + near : lane_exp<T>(x) - T(1);
}
template <class V>
MRIOPS_HD void sincos_of(V x, V& s, V& c) {
    lane_sincos<typename RealOf<V>::type>(x, s, c);
}
// Once per voxel, never per time: one lane after the other will do.
template <class V>
MRIOPS_HD V log_of(V x) {
    using T = typename RealOf<V>::type;
    V y = x;
    for (int i = 0; i < LaneOf<T>::width; ++i)
        y[i] = sizeof(T) == 4 ? T(__builtin_logf(float(x[i]))) : T(__builtin_log(double(x[i])));
    return y;
}
#endif

// Of one time, which all voxels share.
MRIOPS_HD float scalar_log(float x) { return __builtin_logf(x); }
MRIOPS_HD double scalar_log(double x) { return __builtin_log(x); }

template <class V>
using Real = typename RealOf<V>::type;

template <class V>
MRIOPS_HD V fill(Real<V> x) {
    return x - V{};
}

// 1 / time. Infinite times give 0; zero gives 1e18, which is "at once" for any time in seconds and whose square is
// still a float; negative times and NaN give NaN, in their own lane only.
template <class V>
MRIOPS_HD V rate_of(V time) {
    using T = Real<V>;
    const V least = fill<V>(T(1e-18));
    const V safe = time > least ? time : least;
    return time >= T(0) ? T(1) / safe : fill<V>(T(__builtin_nan("")));
}

// The times and angles of a measurement: rows of `steps` values, the same for all voxels.
template <class T>
struct Design {
    const T* values;
    int64_t steps;
    MRIOPS_HD T at(int row, int64_t i) const { return values[row * steps + i]; }
};

// (1 - exp(-x)) / x and (x - 1 + exp(-x)) / x^2 with their derivatives: integrals of exp(-k t) against a constant and a
// ramp. Below 0.25 ten terms of the series are exact to 1e-14; above, cancellation costs at most 1 / x^3 = 64 eps.
template <class V>
struct Ramp {
    V flat, slope, d_flat, d_slope;

    MRIOPS_HD explicit Ramp(V x) {
        using T = Real<V>;
        constexpr T inverse_factorial[14] = {T(1),
                                             T(1),
                                             T(1. / 2),
                                             T(1. / 6),
                                             T(1. / 24),
                                             T(1. / 120),
                                             T(1. / 720),
                                             T(1. / 5040),
                                             T(1. / 40320),
                                             T(1. / 362880),
                                             T(1. / 3628800),
                                             T(1. / 39916800),
                                             T(1. / 479001600),
                                             T(1. / 6227020800.)};
        const auto small = (x < T(0.25)) & (x > T(-0.25));
        const V y = small ? -x : V{};
        V a = V{}, b = V{}, da = V{}, db = V{};
        for (int k = 9; k >= 0; --k) {
            a = a * y + inverse_factorial[k + 1];
            b = b * y + inverse_factorial[k + 2];
            da = da * y - T(k + 1) * inverse_factorial[k + 2];
            db = db * y - T(k + 1) * inverse_factorial[k + 3];
        }
        const V safe = small ? fill<V>(T(1)) : x;
        const V e = exp_of(-safe);
        const V f = (T(1) - e) / safe, g = (T(1) - f) / safe, df = (e - f) / safe, dg = -(df + g) / safe;
        flat = small ? a : f;
        slope = small ? b : g;
        d_flat = small ? da : df;
        d_slope = small ? db : dg;
    }
};

}  // namespace
}  // namespace mriops
