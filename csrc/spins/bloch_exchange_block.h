// A block of isochromats with two pools: its own numbers, one step, and the adjoint of a step.
#pragma once
#include <algorithm>
#include <type_traits>

#include "bloch_exchange.h"
#include "bloch_turn.h"
#include "epgx_interval.h"

#if defined(__CUDACC__)
#define MRIOPS_ROLLED _Pragma("unroll 1")  // a thread has registers for one turn of a loop alone
#else
#define MRIOPS_ROLLED
#endif

namespace mriops {
namespace {

constexpr double exchange_two_pi = 6.283185307179586476925;

// The same number in the words of epg_numbers.h and of bloch_number.h.
template <class T>
MRIOPS_LANE_INLINE LaneVec<T> as_vec(Plain<T> a) {
    return a.v;
}
template <class T>
MRIOPS_LANE_INLINE LaneDual<T> as_vec(Dual<T> a) {
    return {a.v, a.d};
}
template <class R, class V>
MRIOPS_LANE_INLINE R as_number(V a) {
    if constexpr (Parts<R>::dual)
        return {a.v, a.d};
    else
        return {a};
}

// Mx, My, Mz of pools a and b.
template <class R>
struct TwoPools {
    R m[2][3];
};

// What half of a step does to them, for as long as steps are equally long. On a device it lies in shared memory: no
// thread has registers for it.
template <class T, class R>
struct HalfStep {
    T last_dt[2];
    bool known;
    Interval<R> longitudinal, transverse;
    R grown[2];
};

// Frequencies of a step: x, y of both pools, z of each [Hz].
template <class R>
struct ExchangeField {
    R x, y, z[2];
};

template <class T, class R>
struct ExchangeBlock {
    static constexpr bool dual = Parts<R>::dual;
    using N = std::conditional_t<dual, Tangents<T>, Values<T>>;
    using Vec = typename N::Vec;

    const BlochExchangeProblem& p;
    const BlochExchangeArrays& a;
    int64_t item, from;
    int lanes;
    const T *waveform, *d_waveform;
    HalfStep<T, R>& half;

#if defined(MRIOPS_LANE_SCALAR)
    const T *own, *d_own;
    MRIOPS_LANE_INLINE R row(int64_t i) const {
        R r = number<R>(own[i * p.spins]);
        if constexpr (dual) r.d = d_own[i * p.spins];
        return r;
    }
    MRIOPS_LANE_INLINE ExchangeBlock(const BlochExchangeProblem& problem, const BlochExchangeArrays& arrays, int64_t b,
                                     int64_t first, HalfStep<T, R>& space)
        : p(problem), a(arrays), item(b), from(first), lanes(1), half(space) {
        const int64_t at = start_of_rows();
        own = static_cast<const T*>(a.spins) + at;
        d_own = dual ? static_cast<const T*>(a.d_spins) + at : nullptr;
        begin();
    }
#else
    R* rows;
    MRIOPS_LANE_INLINE R row(int64_t i) const { return rows[i]; }
    // `rows_space` has room for p.spin_rows() numbers.
    ExchangeBlock(const BlochExchangeProblem& problem, const BlochExchangeArrays& arrays, int64_t b, int64_t first,
                  HalfStep<T, R>& space, R* rows_space)
        : p(problem), a(arrays), item(b), from(first), half(space), rows(rows_space) {
        lanes = int(std::min<int64_t>(LaneOf<T>::width, p.spins - from));
        const int64_t at = start_of_rows();
        for (int64_t i = 0; i < p.spin_rows(); ++i) {
            rows[i] = R{};
            rows[i].v = lane_load(static_cast<const T*>(a.spins) + at + i * p.spins, lanes);
            if constexpr (dual) rows[i].d = lane_load(static_cast<const T*>(a.d_spins) + at + i * p.spins, lanes);
        }
        begin();
    }
#endif
    MRIOPS_LANE_INLINE int64_t start_of_rows() const {
        return (p.own_spins ? item * p.spin_rows() * p.spins : 0) + from;
    }
    MRIOPS_LANE_INLINE void begin() {
        const int64_t offset = p.own_waveform ? item * p.waveform_rows() * p.steps : 0;
        waveform = static_cast<const T*>(a.waveform) + offset;
        d_waveform = dual ? static_cast<const T*>(a.d_waveform) + offset : nullptr;
        half.known = false;
    }

