// Signal models of pulse trains: SPGR, balanced SSFP, Look-Locker, trains of gradient echoes after an inversion.
#pragma once
#include "models_math.h"

namespace mriops {
namespace {

// sin(a), cos(a) and 1 - cos(a) without cancellation.
template <class V>
struct Flip {
    V sine, cosine, lost;
    MRIOPS_HD explicit Flip(V angle) {
        V s, c;
        sincos_of(V(Real<V>(0.5) * angle), s, c);
        sine = Real<V>(2) * s * c, lost = Real<V>(2) * s * s, cosine = Real<V>(1) - lost;
    }
};

// 1 / denominator; 0 where nothing is divided by nothing, as with no pulse and no relaxation, whose signal is 0.
template <class V>
MRIOPS_HD V one_over(V denominator, V numerator) {
    using T = Real<V>;
    const auto nothing = (denominator == T(0)) & (numerator == T(0));
    return nothing ? V{} : T(1) / (nothing ? fill<V>(T(1)) : denominator);
}

// m0, t1, b1; flip angle, repetition time
template <class V>
struct Spgr {
    static constexpr int parameters = 3, rows = 2, components = 1;
    using T = Real<V>;
    V m0, rate, b1, x, recovered;
    T repetition_time;
    MRIOPS_HD void prepare(const V* p, const Design<T>&) {
        m0 = p[0], rate = rate_of(p[1]), b1 = p[2], repetition_time = T(__builtin_nan(""));
    }
    template <bool J>
    MRIOPS_HD void at(int64_t i, const Design<T>& d, V* s, V* g) {
        const T angle = d.at(0, i);
        // Nearly always the same for all times.
        if (d.at(1, i) != repetition_time)
            repetition_time = d.at(1, i), x = repetition_time * rate, recovered = -exp_minus_one(-x);
        const Flip<V> flip(angle * b1);
        const V scale = one_over<V>(flip.lost + recovered * flip.cosine, recovered);
        const V unit = flip.sine * recovered * scale;
        s[0] = m0 * unit;
        if constexpr (J) {
            g[0] = unit;
            g[1] = -m0 * (flip.sine * flip.lost * scale) * scale * ((T(1) - recovered) * x) * rate;
            g[2] = angle * m0 * recovered * (recovered - flip.lost) * scale * scale;
        }
    }
};

// m0 (re, im), t1, t2, off-resonance, b1; flip angle, repetition time, echo time, phase increment of the pulses
template <class V>
struct Bssfp {
    static constexpr int parameters = 6, rows = 4, components = 2;
    using T = Real<V>;
    V re, im, r1, r2, off, b1;
    MRIOPS_HD void prepare(const V* p, const Design<T>&) {
        re = p[0], im = p[1], r1 = rate_of(p[2]), r2 = rate_of(p[3]);
        off = T(6.283185307179586477) * p[4], b1 = p[5];
    }
    template <bool J>
    MRIOPS_HD void at(int64_t i, const Design<T>& d, V* s, V* g) {
        const T angle = d.at(0, i), tr = d.at(1, i), te = d.at(2, i);
        const V x1 = tr * r1, x2 = tr * r2, recovered = -exp_minus_one(-x1), e1 = T(1) - recovered, e2 = exp_of(-x2);
        const Flip<V> flip(angle * b1);
        V st, ct, wi, wr;
        sincos_of(V(tr * off + d.at(3, i)), st, ct);
        sincos_of(V(-te * off), wi, wr);
        const V decay = exp_of(-te * r2);
        wr = wr * decay, wi = wi * decay;
        const V a = flip.lost + recovered * flip.cosine, b = T(1) - e2 * ct, c = e1 - flip.cosine, q = e2 - ct;
        const V scale = one_over<V>(a * b - e2 * c * q, recovered * flip.sine);
        const V n = recovered * flip.sine * scale;
        const V ur = e2 * st, ui = b;             // direction of the magnetisation just after the pulse
        const auto put = [&](V* out, V x, V y) {  // m0 (x + iy) at the echo
            const V zr = x * wr - y * wi, zi = x * wi + y * wr;
            out[0] = re * zr - im * zi, out[1] = re * zi + im * zr;
        };
        put(s, n * ur, n * ui);
        if constexpr (J) {
            g[0] = n * (ur * wr - ui * wi), g[1] = n * (ur * wi + ui * wr), g[2] = -g[1], g[3] = g[0];
            const V d1 = -flip.cosine * b - e2 * q, d2 = -a * ct - c * (e2 + q);
            const V da = flip.sine * (e1 * b - e2 * q), dt = e2 * st * (a - c);
            // d/de1, times de1/dt1
            const V by1 = (-flip.sine * scale - n * d1 * scale) * (e1 * x1) * r1;
            put(g + 4, ur * by1, ui * by1);
            const V by2 = (e2 * x2) * r2, echo = (n * te) * r2 * r2;
            put(g + 6, n * (st - ur * d2 * scale) * by2 + ur * echo, n * (-ct - ui * d2 * scale) * by2 + ui * echo);
            const T turn = T(6.283185307179586477);
            put(g + 8, turn * n * (tr * (e2 * ct - ur * dt * scale) + te * ui),
                turn * n * (tr * (e2 * st - ui * dt * scale) - te * ur));
            const V byb = angle * (recovered * flip.cosine * scale - n * da * scale);
            put(g + 10, ur * byb, ui * byb);
        }
    }
};

// m0, t1, b1, efficiency; time, flip angle, repetition time (the same at all times)
template <class V>
struct LookLocker {
    static constexpr int parameters = 4, rows = 3, components = 1;
    using T = Real<V>;
    V m0, efficiency, rate, apparent, steady, by_rate, by_b1, apparent_by_b1, sine, sine_by_b1;
    MRIOPS_HD void prepare(const V* p, const Design<T>& d) {
        const T angle = d.at(1, 0), tr = d.at(2, 0);
        m0 = p[0], rate = rate_of(p[1]), efficiency = p[3];
        const V recovered = -exp_minus_one(-tr * rate), e = T(1) - recovered;
        const Flip<V> flip(angle * p[2]);
        const V scale = one_over<V>(flip.lost + recovered * flip.cosine, recovered);
        apparent = rate - log_of(flip.cosine) / tr;
        steady = recovered * scale;
        by_rate = tr * e * flip.lost * scale * scale;
        by_b1 = -angle * flip.sine * recovered * e * scale * scale;
        apparent_by_b1 = angle * flip.sine / (flip.cosine * tr);
        sine = flip.sine, sine_by_b1 = angle * flip.cosine;
    }
    template <bool J>
    MRIOPS_HD void at(int64_t i, const Design<T>& d, V* s, V* g) {
        const T t = d.at(0, i);
        const V e = exp_of(-t * apparent), m = steady - (steady + efficiency) * e;
        s[0] = m0 * sine * m;
        if constexpr (J) {
            const V by_apparent = t * (steady + efficiency) * e;
            g[0] = sine * m, g[3] = -m0 * sine * e;
            g[1] = -m0 * sine * (by_rate * (T(1) - e) + by_apparent) * rate * rate;
            g[2] = m0 * (sine_by_b1 * m + sine * (by_b1 * (T(1) - e) + by_apparent * apparent_by_b1));
        }
    }
};

// m0, t1, b1, efficiency; per train of pulses: delay before it, flip angle, repetition time, pulses before and from the
// centre on; and the delay before the next inversion. In the steady state, as in MP2RAGE.
template <class V>
struct GradientEchoTrains {
    static constexpr int parameters = 4, rows = 6, components = 1;
    using T = Real<V>;
    struct State {  // Mz and its derivatives for t1, b1, efficiency
        V m, d[3];
    };
    V m0, rate, b1, efficiency;
    State now;

