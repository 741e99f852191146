// A block of atoms with two pools on its way through a train: its own parameters, the numbers of each segment, and its
// samples.
#pragma once
#include <cmath>

#include "epgx.h"
#include "epgx_sweep.h"

namespace mriops {
namespace {

// As epg_dropped: what comes back from a dropped order has decayed by this factor at least.
constexpr double epgx_log_dropped = 9.210340371976182;  // -ln(1e-4)
constexpr double epgx_two_pi = 6.28318530717958647692;

// What all atoms of one item of the batch share.
struct PoolTrain {
    const EpgSegment* segments;
    const int* offsets;  // per sample
    int64_t count, samples, atoms, all_segments;
    int64_t orders, most_orders;
    int pad;
};
template <class T>
struct PoolArrays {
    const T *pulses, *readouts, *tissue;
    const T *d_pulses, *d_readouts, *d_tissue;
};

template <class T, class S, bool Both>
struct PoolBlock {
    using R = typename StateOf<S>::Real;
    static constexpr bool dual = Parts<R>::dual;
    static constexpr int pools = Both ? 2 : 1;

    const PoolTrain& train;
    PoolArrays<T> arrays;
    int64_t first;
    int lanes;
    int64_t orders;
    R tissue[epgx_tissue_rows];
    R equilibrium[2];

    // Numbers that often repeat from segment to segment, and from sample to sample.
    T last_duration[2], last_flip[2], last_time[2];
    bool have_duration, have_flip, have_time, last_adiabatic;
    R sine, cosine;
    R decay, sample_decay;  // of F_a, without Both
    Interval<R> longitudinal;
    Interval<S> transverse, sample_transverse;  // with Both

    MRIOPS_LANE_INLINE PoolBlock(const PoolTrain& t, const PoolArrays<T>& a, int64_t first_atom, int lane_count)
        : train(t), arrays(a), first(first_atom), lanes(lane_count) {
        have_duration = have_flip = have_time = last_adiabatic = false;
        for (int row = 0; row < epgx_tissue_rows; ++row) {
            const int64_t at = row * t.atoms + first;
            tissue[row].v = lane_load(a.tissue + at, lanes, a.tissue[at]);
            if constexpr (dual) tissue[row].d = lane_load(a.d_tissue + at, lanes);
        }
        equilibrium[1] = tissue[epgx_fraction];
        equilibrium[0] = number<R>(T(1)) - tissue[epgx_fraction];
        orders = t.orders && t.orders < t.most_orders ? t.orders : t.most_orders;
    }

    // What no block with that slowest decay, and no shorter time per order, can see again.
    MRIOPS_LANE_INLINE void drop_orders(T slowest, T shortest) {
        const T wanted = T(epgx_log_dropped) / (2 * slowest * shortest) + 2;
        if (shortest > T(0) && wanted >= T(1) && wanted < T(train.most_orders)) orders = int64_t(wanted) + 1;
    }
    // The slowest decay of the atoms of this block.
    MRIOPS_LANE_INLINE T slowest_decay() const {
        T slowest = INFINITY;
        for (int i = 0; i < LaneOf<T>::width; ++i)
            for (int pool = 0; pool < pools; ++pool) {
                const T rate = lane_at(tissue[pool ? epgx_r2_b : epgx_r2_a].v, i);
                if (rate < slowest) slowest = rate;
            }
        return slowest;
    }
    // The shortest time in which states move by one order, of segments first, first + stride ...
    static MRIOPS_LANE_INLINE T shortest_move(const PoolTrain& train, const PoolArrays<T>& arrays, int64_t first,
                                              int64_t stride) {
        T shortest = INFINITY;
        const T* duration = arrays.pulses + epgx_duration * train.all_segments;
        for (int64_t n = first; n + 1 < train.count; n += stride) {
            const EpgSegment& s = train.segments[n];
            if (!s.shift || s.spoil) continue;
            const T each = duration[n] / T(s.shift < 0 ? -s.shift : s.shift);
            if (each < shortest) shortest = each;
        }
        return shortest;
    }
    MRIOPS_LANE_INLINE int64_t live(int64_t n) const {
        const EpgSegment& s = train.segments[n];
        const int64_t there = s.reach < s.needed ? s.reach : s.needed;
        return orders < there ? orders : there;
    }
    MRIOPS_LANE_INLINE PoolSize size() const { return {orders, train.pad, Both}; }