    MRIOPS_LANE_INLINE R at(int64_t row, int64_t n) const {
        R r = number<R>(waveform[row * p.steps + n]);
        if constexpr (dual) r.d = lane_fill<T>(d_waveform[row * p.steps + n]);
        return r;
    }
    MRIOPS_LANE_INLINE R dt(int64_t n) const { return at(p.waveform_rows() - 1, n); }
    MRIOPS_LANE_INLINE R equilibrium(int pool) const {
        const R b = row(exchange_fraction);
        return pool ? b : number<R>(T(1)) - b;
    }
    MRIOPS_LANE_INLINE R b1(int64_t i) const { return row(exchange_rows + i); }
    MRIOPS_LANE_INLINE int64_t first_position() const { return exchange_rows + (p.b1 ? 2 * p.channels : 0); }
    MRIOPS_LANE_INLINE R position(int64_t i) const { return row(first_position() + i); }

    // (n, 6) in memory.
    MRIOPS_LANE_INLINE TwoPools<R> load(const void* values, const void* tangents, int64_t first) const {
        TwoPools<R> s{};
        MRIOPS_LANE_UNROLL
        for (int i = 0; i < 6; ++i) {
            R& to = s.m[i / 3][i % 3];
            for (int lane = 0; lane < lanes; ++lane) {
                const int64_t at = 6 * (first + lane) + i;
                set_lane(to.v, lane, static_cast<const T*>(values)[at]);
                if constexpr (dual) set_lane(to.d, lane, static_cast<const T*>(tangents)[at]);
            }
        }
        return s;
    }
    MRIOPS_LANE_INLINE void store(void* to, int64_t first, const TwoPools<R>& s) const {
        MRIOPS_LANE_UNROLL
        for (int i = 0; i < 6; ++i)
            for (int lane = 0; lane < lanes; ++lane)
                static_cast<T*>(to)[6 * (first + lane) + i] = lane_at(wanted(s.m[i / 3][i % 3]), lane);
    }
    MRIOPS_LANE_INLINE TwoPools<R> start() const {
        return load(a.magnetization, a.d_magnetization, (p.own_magnetization ? item * p.spins : 0) + from);
    }
    MRIOPS_LANE_INLINE int64_t record_at(int64_t j) const { return (item * p.records + j) * p.spins + from; }

    MRIOPS_LANE_SELDOM void set_half(R time) {
        const R k_ab = time * row(exchange_k_ab), k_ba = time * row(exchange_k_ba);
        half.longitudinal = interval<R>(time * row(exchange_r1_a), time * row(exchange_r1_b), k_ab, k_ba);
        half.transverse = interval<R>(time * row(exchange_r2_a), time * row(exchange_r2_b), k_ab, k_ba);
        const auto& l = half.longitudinal.e;
        for (int i = 0; i < 2; ++i)
            half.grown[i] = equilibrium(i) - l[i][0] * equilibrium(0) - l[i][1] * equilibrium(1);
    }
    // Steps of equal length share what half of them does.
    MRIOPS_LANE_INLINE void at_step(int64_t n) {
        const R time = dt(n);
        const T value = lane_at(time.v, 0);
        T tangent = 0;
        if constexpr (dual) tangent = lane_at(time.d, 0);
        if (half.known && value == half.last_dt[0] && tangent == half.last_dt[1]) return;
        half.last_dt[0] = value;
        half.last_dt[1] = tangent;
        half.known = true;
        set_half(times_number(T(0.5), time));
    }
    MRIOPS_LANE_INLINE TwoPools<R> relaxed(const TwoPools<R>& s) const {
        const auto &t = half.transverse.e, &l = half.longitudinal.e;
        TwoPools<R> to;
        MRIOPS_LANE_UNROLL
        for (int i = 0; i < 2; ++i) {
            MRIOPS_LANE_UNROLL
            for (int k = 0; k < 2; ++k) to.m[i][k] = t[i][0] * s.m[0][k] + t[i][1] * s.m[1][k];
            to.m[i][2] = l[i][0] * s.m[0][2] + l[i][1] * s.m[1][2] + half.grown[i];
        }
        return to;
    }