    MRIOPS_HD void recover(State& s, T time) const {
        const V x = time * rate, recovered = -exp_minus_one(-x), e = T(1) - recovered;
        const V by_t1 = (e * x) * rate;
        s.d[0] = s.d[0] * e + (s.m - T(1)) * by_t1, s.d[1] = s.d[1] * e, s.d[2] = s.d[2] * e;
        s.m = s.m * e + recovered;
    }
    MRIOPS_HD static V power(V x, int n) {
        V y = fill<V>(T(1));
        for (; n > 0; n >>= 1, x = x * x)
            if (n & 1) y = y * x;
        return y;
    }
    // m -> m x^n + (1 - e) (1 - x^n) / (1 - x), x = cos(flip) e
    MRIOPS_HD void pulses(State& s, T angle, T tr, T count) const {
        const int n = int(count + T(0.5));
        if (n <= 0) return;
        const V y = tr * rate, recovered = -exp_minus_one(-y), e = T(1) - recovered;
        const Flip<V> flip(angle * b1);
        const V x = flip.cosine * e, before = power(x, n - 1), kept = before * x;
        const V scale = one_over<V>(flip.lost + recovered * flip.cosine, recovered);
        const V sum = (T(1) - kept) * scale;
        const V by_x = T(n) * before * (s.m - recovered * scale) + recovered * sum * scale;
        const V e_by_t1 = (e * y) * rate;
        s.d[0] = s.d[0] * kept + by_x * flip.cosine * e_by_t1 - sum * e_by_t1;
        s.d[1] = s.d[1] * kept - by_x * e * angle * flip.sine;
        s.d[2] = s.d[2] * kept;
        s.m = s.m * kept + recovered * sum;
    }
    MRIOPS_HD void invert(State& s) const {
        for (int k = 0; k < 3; ++k) s.d[k] = -efficiency * s.d[k];
        s.d[2] = s.d[2] - s.m;
        s.m = -efficiency * s.m;
    }
    MRIOPS_HD void cycle(State& s, const Design<T>& d) const {
        invert(s);
        for (int64_t i = 0; i < d.steps; ++i) {
            recover(s, d.at(0, i));
            pulses(s, d.at(1, i), d.at(2, i), d.at(3, i) + d.at(4, i));
        }
        recover(s, d.at(5, 0));
    }
    MRIOPS_HD void prepare(const V* p, const Design<T>& d) {
        m0 = p[0], rate = rate_of(p[1]), b1 = p[2], efficiency = p[3];
        // A cycle maps m to a m + b; its fixed point is the steady state.
        State zero = {V{}, {V{}, V{}, V{}}}, one = {fill<V>(T(1)), {V{}, V{}, V{}}};
        cycle(zero, d);
        cycle(one, d);
        const V scale = T(1) / (T(1) - (one.m - zero.m));
        now.m = zero.m * scale;
        for (int k = 0; k < 3; ++k) now.d[k] = (zero.d[k] + now.m * (one.d[k] - zero.d[k])) * scale;
        invert(now);
    }
    template <bool J>
    MRIOPS_HD void at(int64_t i, const Design<T>& d, V* s, V* g) {
        const T angle = d.at(1, i);
        recover(now, d.at(0, i));
        pulses(now, angle, d.at(2, i), d.at(3, i));
        V sine, cosine;
        sincos_of(V(angle * b1), sine, cosine);
        s[0] = m0 * sine * now.m;
        if constexpr (J) {
            g[0] = sine * now.m;
            for (int k = 0; k < 3; ++k) g[k + 1] = m0 * sine * now.d[k];
            g[2] = g[2] + m0 * angle * cosine * now.m;
        }
        pulses(now, angle, d.at(2, i), d.at(4, i));
    }
};

}  // namespace
}  // namespace mriops
