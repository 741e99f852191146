// Extended phase graphs on a device: one warp per atom, its lanes share the dephasing orders.
//
// Numbers that an atom has one of are computed by all lanes alike; states lie in shared memory or in the workspace, and
// lane k % 32 writes order k. Reads across lanes come after a __syncwarp.
//
// The numbers (epg_numbers.h) and the unrolled train (epg_train.h) are those of the CPU. The formulas of epg_block.h,
// epg_sweep.h, epg_tangents.h and the reverse sweep stand in the .cuh and .cu a second time, because there all orders
// belong to one thread and atoms fill its vector: whoever changes one changes the other, and
// tests/ops/test_contracts.py holds both to the same references.
#pragma once
#define MRIOPS_LANE_SCALAR
#include "../core/gpu.h"

#include "epg.h"
#include "epg_numbers.h"
#include "epg_spread.h"

namespace mriops::cuda::phase_graphs {

constexpr int kWarp = 32, kWarps = 4, kThreads = kWarp * kWarps;
constexpr double kPi = 3.14159265358979323846;
constexpr double kHalfLogDropped = 4.605170185988091;  // -ln(epg_dropped) / 2, see epg_block.h

// A segment of a train as the host sends it.
enum Field : int { shift_field, flags_field, first_sample_field, samples_field, live_field, fields };

struct Train {
    const int32_t* segments;  // (count, fields)
    const int32_t* offsets;   // per sample
    int64_t count, samples, atoms, orders, most_orders;
    int pad;
    bool odd_orders, real_signal, inverts;

    __device__ __forceinline__ int field(int64_t n, Field which) const { return segments[n * fields + which]; }
    __device__ __forceinline__ int shift(int64_t n) const { return field(n, shift_field); }
    __device__ __forceinline__ bool spoil(int64_t n) const { return field(n, flags_field) & epg_spoil; }
    __device__ __forceinline__ bool adiabatic(int64_t n) const { return field(n, flags_field) & epg_adiabatic; }
    __host__ __device__ int64_t row() const { return most_orders + 2 * pad; }
    __host__ __device__ int64_t entries() const { return 3 * row(); }
};

struct Call {
    Train train;
    EpgArrays arrays;
    int64_t workers;  // warps
    void* states;     // of each warp, `moments` times `entries`; nullptr: in shared memory
    int64_t moments;
    double* sums;  // (workers, length): gradients of the sequence
    int64_t length;
    int64_t sum_at[epg_sequence_arguments];  // where each argument's are; negative: not wanted
};

__device__ __forceinline__ int lane_of() { return int(threadIdx.x % kWarp); }
__device__ __forceinline__ int64_t worker_of() { return (blockIdx.x * int64_t(kThreads) + threadIdx.x) / kWarp; }
template <class T>
__device__ __forceinline__ T warp_sum(T x) {
    for (int bits = kWarp / 2; bits > 0; bits /= 2) x += __shfl_xor_sync(0xffffffffu, x, bits);
    return x;
}
template <class T>
__device__ __forceinline__ Plain<T> over_lanes(Plain<T> x) {
    return {warp_sum(x.v)};
}
template <class T>
__device__ __forceinline__ Dual<T> over_lanes(Dual<T> x) {
    return {warp_sum(x.v), warp_sum(x.d)};
}

template <class S>
struct States {
    S *u, *v, *w;
};
template <class S>
__device__ __forceinline__ States<S> states_at(S* memory, const Train& t) {
    return {memory + t.pad, memory + t.row() + t.pad, memory + 2 * t.row() + t.pad};
}

// Relaxation and precession since the last pulse, then the pulse: see Step of the CPU.
template <class S>
struct Step {
    using R = typename StateOf<S>::Real;
    using T = typename R::Real;
    S precession;
    R recovery, sine, cosine;
    int shift;
    bool odd_orders, negate_mirror, damped;
    R rate;  // minus that of diffusion times the duration
    EpgSpread spread;

    __device__ __forceinline__ R along_u(int64_t k) const { return number<R>(spread.transverse<T>(k)); }
    __device__ __forceinline__ R along_v(int64_t k) const { return along_u(k + shift); }
    __device__ __forceinline__ R along_w(int64_t k) const { return number<R>(spread.longitudinal<T>(k)); }
};

// One atom on its way through a train: see Block of the CPU.
template <class T, class S>
struct Atom {
    using R = typename StateOf<S>::Real;
    static constexpr bool dual = sizeof(R) == 2 * sizeof(T);

