// A block of atoms on its way through a train: its own parameters, the numbers of each segment, and its samples.
#pragma once
#include <cmath>
#include <type_traits>

#include "../core/huge_pages.h"
#include "epg_sweep.h"

namespace mriops {
namespace {

constexpr double epg_pi = 3.14159265358979323846;
// Without a given number of orders: what comes back from a dropped order has been transverse for as many segments as
// its number on the way up and again on the way down, and has decayed by this factor at least.
constexpr double epg_dropped = 1e-4;

template <class T, class R>
struct Arguments {
    const EpgArrays& arrays;

    static constexpr bool dual = !std::is_same<R, Plain<T>>::value;
    const T* value(EpgArgument which) const { return static_cast<const T*>(arrays.value[which]); }
    const T* tangent(EpgArgument which) const { return static_cast<const T*>(arrays.tangent[which]); }

    MRIOPS_LANE_INLINE R shared(EpgArgument which, int64_t i) const {
        R r = number<R>(value(which) ? value(which)[i] : T(0));
        if constexpr (dual) r.d = lane_fill<T>(tangent(which) ? tangent(which)[i] : T(0));
        return r;
    }
    // Lanes beyond the last atom repeat it: they are not written, and sums leave them out.
    MRIOPS_LANE_INLINE R own(EpgArgument which, int64_t first, int lanes, T absent) const {
        if (!value(which)) return number<R>(absent);
        R r{};
        r.v = lane_load(value(which) + first, lanes, value(which)[first]);
        if constexpr (dual) r.d = tangent(which) ? lane_load(tangent(which) + first, lanes) : LaneVec<T>{};
        return r;
    }
};

template <class T, class S>
struct Block {
    using R = typename StateOf<S>::Real;

    const EpgTrain& train;
    Arguments<T, R> arguments;
    int64_t first;
    int lanes;
    int64_t orders;
    R t1, t2, r1, r2, b1, omega, m0, diffusion, inversion;
    bool damped;

    // Numbers that often repeat from segment to segment.
    T last_duration[2] = {}, last_spread[2] = {}, last_flip[2] = {}, last_time[2] = {}, last_angle[2] = {};
    int last_shift = 0, last_offset = 0;
    bool last_first = false, last_adiabatic = false, have_duration = false, have_spread = false, have_flip = false,
         have_time = false, have_angle = false;
    R pivot{}, pivot_e2 = number<R>(T(1));             // a duration, and what is left of F after it
    T fastest_r1 = 0, fastest_r2 = 0, largest_b1 = 0;  // over lanes: rate, absolute value
    R e1, e2, sine, cosine, sample_decay, sample_sine, sample_cosine;
    R *transverse = nullptr, *longitudinal = nullptr;  // factors of diffusion

    Block(const EpgProblem& p, const EpgTrain& t, const EpgArrays& arrays, int64_t block)
        : train(t), arguments{arrays}, first(block * LaneOf<T>::width) {
        lanes = int(std::min<int64_t>(LaneOf<T>::width, p.atoms - first));
        t1 = arguments.own(epg_t1, first, lanes, T(0));
        t2 = arguments.own(epg_t2, first, lanes, T(0));
        const LaneVec<T> nan = lane_fill<T>(T(std::nan("")));
        for (R* time : {&t1, &t2}) {
            const LaneVec<T> least = lane_fill<T>(T(epg_shortest_time));
            time->v = time->v >= T(0) ? (time->v < least ? least : time->v) : nan;  // others make their atom NaN
        }
        r1 = reciprocal(t1);
        r2 = reciprocal(t2);
        b1 = arguments.own(epg_b1, first, lanes, T(1));
        omega = number<R>(T(2 * epg_pi)) * arguments.own(epg_off_resonance, first, lanes, T(0));
        m0 = arguments.own(epg_m0, first, lanes, T(1));
        damped = arrays.value[epg_diffusion];
        diffusion = arguments.own(epg_diffusion, first, lanes, T(0));
        diffusion.v = diffusion.v >= T(0) ? diffusion.v : nan;
        inversion = arguments.own(epg_inversion, first, lanes, T(1));
        for (int i = 0; i < LaneOf<T>::width; ++i) {  // NaN in some lane comes out of any formula
            fastest_r1 = std::max(fastest_r1, r1.v[i]);
            fastest_r2 = std::max(fastest_r2, r2.v[i]);
            largest_b1 = std::max(largest_b1, std::abs(b1.v[i]));
        }
        orders = p.orders ? std::min(p.orders, train.most_orders) : choose_orders();
    }

