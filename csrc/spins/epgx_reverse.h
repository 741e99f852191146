// Gradients of all arguments for a block of atoms: a reverse sweep over states that are recomputed in pieces from kept
// ones, as for one pool.
#pragma once
#include "epgx_atoms.h"

namespace mriops {
namespace {

// Every 32nd state is kept, and 32 at a time are recomputed.
constexpr int64_t epgx_tape = 32;

// `Sink` has cotangent(j, lanes) -> Pair<R>, pulse(row, n, value) and readout(row, j, value), which add to sums over
// atoms, and tissue(row, value), once per row.
template <class T, class S, bool Both, class Sink>
struct PoolReverse {
    using R = typename StateOf<S>::Real;
    static constexpr int pools = Both ? 2 : 1;

    PoolBlock<T, S, Both>& block;
    const PoolTrain& train;
    Sink& sink;
    R grad[epgx_tissue_rows];
    R of_equilibrium[2];
    PoolStepGradient<S> of_step;

    MRIOPS_LANE_INLINE PoolReverse(PoolBlock<T, S, Both>& b, Sink& s) : block(b), train(b.train), sink(s) {
        for (int row = 0; row < epgx_tissue_rows; ++row) grad[row] = R{};
        of_equilibrium[0] = of_equilibrium[1] = R{};
    }
    static MRIOPS_LANE_INLINE int64_t kept(int64_t count) { return (count + epgx_tape - 1) / epgx_tape; }
    // Moments that memory must have room for.
    static MRIOPS_LANE_INLINE int64_t moments(int64_t count) { return epgx_tape + 1 + kept(count) + 2; }

    MRIOPS_LANE_INLINE void add(EpgxTissue row, R value) { grad[row] = grad[row] + value; }
    // Of the numbers of an interval of `time`; returns that of time.
    MRIOPS_LANE_SELDOM R pull_longitudinal(const Interval<R>& over, R time, const R (&g)[2][2]) {
        const IntervalGradient<R> of = pull(over, g);
        add(epgx_r1_a, time * of.p_a);
        add(epgx_r1_b, time * of.p_b);
        add(epgx_k_ab, time * of.b_a);
        add(epgx_k_ba, time * of.b_b);
        const R* t = block.tissue;
        return t[epgx_r1_a] * of.p_a + t[epgx_r1_b] * of.p_b + t[epgx_k_ab] * of.b_a + t[epgx_k_ba] * of.b_b;
    }
    MRIOPS_LANE_SELDOM R pull_transverse(const Interval<S>& over, R time, const S (&g)[2][2]) {
        const IntervalGradient<S> of = pull(over, g);
        const R p_a = real_part(of.p_a), p_b = real_part(of.p_b), b_a = real_part(of.b_a), b_b = real_part(of.b_b);
        add(epgx_r2_a, time * p_a);
        add(epgx_r2_b, time * p_b);
        add(epgx_k_ab, time * b_a);
        add(epgx_k_ba, time * b_b);
        const R* t = block.tissue;
        R longer = t[epgx_r2_a] * p_a + t[epgx_r2_b] * p_b + t[epgx_k_ab] * b_a + t[epgx_k_ba] * b_b;
        if constexpr (StateOf<S>::complex) {
            add(epgx_off_resonance_b, -times_number(T(epgx_two_pi), time * of.p_b.im));
            longer = longer - block.omega_b() * of.p_b.im;
        }
        return longer;
    }