    MRIOPS_LANE_INLINE R of_pulse(EpgxPulse row, int64_t n) const {
        const int64_t at = row * train.all_segments + n;
        R r = number<R>(arrays.pulses[at]);
        if constexpr (dual) r.d = lane_fill<T>(arrays.d_pulses[at]);
        return r;
    }
    MRIOPS_LANE_INLINE R of_readout(EpgxReadout row, int64_t j) const {
        const int64_t at = row * train.samples + j;
        R r = number<R>(arrays.readouts[at]);
        if constexpr (dual) r.d = lane_fill<T>(arrays.d_readouts[at]);
        return r;
    }
    static MRIOPS_LANE_INLINE bool renew(T (&last)[2], bool& have, const R& now) {
        const T value = lane_at(now.v, 0);
        T tangent = 0;
        if constexpr (dual) tangent = lane_at(now.d, 0);
        if (have && last[0] == value && last[1] == tangent) return false;
        last[0] = value;
        last[1] = tangent;
        return have = true;
    }

    MRIOPS_LANE_INLINE R omega() const { return times_number(T(epgx_two_pi), tissue[epgx_off_resonance]); }
    MRIOPS_LANE_INLINE R omega_b() const { return times_number(T(epgx_two_pi), tissue[epgx_off_resonance_b]); }
    MRIOPS_LANE_SELDOM Interval<R> longitudinal_over(R time) const {
        return interval<R>(time * tissue[epgx_r1_a], time * tissue[epgx_r1_b], time * tissue[epgx_k_ab],
                           time * tissue[epgx_k_ba]);
    }
    MRIOPS_LANE_SELDOM Interval<S> transverse_over(R time) const {
        S rate_b = embed<S>(tissue[epgx_r2_b]);
        if constexpr (StateOf<S>::complex) rate_b.im = omega_b();
        return interval<S>(embed<S>(time * tissue[epgx_r2_a]), scaled(time, rate_b), embed<S>(time * tissue[epgx_k_ab]),
                           embed<S>(time * tissue[epgx_k_ba]));
    }

    MRIOPS_LANE_INLINE void set_flip(int64_t n) {
        const R flip = of_pulse(epgx_flip_angle, n);
        const bool adiabatic = train.segments[n].adiabatic, other = adiabatic != last_adiabatic;
        if (!renew(last_flip, have_flip, flip) && !other) return;
        last_adiabatic = adiabatic;
        sincos(adiabatic ? flip : flip * tissue[epgx_b1], sine, cosine);
    }
    // b1^2, which the saturation of a pulse is to be multiplied by.
    MRIOPS_LANE_INLINE R power(int64_t n) const {
        return train.segments[n].adiabatic ? number<R>(T(1)) : tissue[epgx_b1] * tissue[epgx_b1];
    }
    MRIOPS_LANE_INLINE R left_by(int64_t n) const { return exp(-(of_pulse(epgx_saturation, n) * power(n))); }
    // Turn of the frame from pulse n - 1 to pulse n.
    MRIOPS_LANE_INLINE S turn(int64_t n) const {
        S r = embed<S>(number<R>(T(1)));
        if constexpr (StateOf<S>::complex) {
            sincos(omega() * of_pulse(epgx_duration, n - 1) + of_pulse(epgx_phase, n) - of_pulse(epgx_phase, n - 1),
                   r.im, r.re);
            r.im = -r.im;
        }
        return r;
    }
    MRIOPS_LANE_INLINE void set_duration(int64_t n) {
        const R duration = of_pulse(epgx_duration, n);
        if (!renew(last_duration, have_duration, duration)) return;
        longitudinal = longitudinal_over(duration);
        if constexpr (Both)
            transverse = transverse_over(duration);
        else
            decay = exp(-(duration * tissue[epgx_r2_a]));
    }
    // From the states after pulse n - 1 to those after pulse n, n >= 1.
    MRIOPS_LANE_SELDOM PoolStep<S> step(int64_t n) {
        set_duration(n - 1);
        set_flip(n);
        PoolStep<S> s{};
        s.sine = sine;
        s.cosine = cosine;
        s.shift = train.segments[n - 1].shift;
        if constexpr (!Both) s.saturation = left_by(n);
        for (int i = 0; i < 2; ++i) {
            s.grown[i] = equilibrium[i];
            for (int j = 0; j < 2; ++j) {
                s.exchange[i][j] = longitudinal.e[i][j];
                s.grown[i] = s.grown[i] - longitudinal.e[i][j] * equilibrium[j];
            }
        }
        if (train.segments[n - 1].spoil) return s;
        const S turned = turn(n);
        if constexpr (Both) {
            for (int i = 0; i < 2; ++i)
                for (int j = 0; j < 2; ++j) s.precession[i][j] = turned * transverse.e[i][j];
        } else {
            s.precession[0][0] = scaled(decay, turned);
        }
        return s;
    }
    // The same for a team.
#if defined(MRIOPS_LANE_SCALAR)
    PoolStep<S> common;
    MRIOPS_HD const PoolStep<S>& shared_step(int64_t n) {
        if (Team::first()) common = step(n);
        Team::sync();
        return common;
    }
#else
    MRIOPS_LANE_INLINE PoolStep<S> shared_step(int64_t n) { return step(n); }
#endif
    // After the first pulse, which finds equilibrium.
    MRIOPS_LANE_INLINE void start(const PoolStates<S>& x) {
        set_flip(0);
        for (int i = 0; i < pools; ++i) {
            x.u(i)[0] = x.v(i)[0] = embed<S>(sine * equilibrium[i]);
            x.w(i)[0] = embed<S>(cosine * equilibrium[i]);
        }
        if constexpr (!Both) x.w(1)[0] = embed<S>(left_by(0) * equilibrium[1]);
    }