    int64_t choose_orders() const {
        double longest = 0, shortest = INFINITY;
        for (int i = 0; i < LaneOf<T>::width; ++i)
            if (t2.v[i] > longest) longest = double(t2.v[i]);
        const T* duration = arguments.value(epg_duration);
        for (size_t n = 0; n + 1 < train.segments.size(); ++n) {
            const EpgSegment& s = train.segments[n];
            const double time = double(duration[n]);  // divided where it may be the shortest: that takes longest here
            if (s.shift && !s.spoil && time < shortest * std::abs(s.shift)) shortest = time / std::abs(s.shift);
        }
        if (!(shortest > 0)) return train.most_orders;
        const double wanted = -std::log(epg_dropped) * longest / (2 * shortest) + 2;
        return wanted < double(train.most_orders) ? int64_t(wanted) + 1 : train.most_orders;
    }
    int64_t live(int64_t n) const {
        const EpgSegment& s = train.segments[n];
        return std::min(orders, std::min(s.reach, s.needed));
    }

    static bool renew(T (&last)[2], bool& have, const R& now) {
        T tangent = 0;
        if constexpr (Arguments<T, R>::dual) tangent = now.d[0];
        if (have && last[0] == now.v[0] && last[1] == tangent) return false;
        last[0] = now.v[0];
        last[1] = tangent;
        return have = true;
    }
    MRIOPS_LANE_INLINE void set_flip(int64_t n) {
        const R flip = arguments.shared(epg_flip_angle, n);
        const bool adiabatic = train.segments[n].adiabatic, other = adiabatic != last_adiabatic;
        if (!renew(last_flip, have_flip, flip) && !other) return;
        last_adiabatic = adiabatic;
        const R angle = adiabatic ? flip : flip * b1;
        if (std::abs(flip.v[0]) * (adiabatic ? T(1) : largest_b1) <= T(lane_sincos_near))
            sincos_of_near(angle, sine, cosine);
        else
            sincos(angle, sine, cosine);
    }
    // Durations often differ by little: a short series then takes the decay of one to that of another. Not so that of
    // Z, which lasts: the rounding error of the one would add up over the train.
    MRIOPS_LANE_INLINE void set_decay(const R& duration) {
        const T time = std::abs(duration.v[0]);
        e1 = time * fastest_r1 <= T(lane_exp_near) ? exp_of_near(-(duration * r1)) : exp(-(duration * r1));
        const R later = duration - pivot;
        if (std::abs(later.v[0]) * fastest_r2 <= T(lane_exp_near)) {
            e2 = pivot_e2 * exp_of_near(-(later * r2));
        } else {
            pivot = duration;
            pivot_e2 = e2 = exp(-(duration * r2));
        }
    }
    // What `size` keeps of states is room enough for the factors of diffusion, too.
    static int64_t table_entries(bool damped, StateSize size) { return damped ? 2 * size.row() : 0; }
    void set_tables(S* memory, StateSize size) {
        transverse = reinterpret_cast<R*>(memory) + size.pad;
        longitudinal = transverse + size.row();
    }
    MRIOPS_LANE_SELDOM void set_spread(const EpgSpread& spread, const R& duration) {
        const bool same = spread.shift == last_shift && spread.first == last_first;
        if (!renew(last_spread, have_spread, duration) && same) return;
        last_shift = spread.shift;
        last_first = spread.first;
        const R rate = -(diffusion * duration);
        const int64_t up = std::abs(spread.shift);
        for (int64_t k = -up; k < orders + up; ++k)
            transverse[k] = exp(rate * number<R>(spread.template transverse<T>(k)));
        for (int64_t k = 0; k < orders; ++k)
            longitudinal[k] = exp(rate * number<R>(spread.template longitudinal<T>(k)));
    }
    // From the states after pulse n - 1 to those after pulse n, n >= 1.
    MRIOPS_LANE_INLINE Step<S> step(int64_t n) {
        const EpgSegment& before = train.segments[n - 1];
        const R duration = arguments.shared(epg_duration, n - 1);
        if (renew(last_duration, have_duration, duration)) set_decay(duration);
        set_flip(n);
        Step<S> s;
        s.recovery = e1;
        s.sine = sine;
        s.cosine = cosine;
        s.shift = before.shift;
        s.odd_orders = train.odd_orders;
        s.negate_mirror = train.real_signal;
        s.spread = {before.shift, train.odd_orders, train.odd_orders && n == 1};
        if (damped) set_spread(s.spread, duration);
        s.transverse = transverse;
        s.longitudinal = longitudinal;
        const R decay = before.spoil ? R{} : e2;
        if constexpr (StateOf<S>::complex) {
            R sin_turn, cos_turn;
            sincos(omega * duration + arguments.shared(epg_phase, n) - arguments.shared(epg_phase, n - 1), sin_turn,
                   cos_turn);
            s.precession = {decay * cos_turn, -(decay * sin_turn)};
        } else {
            s.precession = decay;
        }
        return s;
    }
    // From the states x after pulse n - 1 to those after pulse n, n >= 1.
    MRIOPS_LANE_INLINE Step<S> advance(int64_t n, States<S> x, States<S> out) {
        const Step<S> s = step(n);
        if (damped)
            mriops::advance<true>(x, live(n - 1), out, live(n), s);
        else
            mriops::advance<false>(x, live(n - 1), out, live(n), s);
        return s;
    }
    // Before, after and between the pulses n and n + 1.
    int64_t most_live(int64_t n) const { return std::max(live(n - 1), std::max(live(n), live(n + 1))); }
    // Whether advance_twice may go from pulse n - 1 to n + 1, and has all that the samples between them read.
    MRIOPS_LANE_INLINE bool goes_twice(int64_t n) const {
        if (StateOf<S>::complex || damped || n + 1 >= int64_t(train.segments.size())) return false;
        const EpgSegment& segment = train.segments[n];
        if (train.segments[n - 1].shift != 1 || segment.shift != 1) return false;
        for (int64_t j = segment.first_sample; j < segment.first_sample + segment.samples; ++j)
            if (train.offsets[j] != 0) return false;
        return most_live(n) >= 2;
    }
    // After the first pulse, which finds equilibrium.
    MRIOPS_LANE_INLINE void start(States<S> x) {
        set_flip(0);
        x.u[0] = x.v[0] = x.w[0] = S{};
        if (train.inverts) {
            add_real(x.w[0], -inversion);
            return;
        }
        add_real(x.u[0], sine);
        if (train.odd_orders) return;  // the half interval to order 1 has moved F_0 up, and nothing else is odd
        add_real(x.v[0], sine);
        add_real(x.w[0], cosine);
    }

