// What fits read and write: the arrays of a problem, and a vector of voxels, side by side or picked from a list.
#pragma once
#include "../core/by_dtype.h"
#include "lane_math.h"
#include "models.h"

namespace mriops {
namespace {

template <class T>
struct Inputs {
    const FitProblem& p;
    const T *signal, *start, *atoms, *atom_solve, *atom_parameters, *grid, *grid_parameters, *bounds, *design;
    T *parameters, *deviation, *cost;
    int32_t* iterations;

    // Real samples per voxel.
    int64_t rows() const { return p.signal.steps * p.signal.components(); }
};

template <class T>
inline Inputs<T> inputs_of(const FitProblem& p, const FitArrays& f) {
    return {p,
            MRIOPS_IN(f.signal),
            MRIOPS_IN(f.start),
            MRIOPS_IN(f.atoms),
            MRIOPS_IN(f.atom_solve),
            MRIOPS_IN(f.atom_parameters),
            MRIOPS_IN(f.grid),
            MRIOPS_IN(f.grid_parameters),
            MRIOPS_IN(f.bounds),
            MRIOPS_IN(f.design),
            MRIOPS_OUT(f.parameters),
            MRIOPS_OUT(f.deviation),
            MRIOPS_OUT(f.cost),
            static_cast<int32_t*>(f.iterations)};
}

// What rounding is, of one number.
template <class T>
constexpr T rounding() {
    return sizeof(T) == 4 ? T(1.2e-7) : T(2.2e-16);
}

template <class T>
inline bool all_lanes(LaneBits<T> bits, int lanes) {
    bool all = true;
    for (int l = 0; l < lanes; ++l) all = all && bits[l] != 0;
    return all;
}

template <class T>
inline LaneVec<T> clamp_lanes(LaneVec<T> x, LaneVec<T> low, LaneVec<T> high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

// Below this a rise of the cost is rounding of the signal: |r . dr| with |dr| = eps |y|.
template <class T>
inline LaneVec<T> cost_rounding(LaneVec<T> power, LaneVec<T> cost) {
    constexpr T eps = rounding<T>();
    return lane_sqrt<T>(power * cost) * (T(4) * eps) + power * (T(64) * eps * eps);
}

// Up to one vector of voxels: from `first` on, or those of a list, counted from `first`.
template <class T>
struct Voxels {
    using V = LaneVec<T>;
    static constexpr int W = LaneOf<T>::width;
    int64_t first;
    int count;
    const int32_t* list;

    V load(const T* from, int64_t stride = 1, T rest = T(0)) const {
        from += first * stride;
        if (list == nullptr && stride == 1) return lane_load(from, count, rest);
        V v = lane_fill<T>(rest);
        for (int l = 0; l < count; ++l) v[l] = from[(list != nullptr ? list[l] : l) * stride];
        return v;
    }
    void store(T* to, V v) const {
        to += first;
        if (list == nullptr) return lane_store(to, v, count);
        for (int l = 0; l < count; ++l) to[list[l]] = v[l];
    }
    void store(int32_t* to, LaneBits<T> v) const {
        to += first;
        for (int l = 0; l < count; ++l) to[list != nullptr ? list[l] : l] = int32_t(v[l]);
    }
    // All samples of the signal, sample after sample, a vector each; returns the sum of their squares.
    V load_signal(const Inputs<T>& a, T* y) const {
        const SignalProblem& p = a.p.signal;
        const int C = p.components();
        V power = {};
        for (int64_t i = 0; i < p.steps; ++i)
            for (int c = 0; c < C; ++c) {
                const V v = load(a.signal + i * p.voxels * C + c, C);
                lane_store(y + (i * C + c) * W, v);
                power = power + v * v;
            }
        return power;
    }
    // Parameters that are known, and where others begin; one value may serve all voxels.
    void load_start(const Inputs<T>& a, T* values) const {
        const SignalProblem& p = a.p.signal;
        for (int k = 0; k < p.size.parameters; ++k)
            lane_store(values + k * W,
                       a.p.one_start ? lane_fill<T>(a.start[k]) : load(a.start + k * p.voxels, 1, T(1)));
    }
    // Writes what the fit leaves as the standard deviation of the noise, where that is asked for, or half its squares;
    // returns what deviations for noise of 1 are to be multiplied with.
    V store_noise(const Inputs<T>& a, V cost, int n_free) const {
        const int64_t freedom = a.rows() - n_free;
        const V noise = freedom > 0 ? lane_sqrt<T>(cost * (T(2) / T(freedom))) : lane_fill<T>(T(__builtin_nan("")));
        store(a.cost, a.p.estimate_noise ? noise : cost);
        return a.p.estimate_noise ? noise : lane_fill<T>(T(1));
    }
    // Nothing is known of a parameter of infinite variance, even where the fit leaves nothing.
    static V deviation(V noise, V variance) {
        const V inf = lane_fill<T>(T(__builtin_inf()));
        return variance == inf ? inf : noise * lane_sqrt<T>(variance);
    }
    // Negative: not converged.
    void store_steps(int32_t* to, V steps, LaneBits<T> converged) const {
        const LaneBits<T> n = __builtin_convertvector(steps, LaneBits<T>);
        store(to, converged ? n : -n);
    }
};

}  // namespace
}  // namespace mriops
