// One atom at a time, under the names of lane_math.h: what a thread of a GPU computes with.
//
// Included by lane_math.h where MRIOPS_LANE_SCALAR is defined; the polynomials and their errors are those of the lanes.
#pragma once
#include <cmath>
#include <cstdint>

#include "../core/hostdevice.h"

#define MRIOPS_LANE_INLINE MRIOPS_HD
#define MRIOPS_LANE_SELDOM MRIOPS_HD  // a call would put its arguments in local memory
#if defined(__CUDACC__)
#define MRIOPS_LANE_UNROLL _Pragma("unroll")
#else
#define MRIOPS_LANE_UNROLL _Pragma("GCC unroll 16")
#endif

namespace mriops {
namespace {

template <class T>
struct LaneOf {
    static constexpr int width = 1;
};
template <class T>
using LaneVec = T;
template <class T>
using LaneBits = bool;

template <class T>
MRIOPS_HD T lane_fill(T value) {
    return value;
}
template <class T>
MRIOPS_HD T lane_load(const T* p, int = 1, T = T(0)) {
    return *p;
}
MRIOPS_HD float scalar_sqrt(float x) { return sqrtf(x); }
MRIOPS_HD double scalar_sqrt(double x) { return sqrt(x); }
template <class T>
MRIOPS_HD T lane_sqrt(T x) {
    return scalar_sqrt(x);
}
MRIOPS_HD float scalar_exp(float x) { return expf(x); }
MRIOPS_HD double scalar_exp(double x) { return exp(x); }
template <class T>
MRIOPS_HD T lane_exp(T x) {
    return scalar_exp(x);
}

// The library's own sine keeps an array in local memory for angles beyond 1e5; this one does without.
MRIOPS_HD int quarter_turns(float x, float& r) {
    const float n = rintf(x * 0.63661977236758134308f);
    r = ((x - n * 0x1.92p+0f) - n * 0x1.fb8p-12f) - n * -0x1.5dde98p-23f;
    return int(n);
}
MRIOPS_HD int quarter_turns(double x, double& r) {
    const double n = rint(x * 0.63661977236758134308);
    r = ((x - n * 0x1.921fb544p+0) - n * 0x1.0b4611a6p-34) - n * 0x1.3198a2e037073p-69;
    return int(n);
}
MRIOPS_HD float sine_tail(float u) {
    return (-0.00019587639035792598f * u + 0.0083327471043728948f) * u - 0.16666664656310707f;
}
MRIOPS_HD float cosine_tail(float u) {
    return (0.000024547689709382208f * u - 0.0013888301867270141f) * u + 0.041666664653487288f;
}
MRIOPS_HD double sine_tail(double u) {
    double y = 1.5917988944318715217e-10;
    y = y * u - 2.5051129895962806497e-8;
    y = y * u + 2.7557316093196064354e-6;
    y = y * u - 0.00019841269836740527586;
    y = y * u + 0.0083333333333309365507;
    return y * u - 0.16666666666666664611;
}
MRIOPS_HD double cosine_tail(double u) {
    double y = -1.1382544623404290303e-11;
    y = y * u + 2.0876145049108280391e-9;
    y = y * u - 2.7557317265876615658e-7;
    y = y * u + 0.000024801587298754398347;
    y = y * u - 0.0013888888888887389771;
    return y * u + 0.041666666666666665381;
}
template <class T>
MRIOPS_HD void lane_sincos(T x, T& sine, T& cosine) {
    T r;
    const int quadrant = quarter_turns(x, r);
    const T u = r * r;
    const T s = sine_tail(u) * (u * r) + r, c = cosine_tail(u) * (u * u) + (T(1) - T(0.5) * u);
    const T s1 = quadrant & 1 ? c : s, c1 = quadrant & 1 ? s : c;
    sine = quadrant & 2 ? -s1 : s1;
    cosine = (quadrant + 1) & 2 ? -c1 : c1;
}

// Where whole vectors have shorter series.
template <class T>
MRIOPS_HD T lane_exp_of_near(T x) {
    return lane_exp<T>(x);
}
template <class T>
MRIOPS_HD void lane_sincos_of_near(T x, T& sine, T& cosine) {
    lane_sincos<T>(x, sine, cosine);
}

}  // namespace
}  // namespace mriops