    MRIOPS_LANE_INLINE ExchangeField<R> field(int64_t n) const {
        ExchangeField<R> f;
        if (p.b1) {
            f.x = f.y = R{};
            for (int64_t c = 0; c < p.channels; ++c) {
                const R re = at(c, n), im = at(p.channels + c, n), br = b1(c), bi = b1(p.channels + c);
                f.x = f.x + (br * re - bi * im);
                f.y = f.y + (br * im + bi * re);
            }
        } else {
            f.x = at(0, n);
            f.y = at(1, n);
        }
        f.z[0] = row(exchange_off_resonance);
        for (int64_t i = 0; i < p.axes; ++i) f.z[0] = f.z[0] + at(2 * p.channels + i, n) * position(i);
        f.z[1] = f.z[0] + row(exchange_off_resonance_b);
        return f;
    }
    MRIOPS_LANE_INLINE Triple<Vec> turn_of(const ExchangeField<R>& f, R angle, int pool) const {
        return {as_vec(angle * f.x), as_vec(angle * f.y), as_vec(angle * f.z[pool])};
    }
    static MRIOPS_LANE_INLINE Triple<Vec> triple(const R (&m)[3]) { return {as_vec(m[0]), as_vec(m[1]), as_vec(m[2])}; }
    MRIOPS_LANE_INLINE TwoPools<R> turned_by(const TwoPools<R>& s, const ExchangeField<R>& f, R angle) const {
        TwoPools<R> to;
        MRIOPS_LANE_UNROLL
        for (int i = 0; i < 2; ++i) {
            const Triple<Vec> m = turned<N>(triple(s.m[i]), turn_of(f, angle, i));
            to.m[i][0] = as_number<R>(m.x);
            to.m[i][1] = as_number<R>(m.y);
            to.m[i][2] = as_number<R>(m.z);
        }
        return to;
    }
    MRIOPS_LANE_SELDOM TwoPools<R> step(const TwoPools<R>& s, int64_t n) {
        at_step(n);
        return relaxed(turned_by(relaxed(s), field(n), times_number(T(exchange_two_pi), dt(n))));
    }
};

// What is known of a step while it is gone back through: frequencies, the state before its turns, and gradients of
// these, of the matrices of half a step and of the equilibrium. On a device in shared memory too.
template <class R>
struct StepBack {
    ExchangeField<R> field, of_field;
    TwoPools<R> before;
    R of_transverse[2][2], of_longitudinal[2][2], of_equilibrium[2];
};

// Gradients of a block. `Sink` has own(row, value), which adds to rows as those of the block, and shared(row, n,
// value), which adds to the waveform's a sum over isochromats.
template <class T, class R, class Sink>
struct ExchangeGradient {
    using Block = ExchangeBlock<T, R>;
    using Vec = typename Block::Vec;
    using N = typename Block::N;

    Block& block;
    Sink& sink;
    StepBack<R>& at;  // of_equilibrium begins at 0

    MRIOPS_LANE_INLINE void add(int64_t row, R value) { sink.own(row, value); }

