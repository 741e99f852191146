// Signal models of what flows in: contrast agent (extended Tofts) and labelled blood (Buxton).
#pragma once
#include "models_math.h"

namespace mriops {
namespace {

// ktrans, ve, vp; time, concentration in the plasma (linear between the times, zero before the first)
template <class V>
struct ExtendedTofts {
    static constexpr int parameters = 3, rows = 2, components = 1;
    using T = Real<V>;
    V ktrans, vp, per_ve, kep, held, held_by_kep;
    MRIOPS_HD void prepare(const V* p, const Design<T>&) {
        ktrans = p[0], vp = p[2], per_ve = rate_of(p[1]), kep = ktrans * per_ve;
        held = held_by_kep = V{};
    }
    template <bool J>
    MRIOPS_HD void at(int64_t i, const Design<T>& d, V* s, V* g) {
        const T now = d.at(1, i);
        if (i > 0) {
            const T step = d.at(0, i) - d.at(0, i - 1), before = d.at(1, i - 1);
            const V x = step * kep, e = exp_of(-x);
            const Ramp<V> ramp(x);
            const V by_kep = (step * step) * (before * ramp.d_flat + (now - before) * ramp.d_slope);
            held_by_kep = held_by_kep * e - step * e * held + by_kep;
            held = held * e + step * (before * ramp.flat + (now - before) * ramp.slope);
        }
        s[0] = ktrans * held + vp * now;
        if constexpr (J) {
            g[0] = held + kep * held_by_kep;
            g[1] = -kep * kep * held_by_kep;
            g[2] = fill<V>(now);
        }
    }
};

// m0, perfusion, transit time, t1, t1 of blood; time, label duration, 1 / partition coefficient
template <class V, bool Pulsed>
struct Buxton {
    static constexpr int parameters = 5, rows = 3, components = 1;
    using T = Real<V>;
    V m0, flow, transit, r1, blood, both;
    MRIOPS_HD void prepare(const V* p, const Design<T>& d) {
        m0 = p[0], flow = p[1], transit = p[2], r1 = rate_of(p[3]), blood = rate_of(p[4]);
        both = r1 + flow * d.at(2, 0);
    }
    template <bool J>
    MRIOPS_HD void at(int64_t i, const Design<T>& d, V* s, V* g) {
        const T t = d.at(0, i), duration = d.at(1, i);
        // Labelled blood that arrives for a time `in` decays at two rates, one after the other: as blood, then as
        // tissue. What comes through exp(-in lo) at the lower rate needs no exponential that grows.
        const V since = t - transit;
        const auto arriving = (since > T(0)) & (since < duration);
        const V in = since > T(0) ? (since < duration ? since : fill<V>(duration)) : V{} * since;
        const V after = since > duration ? since - duration : V{};
        const auto tissue_faster = both > blood;
        const V lo = Pulsed ? (tissue_faster ? blood : both) : V{}, hi = Pulsed ? (tissue_faster ? both : blood) : both;
        const Ramp<V> ramp((hi - lo) * in);
        const V decay = exp_of(-transit * blood - in * lo - after * both), unit = T(2) * decay * in * ramp.flat;
        s[0] = m0 * flow * unit;
        if constexpr (J) {
            const V scale = T(2) * m0 * flow * decay, curve = scale * in * in * ramp.d_flat;
            const V by_lo = -in * s[0] - curve, by_hi = curve;
            const V by_both = (Pulsed ? (tissue_faster ? by_hi : by_lo) : by_hi) - after * s[0];
            const V by_blood = (Pulsed ? (tissue_faster ? by_lo : by_hi) : V{}) - transit * s[0];
            g[0] = flow * unit, g[1] = m0 * unit + d.at(2, i) * by_both;
            g[2] = arriving ? (lo - blood) * s[0] - scale * exp_of((lo - hi) * in) : (both - blood) * s[0];
            g[3] = -by_both * r1 * r1;
            g[4] = -by_blood * blood * blood;
        }
    }
};
template <class V>
using BuxtonContinuous = Buxton<V, false>;
template <class V>
using BuxtonPulsed = Buxton<V, true>;

}  // namespace
}  // namespace mriops