    // The state that a sample reads, and where its gradient goes.
    MRIOPS_LANE_INLINE S state_of(const PoolStates<S>& x, int pool, int64_t n, int offset) const {
        const int k = offset < 0 ? -offset : offset;
        if (k >= live(n)) return S{};
        return offset <= 0 ? x.u(pool)[k] : conjugate(x.v(pool)[k]);
    }
    MRIOPS_LANE_INLINE void add_to_state(const PoolStates<S>& x, int pool, int64_t n, int offset, S g) const {
        const int k = offset < 0 ? -offset : offset;
        if (k >= live(n)) return;
        if (offset <= 0)
            x.u(pool)[k] = x.u(pool)[k] + g;
        else
            x.v(pool)[k] = x.v(pool)[k] + conjugate(g);
    }
    // From the frame of pulse n to the receiver's at sample j.
    MRIOPS_LANE_INLINE Pair<R> frame(int64_t n, int64_t j) {
        const R time = of_readout(epgx_time, j);
        if (renew(last_time, have_time, time)) {
            if constexpr (Both)
                sample_transverse = transverse_over(time);
            else
                sample_decay = exp(-(time * tissue[epgx_r2_a]));
        }
        R angle = of_pulse(epgx_phase, n) - of_readout(epgx_receiver_phase, j);
        if constexpr (StateOf<S>::complex) angle = angle - omega() * time;
        R sine_of, cosine_of;
        sincos(angle, sine_of, cosine_of);
        return {-sine_of, cosine_of};  // i times
    }
    // What is left of the states of a pool, in what pools it is, at the sample that frame() was called for.
    MRIOPS_LANE_INLINE S left(int pool) const {
        if constexpr (Both)
            return sample_transverse.e[0][pool] + sample_transverse.e[1][pool];
        else
            return embed<S>(sample_decay);
    }
    static MRIOPS_LANE_INLINE Pair<R> widen(S a) { return {real_part(a), imaginary_part(a)}; }
    // F_a + F_b at sample j of segment n, without m0.
    MRIOPS_LANE_INLINE Pair<R> sample(const PoolStates<S>& x, int64_t n, int64_t j) {
        const Pair<R> turned = frame(n, j);
        S sum{};
        for (int i = 0; i < pools; ++i) sum = sum + left(i) * state_of(x, i, n, train.offsets[j]);
        return turned * widen(sum);
    }
};

}  // namespace
}  // namespace mriops