    // Through relaxed(), which found the state s; what its matrices gain is collected.
    MRIOPS_LANE_INLINE void relaxed_back(const TwoPools<R>& s, TwoPools<R>& bar) {
        const auto &t = block.half.transverse.e, &l = block.half.longitudinal.e;
        TwoPools<R> to;
        MRIOPS_LANE_UNROLL
        for (int j = 0; j < 2; ++j) {
            at.of_equilibrium[j] = at.of_equilibrium[j] + bar.m[j][2];
            MRIOPS_LANE_UNROLL
            for (int i = 0; i < 2; ++i) {
                at.of_transverse[i][j] = at.of_transverse[i][j] + bar.m[i][0] * s.m[j][0] + bar.m[i][1] * s.m[j][1];
                at.of_longitudinal[i][j] = at.of_longitudinal[i][j] + bar.m[i][2] * (s.m[j][2] - block.equilibrium(j));
                at.of_equilibrium[j] = at.of_equilibrium[j] - l[i][j] * bar.m[i][2];
            }
            MRIOPS_LANE_UNROLL
            for (int k = 0; k < 2; ++k) to.m[j][k] = t[0][j] * bar.m[0][k] + t[1][j] * bar.m[1][k];
            to.m[j][2] = l[0][j] * bar.m[0][2] + l[1][j] * bar.m[1][2];
        }
        bar = to;
    }
    // Returns the gradient of the time of both halves together, which is that of dt times 2.
    MRIOPS_LANE_SELDOM R rates_back(R time) {
        const IntervalGradient<R> l = pull(block.half.longitudinal, at.of_longitudinal);
        const IntervalGradient<R> t = pull(block.half.transverse, at.of_transverse);
        add(exchange_r1_a, time * l.p_a);
        add(exchange_r1_b, time * l.p_b);
        add(exchange_r2_a, time * t.p_a);
        add(exchange_r2_b, time * t.p_b);
        add(exchange_k_ab, time * (l.b_a + t.b_a));
        add(exchange_k_ba, time * (l.b_b + t.b_b));
        const auto of_row = [&](int64_t row, R rate) { return block.row(row) * rate; };
        return of_row(exchange_r1_a, l.p_a) + of_row(exchange_r1_b, l.p_b) + of_row(exchange_r2_a, t.p_a) +
               of_row(exchange_r2_b, t.p_b) + of_row(exchange_k_ab, l.b_a + t.b_a) +
               of_row(exchange_k_ba, l.b_b + t.b_b);
    }
    // Of the angles per turn [rad / (2 pi dt)].
    MRIOPS_LANE_INLINE void field_back(int64_t n, R angle) {
        const BlochExchangeProblem& p = block.p;
        const R x = angle * at.of_field.x, y = angle * at.of_field.y, z = angle * at.of_field.z[1];
        const R both = angle * at.of_field.z[0] + z;
        add(exchange_off_resonance, both);
        add(exchange_off_resonance_b, z);
        const int64_t first_b1 = exchange_rows;
        for (int64_t i = 0; i < p.axes; ++i) {
            add(block.first_position() + i, both * block.at(2 * p.channels + i, n));
            sink.shared(2 * p.channels + i, n, both * block.position(i));
        }
        if (!p.b1) {
            sink.shared(0, n, x);
            sink.shared(1, n, y);
            return;
        }
        for (int64_t c = 0; c < p.channels; ++c) {
            const R re = block.at(c, n), im = block.at(p.channels + c, n);
            const R br = block.b1(c), bi = block.b1(p.channels + c);
            add(first_b1 + c, x * re + y * im);
            add(first_b1 + p.channels + c, y * re - x * im);
            sink.shared(c, n, br * x + bi * y);
            sink.shared(p.channels + c, n, br * y - bi * x);
        }
    }

    // Through step n, which began with the state that `state()` reads: twice, since registers are few.
    template <class State>
    MRIOPS_LANE_SELDOM void back(int64_t n, State state, TwoPools<R>& bar) {
        block.at_step(n);
        const R dt = block.dt(n), angle = times_number(T(exchange_two_pi), dt);
        at.field = block.field(n);
        at.before = block.relaxed(state());
        MRIOPS_LANE_UNROLL
        for (int i = 0; i < 4; ++i) at.of_transverse[i / 2][i % 2] = at.of_longitudinal[i / 2][i % 2] = R{};
        relaxed_back(block.turned_by(at.before, at.field, angle), bar);
        at.of_field.x = at.of_field.y = R{};
        MRIOPS_ROLLED
        for (int i = 0; i < 2; ++i) {
            Triple<Vec> g = block.triple(bar.m[i]);
            const Triple<Vec> w = turned_back<N>(block.triple(at.before.m[i]), block.turn_of(at.field, angle, i), g);
            bar.m[i][0] = as_number<R>(g.x);
            bar.m[i][1] = as_number<R>(g.y);
            bar.m[i][2] = as_number<R>(g.z);
            at.of_field.x = at.of_field.x + as_number<R>(w.x);
            at.of_field.y = at.of_field.y + as_number<R>(w.y);
            at.of_field.z[i] = as_number<R>(w.z);
        }
        relaxed_back(state(), bar);
        const ExchangeField<R>&f = at.field, &g = at.of_field;
        const R turning = f.x * g.x + f.y * g.y + f.z[0] * g.z[0] + f.z[1] * g.z[1];
        const R longer =
            times_number(T(exchange_two_pi), turning) + times_number(T(0.5), rates_back(times_number(T(0.5), dt)));
        sink.shared(block.p.waveform_rows() - 1, n, longer);
        field_back(n, angle);
    }
};

}  // namespace
}  // namespace mriops
