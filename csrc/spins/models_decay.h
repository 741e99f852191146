// Signal models without memory from one time to the next: decays, recoveries, diffusion, species with a phase.
//
// A model has `parameters` inputs per voxel, `rows` rows of design, `components` (2: complex) and
//   prepare(p, design)      once per voxel
//   at<J>(i, design, s, g)  signal s[component] at time i and, with J, its partial derivatives g[parameter][component]
// Parameters come in the order of the table in python/mriops/_native/signal_models.py.
#pragma once
#include "models_math.h"

namespace mriops {
namespace {

// m0, t2; time
template <class V>
struct MonoExponential {
    static constexpr int parameters = 2, rows = 1, components = 1;
    using T = Real<V>;
    V m0, rate;
    MRIOPS_HD void prepare(const V* p, const Design<T>&) { m0 = p[0], rate = rate_of(p[1]); }
    template <bool J>
    MRIOPS_HD void at(int64_t i, const Design<T>& d, V* s, V* g) {
        const V x = d.at(0, i) * rate, e = exp_of(-x);
        s[0] = m0 * e;
        if constexpr (J) g[0] = e, g[1] = m0 * (e * x) * rate;
    }
};

// m0, fraction, t2_short, t2_long; time
template <class V>
struct BiExponential {
    static constexpr int parameters = 4, rows = 1, components = 1;
    using T = Real<V>;
    V m0, fraction, fast, slow;
    MRIOPS_HD void prepare(const V* p, const Design<T>&) {
        m0 = p[0], fraction = p[1], fast = rate_of(p[2]), slow = rate_of(p[3]);
    }
    template <bool J>
    MRIOPS_HD void at(int64_t i, const Design<T>& d, V* s, V* g) {
        const V x = d.at(0, i) * fast, y = d.at(0, i) * slow, a = exp_of(-x), b = exp_of(-y);
        const V mixed = fraction * a + (T(1) - fraction) * b;
        s[0] = m0 * mixed;
        if constexpr (J) {
            g[0] = mixed, g[1] = m0 * (a - b);
            g[2] = m0 * fraction * (a * x) * fast, g[3] = m0 * (T(1) - fraction) * (b * y) * slow;
        }
    }
};

// m0, t2, exponent; time
template <class V>
struct StretchedExponential {
    static constexpr int parameters = 3, rows = 1, components = 1;
    using T = Real<V>;
    V m0, exponent, rate, log_rate;
    MRIOPS_HD void prepare(const V* p, const Design<T>&) {
        m0 = p[0], exponent = p[2], rate = rate_of(p[1]), log_rate = log_of(rate);
    }
    template <bool J>
    MRIOPS_HD void at(int64_t i, const Design<T>& d, V* s, V* g) {
        const V l = scalar_log(d.at(0, i)) + log_rate;  // -inf at time 0, whose signal is m0 for any exponent
        const auto start = l == -T(__builtin_inf());
        const V x = start ? V{} : exp_of(exponent * (start ? V{} : l)), e = exp_of(-x);
        s[0] = m0 * e;
        if constexpr (J) {
            const V ex = x > T(1000) ? V{} : e * x;  // where x may be infinite, e is 0
            g[0] = e, g[1] = m0 * ex * exponent * rate;
            g[2] = x > T(0) ? -m0 * ex * l : V{} * exponent;
        }
    }
};

// m0, t1, efficiency; inversion time, repetition time
template <class V>
struct InversionRecovery {
    static constexpr int parameters = 3, rows = 2, components = 1;
    using T = Real<V>;
    V m0, efficiency, rate, y, f;
    T repetition_time;
    MRIOPS_HD void prepare(const V* p, const Design<T>&) {
        m0 = p[0], rate = rate_of(p[1]), efficiency = p[2], repetition_time = T(__builtin_nan(""));
    }
    template <bool J>
    MRIOPS_HD void at(int64_t i, const Design<T>& d, V* s, V* g) {
        // Nearly always the same for all times.
        if (d.at(1, i) != repetition_time) repetition_time = d.at(1, i), y = repetition_time * rate, f = exp_of(-y);
        const V x = d.at(0, i) * rate, e = exp_of(-x);
        const V m = T(1) - (T(1) + efficiency) * e + efficiency * f;
        s[0] = m0 * m;
        if constexpr (J) {
            g[0] = m, g[2] = m0 * (f - e);
            g[1] = m0 * (efficiency * (f * y) - (T(1) + efficiency) * (e * x)) * rate;
        }
    }
};

// m0, t1, efficiency; saturation time
template <class V>
struct SaturationRecovery {
    static constexpr int parameters = 3, rows = 1, components = 1;
    using T = Real<V>;
    V m0, efficiency, rate;
    MRIOPS_HD void prepare(const V* p, const Design<T>&) { m0 = p[0], rate = rate_of(p[1]), efficiency = p[2]; }
    template <bool J>
    MRIOPS_HD void at(int64_t i, const Design<T>& d, V* s, V* g) {
        const V x = d.at(0, i) * rate, recovered = -exp_minus_one(-x), e = T(1) - recovered;
        const V m = (T(1) - efficiency) + efficiency * recovered;
        s[0] = m0 * m;
        if constexpr (J) g[0] = m, g[1] = -m0 * efficiency * (e * x) * rate, g[2] = -m0 * e;
    }
};

// m0, t1, efficiency; inversion time. T1* = t1 / efficiency, which is the Look-Locker correction.
template <class V>
struct Molli {
    static constexpr int parameters = 3, rows = 1, components = 1;
    using T = Real<V>;
    V m0, efficiency, rate;
    MRIOPS_HD void prepare(const V* p, const Design<T>&) { m0 = p[0], rate = rate_of(p[1]), efficiency = p[2]; }
    template <bool J>
    MRIOPS_HD void at(int64_t i, const Design<T>& d, V* s, V* g) {
        const V y = d.at(0, i) * rate, x = y * efficiency, e = exp_of(-x);
        const V m = T(1) - (T(1) + efficiency) * e;
        s[0] = m0 * m;
        if constexpr (J) {
            g[0] = m, g[1] = -m0 * (T(1) + efficiency) * (e * x) * rate;
            g[2] = m0 * ((T(1) + efficiency) * (y * e) - e);
        }
    }
};

// m0, rates[K]; K rows: exponent -sum_k design[k] rates[k]
template <class V, int K>
struct ExponentialOfSum {
    static constexpr int parameters = K + 1, rows = K, components = 1;
    using T = Real<V>;
    const V* p;
    MRIOPS_HD void prepare(const V* values, const Design<T>&) { p = values; }
    template <bool J>
    MRIOPS_HD void at(int64_t i, const Design<T>& d, V* s, V* g) {
        V x = V{};
        MRIOPS_MODELS_UNROLL
        for (int k = 0; k < K; ++k) x = x + d.at(k, i) * p[k + 1];
        const V e = exp_of(-x);
        s[0] = p[0] * e;
        if constexpr (J) {
            g[0] = e;
            MRIOPS_MODELS_UNROLL
            for (int k = 0; k < K; ++k) g[k + 1] = -d.at(k, i) * s[0];
        }
    }
};
template <class V>
using Diffusion = ExponentialOfSum<V, 1>;
template <class V>
using DiffusionTensor = ExponentialOfSum<V, 6>;

// m0, tensor[6], kurtosis[15]; 6 rows of the tensor, 15 of the kurtosis tensor times MD^2, MD = trace / 3
template <class V>
struct DiffusionKurtosis {
    static constexpr int parameters = 22, rows = 21, components = 1;
    using T = Real<V>;
    const V* p;
    V mean;
    MRIOPS_HD void prepare(const V* values, const Design<T>&) { p = values, mean = (p[1] + p[2] + p[3]) * T(1. / 3); }
    template <bool J>
    MRIOPS_HD void at(int64_t i, const Design<T>& d, V* s, V* g) {
        V x = V{}, excess = V{};
        MRIOPS_MODELS_UNROLL
        for (int k = 0; k < 6; ++k) x = x + d.at(k, i) * p[k + 1];
        MRIOPS_MODELS_UNROLL
        for (int k = 6; k < 21; ++k) excess = excess + d.at(k, i) * p[k + 1];
        const V square = mean * mean, e = exp_of(-(x + square * excess));
        s[0] = p[0] * e;
        if constexpr (J) {
            g[0] = e;
            const V of_mean = T(2. / 3) * mean * excess;
            MRIOPS_MODELS_UNROLL
            for (int k = 0; k < 6; ++k) g[k + 1] = -(k < 3 ? d.at(k, i) + of_mean : fill<V>(d.at(k, i))) * s[0];
            MRIOPS_MODELS_UNROLL
            for (int k = 6; k < 21; ++k) g[k + 1] = -(d.at(k, i) * square) * s[0];
        }
    }
};

// m0, fraction, fast and slow diffusion; b-value
template <class V>
struct Ivim {
    static constexpr int parameters = 4, rows = 1, components = 1;
    using T = Real<V>;
    V m0, fraction, fast, slow;
    MRIOPS_HD void prepare(const V* p, const Design<T>&) { m0 = p[0], fraction = p[1], fast = p[2], slow = p[3]; }
    template <bool J>
    MRIOPS_HD void at(int64_t i, const Design<T>& d, V* s, V* g) {
        const T b = d.at(0, i);
        const V x = exp_of(-b * fast), y = exp_of(-b * slow), mixed = fraction * x + (T(1) - fraction) * y;
        s[0] = m0 * mixed;
        if constexpr (J) {
            g[0] = mixed, g[1] = m0 * (x - y);
            g[2] = -b * m0 * fraction * x, g[3] = -b * m0 * (T(1) - fraction) * y;
        }
    }
};

// water (re, im), fat (re, im), off-resonance, r2star; echo time, fat phasor (re, im)
template <class V>
struct WaterFat {
    static constexpr int parameters = 6, rows = 3, components = 2;
    using T = Real<V>;
    V water[2], fat[2], turn, decay;
    MRIOPS_HD void prepare(const V* p, const Design<T>&) {
        water[0] = p[0], water[1] = p[1], fat[0] = p[2], fat[1] = p[3];
        turn = T(-6.283185307179586477) * p[4], decay = p[5];
    }
    template <bool J>
    MRIOPS_HD void at(int64_t i, const Design<T>& d, V* s, V* g) {
        const T t = d.at(0, i), cr = d.at(1, i), ci = d.at(2, i);
        const V e = exp_of(-t * decay);
        V sine, cosine;
        sincos_of(V(t * turn), sine, cosine);
        const V wr = e * cosine, wi = e * sine;
        const V re = water[0] + fat[0] * cr - fat[1] * ci, im = water[1] + fat[0] * ci + fat[1] * cr;
        s[0] = re * wr - im * wi, s[1] = re * wi + im * wr;
        if constexpr (J) {
            g[0] = wr, g[1] = wi, g[2] = -wi, g[3] = wr;
            g[4] = wr * cr - wi * ci, g[5] = wr * ci + wi * cr, g[6] = -g[5], g[7] = g[4];
            const T w = T(-6.283185307179586477) * t;
            g[8] = -w * s[1], g[9] = w * s[0];
            g[10] = -t * s[0], g[11] = -t * s[1];
        }
    }
};

// m0 (re, im), velocity[3]; encoding[3]
template <class V>
struct PhaseContrast {
    static constexpr int parameters = 5, rows = 3, components = 2;
    using T = Real<V>;
    const V* p;
    MRIOPS_HD void prepare(const V* values, const Design<T>&) { p = values; }
    template <bool J>
    MRIOPS_HD void at(int64_t i, const Design<T>& d, V* s, V* g) {
        V sine, cosine;
        sincos_of(V(d.at(0, i) * p[2] + d.at(1, i) * p[3] + d.at(2, i) * p[4]), sine, cosine);
        s[0] = p[0] * cosine - p[1] * sine, s[1] = p[0] * sine + p[1] * cosine;
        if constexpr (J) {
            g[0] = cosine, g[1] = sine, g[2] = -sine, g[3] = cosine;
            for (int k = 0; k < 3; ++k) g[4 + 2 * k] = -d.at(k, i) * s[1], g[5 + 2 * k] = d.at(k, i) * s[0];
        }
    }
};

}  // namespace
}  // namespace mriops