    const Train& train;
    const EpgArrays& arrays;
    int64_t index, orders;
    R r1, r2, b1, omega, m0, diffusion, inversion;
    // Numbers that often repeat from segment to segment.
    R last_duration{}, last_flip{}, last_time{}, last_angle{};
    int last_offset = 0;
    bool damped = false, last_adiabatic = false, have_duration = false, have_flip = false, have_time = false,
         have_angle = false;
    R e1{}, e2{}, sine{}, cosine{}, sample_decay{}, sample_sine{}, sample_cosine{};

    __device__ __forceinline__ Atom(const Call& c, int64_t i) : train(c.train), arrays(c.arrays), index(i) {
        const R t1 = own(epg_t1, T(0)), t2 = own(epg_t2, T(0));
        r1 = reciprocal(relaxing(t1));
        r2 = reciprocal(relaxing(t2));
        b1 = own(epg_b1, T(1));
        omega = number<R>(T(2 * kPi)) * own(epg_off_resonance, T(0));
        m0 = own(epg_m0, T(1));
        damped = arrays.value[epg_diffusion];
        const R rate = own(epg_diffusion, T(0));
        diffusion = only(rate.v >= T(0), rate);
        inversion = own(epg_inversion, T(1));
        orders = train.orders && train.orders < train.most_orders ? train.orders : train.most_orders;
        if (!train.orders) choose_orders();
    }
    // A time or a rate that is negative makes its atom NaN.
    __device__ __forceinline__ static R relaxing(R time) {
        R r = only(time.v >= T(0), time);
        if (r.v < T(epg_shortest_time)) r.v = T(epg_shortest_time);
        return r;
    }
    __device__ __forceinline__ static R only(bool good, R x) {
        x.v = good ? x.v : T(__builtin_nan(""));
        return x;
    }
    __device__ __forceinline__ R read(EpgArgument which, int64_t i, T absent) const {
        const T* const value = static_cast<const T*>(arrays.value[which]);
        R r = number<R>(value ? value[i] : absent);
        if constexpr (dual) {
            const T* const tangent = static_cast<const T*>(arrays.tangent[which]);
            r.d = value && tangent ? tangent[i] : T(0);
        }
        return r;
    }
    __device__ __forceinline__ R shared(EpgArgument which, int64_t i) const { return read(which, i, T(0)); }
    __device__ __forceinline__ R own(EpgArgument which, T absent) const { return read(which, index, absent); }