    // The samples of segment n: their part of the gradient of its states, and of everything in their factors.
    MRIOPS_LANE_SELDOM void pull_samples(int64_t n, const PoolStates<S>& x, const PoolStates<S>& g_states) {
        const EpgSegment& segment = train.segments[n];
        for (int64_t j = segment.first_sample; j < segment.first_sample + segment.samples; ++j) {
            const int offset = train.offsets[j];
            const Pair<R> frame = block.frame(n, j), g = sink.cotangent(j, block.lanes);
            const Pair<R> inner =
                scaled(block.tissue[epgx_m0], conjugate(frame) * g);  // of the sum in the pulse's frame
            const R time = block.of_readout(epgx_time, j);
            S states[2], sum{};
            for (int i = 0; i < pools; ++i) {
                states[i] = block.state_of(x, i, n, offset);
                sum = sum + block.left(i) * states[i];
            }
            const Pair<R> wide = block.widen(sum);
            add(epgx_m0, real_product(g, frame * wide));
            const R turned = -imaginary_product(inner, wide);  // of the angle's negative
            R later{};
            if constexpr (StateOf<S>::complex) {
                add(epgx_off_resonance, -times_number(T(epgx_two_pi), time * turned));
                later = -(block.omega() * turned);
                sink.pulse(epgx_phase, n, turned);
            }
            S narrow;
            if constexpr (StateOf<S>::complex)
                narrow = inner;
            else
                narrow = inner.re;
            if constexpr (Both) {
                S of_left[2][2];
                for (int i = 0; i < 2; ++i)
                    for (int l = 0; l < 2; ++l) of_left[l][i] = conjugate(narrow) * states[i];
                later = later + pull_transverse(block.sample_transverse, time, of_left);
            } else {
                const R decayed = real_product(narrow, sum);
                add(epgx_r2_a, -(time * decayed));
                later = later - block.tissue[epgx_r2_a] * decayed;
            }
            sink.readout(epgx_time, j, later);
            sink.readout(epgx_receiver_phase, j, -turned);
            for (int i = 0; i < pools; ++i)
                block.add_to_state(g_states, i, n, offset, conjugate(block.left(i)) * narrow);
        }
    }

    MRIOPS_LANE_INLINE void pull_flip(int64_t n, R g) {
        const bool adiabatic = train.segments[n].adiabatic;
        if (!adiabatic) add(epgx_b1, block.of_pulse(epgx_flip_angle, n) * g);
        sink.pulse(epgx_flip_angle, n, adiabatic ? g : g * block.tissue[epgx_b1]);
    }
    // g is the gradient of ln of what the pulse leaves.
    MRIOPS_LANE_INLINE void pull_saturation(int64_t n, R g) {
        sink.pulse(epgx_saturation, n, -(block.power(n) * g));
        if (train.segments[n].adiabatic) return;
        add(epgx_b1, times_number(T(-2), block.of_pulse(epgx_saturation, n) * block.tissue[epgx_b1] * g));
    }

    MRIOPS_LANE_INLINE void pull_step(int64_t n, PoolStepGradient<S>& g, const PoolStep<S>& step) {
        pull_flip(n, g.flip);
        if constexpr (!Both) pull_saturation(n, g.saturation);
        const R time = block.of_pulse(epgx_duration, n - 1);
        for (int j = 0; j < 2; ++j) {
            of_equilibrium[j] = of_equilibrium[j] + g.grown[j];
            for (int i = 0; i < 2; ++i) {
                of_equilibrium[j] = of_equilibrium[j] - step.exchange[i][j] * g.grown[i];
                g.exchange[i][j] = g.exchange[i][j] - g.grown[i] * block.equilibrium[j];
            }
        }
        R longer = pull_longitudinal(block.longitudinal, time, g.exchange);
        if (!train.segments[n - 1].spoil) {
            S along{};  // gradient of what turns all entries
            for (int i = 0; i < pools; ++i)
                for (int j = 0; j < pools; ++j) along = along + g.precession[i][j] * step.precession[i][j];
            if constexpr (StateOf<S>::complex) {
                add(epgx_off_resonance, times_number(T(epgx_two_pi), time * along.im));
                longer = longer + block.omega() * along.im;
                sink.pulse(epgx_phase, n, along.im);
                sink.pulse(epgx_phase, n - 1, -along.im);
            }
            if constexpr (Both) {
                const S turned = block.turn(n);
                for (int i = 0; i < 2; ++i)
                    for (int j = 0; j < 2; ++j) g.precession[i][j] = turned * g.precession[i][j];
                longer = longer + pull_transverse(block.transverse, time, g.precession);
            } else {
                const R decayed = real_part(along);
                add(epgx_r2_a, -(time * decayed));
                longer = longer - block.tissue[epgx_r2_a] * decayed;
            }
        }
        sink.pulse(epgx_duration, n - 1, longer);
    }