    // Which state a sample reads, as `sign * state` or its conjugate.
    MRIOPS_LANE_INLINE S state_of(States<S> x, int64_t n, int offset) const {
        const int k = offset < 0 ? -offset : offset;
        if (k >= live(n)) return S{};
        if (train.real_signal) return -x.v[k];
        return offset < 0 || (offset == 0 && !train.odd_orders) ? x.u[k] : conjugate(x.v[k]);
    }
    MRIOPS_LANE_INLINE void add_to_state(States<S> x, int64_t n, int offset, S g) const {
        const int k = offset < 0 ? -offset : offset;
        if (k >= live(n)) return;
        if (train.real_signal)
            x.v[k] = x.v[k] - g;
        else if (offset < 0 || (offset == 0 && !train.odd_orders))
            x.u[k] = x.u[k] + g;
        else
            x.v[k] = x.v[k] + conjugate(g);
    }
    // How fast sample j decays on its way from the pulse.
    MRIOPS_LANE_INLINE R sample_rate(int64_t j) const { return damped ? r2 + diffusion * sample_area(j) : r2; }
    MRIOPS_LANE_INLINE R sample_area(int64_t j) const {
        return number<R>(EpgSpread::sample<T>(train.offsets[j], train.odd_orders));
    }
    // Decay until sample j of segment n, and the factor from that state's frame to the signal's.
    MRIOPS_LANE_INLINE Pair<R> sample_factor(int64_t n, int64_t j) {
        const R time = arguments.shared(epg_sample_time, j);
        const bool other = damped && train.offsets[j] != last_offset;
        if (renew(last_time, have_time, time) || other) sample_decay = exp(-(time * sample_rate(j)));
        last_offset = train.offsets[j];
        if (train.real_signal) return {sample_decay, R{}};
        R angle = arguments.shared(epg_phase, n) - arguments.shared(epg_receiver_phase, j);
        if constexpr (StateOf<S>::complex) angle = angle - omega * time;
        if (StateOf<S>::complex || renew(last_angle, have_angle, angle)) sincos(angle, sample_sine, sample_cosine);
        return {-(sample_decay * sample_sine), sample_decay * sample_cosine};  // i times
    }
    MRIOPS_LANE_INLINE Pair<R> times(Pair<R> f, S state) const {
        if constexpr (StateOf<S>::complex)
            return f * state;
        else
            return {f.re * state, f.im * state};
    }
    MRIOPS_LANE_INLINE void store_sample(T* to, Pair<R> y, bool stream) const {
        if (!train.real_signal)
            store_interleaved(to, wanted(y.re), wanted(y.im), lanes, stream);
        else if (stream && lanes == LaneOf<T>::width)
            lane_stream(to, wanted(y.re));
        else
            lane_store(to, wanted(y.re), lanes);
    }
};

// Pulses about one axis and no off-resonance: states are real.
inline bool real_states(const EpgProblem& p, Dtype dtype, const EpgArrays& a) {
    if (a.value[epg_off_resonance] || a.tangent[epg_phase] || a.gradient[epg_phase]) return false;
    const void* phase = a.value[epg_phase];
    for (int64_t n = 1; phase && n < p.segments; ++n)
        if (dtype == Dtype::complex64 ? static_cast<const float*>(phase)[n] != static_cast<const float*>(phase)[0]
                                      : static_cast<const double*>(phase)[n] != static_cast<const double*>(phase)[0])
            return false;
    return true;
}

inline void check_axes(const EpgTrain& train, bool real) {
    if (train.real_signal && !(real && train.odd_orders))
        throw std::invalid_argument("program: expected odd orders, no phase and no off_resonance for a real signal");
}

template <class T>
int64_t block_count(const EpgProblem& p) {
    return (p.atoms + LaneOf<T>::width - 1) / LaneOf<T>::width;
}
// Neighbouring blocks go to one thread: each row of the signal is then written in longer pieces.
constexpr int64_t blocks_together = 4;

// Whether so many signals are written past the caches, and what memory they then lie in.
template <class T>
bool stream_signal(const EpgProblem& p, const EpgTrain& train, const EpgArrays& arrays, int64_t signals) {
    constexpr int64_t large = 1 << 20;  // bytes: less may still be in a cache when it is read
    const int64_t bytes = signals * p.samples * p.atoms * int64_t(sizeof(T)) * (train.real_signal ? 1 : 2);
    if (bytes > large) prefer_huge_pages(arrays.signal, size_t(bytes));
    return bytes > large;
}

}  // namespace
}  // namespace mriops