    __device__ __forceinline__ void choose_orders() {
        const T* const duration = static_cast<const T*>(arrays.value[epg_duration]);
        double shortest = 1e300;
        for (int64_t n = lane_of(); n + 1 < train.count; n += kWarp) {
            const int shift = train.shift(n);
            const double time = double(duration[n]) / (shift < 0 ? -shift : shift);
            if (shift != 0 && !train.spoil(n) && time < shortest) shortest = time;
        }
        for (int bits = kWarp / 2; bits > 0; bits /= 2) {
            const double other = __shfl_xor_sync(0xffffffffu, shortest, bits);
            shortest = other < shortest ? other : shortest;
        }
        // Neighbours keep as many: the longest t2 of 32 atoms decides.
        const int64_t near = index / kWarp * kWarp + lane_of();
        const T time = near < train.atoms ? static_cast<const T*>(arrays.value[epg_t2])[near] : T(0);
        double longest = time > T(0) ? double(time) : 0;
        for (int bits = kWarp / 2; bits > 0; bits /= 2) {
            const double other = __shfl_xor_sync(0xffffffffu, longest, bits);
            longest = other > longest ? other : longest;
        }
        if (!(shortest > 0)) return;
        const double wanted = kHalfLogDropped * longest / shortest + 2;
        if (wanted < double(train.most_orders)) orders = int64_t(wanted) + 1;
    }
    __device__ __forceinline__ int64_t live(int64_t n) const {
        const int64_t most = train.field(n, live_field);
        return orders < most ? orders : most;
    }
    // Whether a number has changed. Pairs of doubles have no registers to remember it in.
    __device__ __forceinline__ static bool renew(R& last, bool& have, const R& now) {
        if constexpr (sizeof(R) > 8) return true;
        bool same = have && last.v == now.v;
        if constexpr (dual) same = same && last.d == now.d;
        last = now;
        have = true;
        return !same;
    }
    __device__ __forceinline__ void set_flip(int64_t n) {
        const R flip = shared(epg_flip_angle, n);
        const bool adiabatic = train.adiabatic(n), other = adiabatic != last_adiabatic;
        if (!renew(last_flip, have_flip, flip) && !other) return;
        last_adiabatic = adiabatic;
        sincos(adiabatic ? flip : flip * b1, sine, cosine);
    }
    // From the states after pulse n - 1 to those after pulse n, n >= 1.
    __device__ __forceinline__ Step<S> step(int64_t n) {
        const R duration = shared(epg_duration, n - 1);
        if (renew(last_duration, have_duration, duration)) {
            e1 = exp(-(duration * r1));
            e2 = exp(-(duration * r2));
        }
        set_flip(n);
        Step<S> s;
        s.recovery = e1;
        s.sine = sine;
        s.cosine = cosine;
        s.shift = train.shift(n - 1);
        s.odd_orders = train.odd_orders;
        s.negate_mirror = train.real_signal;
        s.damped = damped;
        s.rate = -(diffusion * duration);
        s.spread = {s.shift, train.odd_orders, train.odd_orders && n == 1};
        const R decay = train.spoil(n - 1) ? R{} : e2;
        if constexpr (StateOf<S>::complex) {
            R sin_turn, cos_turn;
            sincos(omega * duration + shared(epg_phase, n) - shared(epg_phase, n - 1), sin_turn, cos_turn);
            s.precession = {decay * cos_turn, -(decay * sin_turn)};
        } else {
            s.precession = decay;
        }
        return s;
    }
    // After the first pulse, which finds equilibrium.
    __device__ __forceinline__ void start(States<S> x) {
        set_flip(0);
        if (lane_of() == 0) {
            x.u[0] = x.v[0] = x.w[0] = S{};
            if (!train.inverts) add_real(x.u[0], sine);
            if (!train.inverts && !train.odd_orders) add_real(x.v[0], sine);
            if (!train.odd_orders) add_real(x.w[0], train.inverts ? -inversion : cosine);
        }
        __syncwarp();
    }
    __device__ __forceinline__ bool reads_u(int offset) const {
        return !train.real_signal && (offset < 0 || (offset == 0 && !train.odd_orders));
    }
    __device__ __forceinline__ S state_of(States<S> x, int64_t n, int offset) const {
        const int k = offset < 0 ? -offset : offset;
        if (k >= live(n)) return S{};
        if (train.real_signal) return -x.v[k];
        return reads_u(offset) ? x.u[k] : conjugate(x.v[k]);
    }
    // By one lane.
    __device__ __forceinline__ void add_to_state(States<S> x, int64_t n, int offset, S g) const {
        const int k = offset < 0 ? -offset : offset;
        if (k >= live(n)) return;
        if (reads_u(offset))
            x.u[k] = x.u[k] + g;
        else
            x.v[k] = x.v[k] + (train.real_signal ? -g : conjugate(g));
    }
    __device__ __forceinline__ R sample_area(int64_t j) const {
        return number<R>(EpgSpread::sample<T>(train.offsets[j], train.odd_orders));
    }
    __device__ __forceinline__ R sample_rate(int64_t j) const { return damped ? r2 + diffusion * sample_area(j) : r2; }
    // Decay until sample j of segment n, and the factor from that state's frame to the signal's.
    __device__ __forceinline__ Pair<R> sample_factor(int64_t n, int64_t j) {
        const R time = shared(epg_sample_time, j);
        if (renew(last_time, have_time, time) || (damped && train.offsets[j] != last_offset))
            sample_decay = exp(-(time * sample_rate(j)));
        last_offset = train.offsets[j];
        if (train.real_signal) return {sample_decay, R{}};
        R angle = shared(epg_phase, n) - shared(epg_receiver_phase, j);
        if constexpr (StateOf<S>::complex) angle = angle - omega * time;
        if (StateOf<S>::complex || renew(last_angle, have_angle, angle)) sincos(angle, sample_sine, sample_cosine);
        return {-(sample_decay * sample_sine), sample_decay * sample_cosine};  // i times
    }
    __device__ __forceinline__ Pair<R> times(Pair<R> f, S state) const {
        if constexpr (StateOf<S>::complex)
            return f * state;
        else
            return {f.re * state, f.im * state};
    }
};

}  // namespace mriops::cuda::phase_graphs