    MRIOPS_LANE_SELDOM void forward(int64_t n, const PoolStates<S>& from, const PoolStates<S>& to) {
        advance<Both>(from, block.live(n - 1), to, block.live(n), block.shared_step(n));
    }
    MRIOPS_LANE_INLINE static void copy(const S* from, S* to, int64_t entries) {
        for (int64_t i = Team::member(); i < entries; i += Team::size) to[i] = from[i];
        Team::sync();
    }
    // Of the states after the first pulse, the last to be found.
    MRIOPS_LANE_INLINE void finish(const PoolStates<S>& x, const PoolStates<S>& now) {
        pull_samples(0, x, now);
        block.set_flip(0);
        pull_flip(0, flip_gradient<Both>(now, x));
        for (int i = 0; i < pools; ++i)
            of_equilibrium[i] = of_equilibrium[i] + block.sine * real_part(now.u(i)[0] + now.v(i)[0]) +
                                block.cosine * real_part(now.w(i)[0]);
        if constexpr (!Both) {
            pull_saturation(0, real_product(now.w(1)[0], x.w(1)[0]));
            of_equilibrium[1] = of_equilibrium[1] + block.left_by(0) * real_part(now.w(1)[0]);
        }
        add(epgx_fraction, of_equilibrium[1] - of_equilibrium[0]);
        for (int row = 0; row < epgx_tissue_rows; ++row) sink.tissue(EpgxTissue(row), grad[row]);
    }

    MRIOPS_LANE_INLINE void run(S* memory) {
        const int64_t count = train.count;
        const PoolSize size = block.size();
        const int64_t entries = size.entries();
        S *const tape = memory, *const keep = tape + (epgx_tape + 1) * entries,
                 *const other = keep + kept(count) * entries;
        PoolStates<S> now = pool_states_at(other, size), before = pool_states_at(other + entries, size);
        const auto slot = [&](int64_t i) { return pool_states_at(tape + i * entries, size); };

        if (Team::first()) block.start(slot(0));
        Team::sync();
        copy(tape, keep, entries);
        for (int64_t n = 1; n < count; ++n) {
            forward(n, slot((n - 1) % 2), slot(n % 2));
            if (n % epgx_tape == 0) copy(tape + (n % 2) * entries, keep + n / epgx_tape * entries, entries);
        }
        for (int64_t k = Team::member(); k < block.live(count - 1); k += Team::size)
            for (int i = 0; i < 2; ++i) {
                now.w(i)[k] = S{};
                if (i < pools) now.u(i)[k] = now.v(i)[k] = S{};
            }
        Team::sync();
        for (int64_t part = kept(count) - 1; part >= 0; --part) {
            const int64_t from = part * epgx_tape, to = from + epgx_tape < count - 1 ? from + epgx_tape : count - 1;
            copy(keep + part * entries, tape, entries);
            for (int64_t n = from + 1; n <= to; ++n) forward(n, slot(n - from - 1), slot(n - from));
            for (int64_t n = to; n > from; --n) {
                const PoolStates<S> x = slot(n - from), old = slot(n - from - 1);
                if (Team::first()) pull_samples(n, x, now);
                Team::sync();
                const auto& step = block.shared_step(n);
                retreat<Both>(now, x, block.live(n), before, old, block.live(n - 1), step, of_step);
                if (Team::first()) pull_step(n, of_step, step);
                Team::sync();
                const PoolStates<S> spare = now;
                now = before;
                before = spare;
            }
        }
        if (Team::first()) finish(slot(0), now);
        Team::sync();
    }
};

}  // namespace
}  // namespace mriops
