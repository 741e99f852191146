// A block of isochromats with two pools: its own numbers, one step, and the adjoint of a step.
#pragma once
#include <algorithm>
#include <type_traits>

#include "bloch_exchange.h"
#include "bloch_turn.h"
#include "epgx_interval.h"

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
    R* rows;
    T last_dt[2] = {};
    bool known = false;
    Interval<R> longitudinal, transverse;  // over half a step
    R equilibrium[2], grown[2];

    // `space` has room for p.spin_rows() numbers.
    ExchangeBlock(const BlochExchangeProblem& problem, const BlochExchangeArrays& arrays, int64_t b, int64_t first,
                  R* space)
        : p(problem), a(arrays), item(b), from(first), rows(space) {
        lanes = int(std::min<int64_t>(LaneOf<T>::width, p.spins - from));
        const int64_t offset = p.own_waveform ? b * p.waveform_rows() * p.steps : 0;
        waveform = static_cast<const T*>(a.waveform) + offset;
        d_waveform = dual ? static_cast<const T*>(a.d_waveform) + offset : nullptr;
        const int64_t start = (p.own_spins ? b * p.spin_rows() * p.spins : 0) + from;
        for (int64_t i = 0; i < p.spin_rows(); ++i) {
            rows[i] = R{};
            rows[i].v = lane_load(static_cast<const T*>(a.spins) + start + i * p.spins, lanes);
            if constexpr (dual) rows[i].d = lane_load(static_cast<const T*>(a.d_spins) + start + i * p.spins, lanes);
        }
        equilibrium[1] = rows[exchange_fraction];
        equilibrium[0] = number<R>(T(1)) - equilibrium[1];
    }

    MRIOPS_LANE_INLINE R at(int64_t row, int64_t n) const {
        R r = number<R>(waveform[row * p.steps + n]);
        if constexpr (dual) r.d = lane_fill<T>(d_waveform[row * p.steps + n]);
        return r;
    }
    MRIOPS_LANE_INLINE R dt(int64_t n) const { return at(p.waveform_rows() - 1, n); }
    const R* b1() const { return rows + exchange_rows; }
    const R* position() const { return rows + exchange_rows + (p.b1 ? 2 * p.channels : 0); }

    // (n, 6) in memory.
    TwoPools<R> load(const void* values, const void* tangents, int64_t first) const {
        TwoPools<R> s{};
        for (int i = 0; i < 6; ++i)
            for (int lane = 0; lane < lanes; ++lane) {
                s.m[i / 3][i % 3].v[lane] = static_cast<const T*>(values)[6 * (first + lane) + i];
                if constexpr (dual) s.m[i / 3][i % 3].d[lane] = static_cast<const T*>(tangents)[6 * (first + lane) + i];
            }
        return s;
    }
    void store(void* to, int64_t first, const TwoPools<R>& s) const {
        for (int i = 0; i < 6; ++i)
            for (int lane = 0; lane < lanes; ++lane)
                static_cast<T*>(to)[6 * (first + lane) + i] = wanted(s.m[i / 3][i % 3])[lane];
    }
    TwoPools<R> start() const {
        return load(a.magnetization, a.d_magnetization, (p.own_magnetization ? item * p.spins : 0) + from);
    }
    int64_t record_at(int64_t j) const { return (item * p.records + j) * p.spins + from; }

    MRIOPS_LANE_SELDOM void set_half(R time) {
        const R k_ab = time * rows[exchange_k_ab], k_ba = time * rows[exchange_k_ba];
        longitudinal = interval<R>(time * rows[exchange_r1_a], time * rows[exchange_r1_b], k_ab, k_ba);
        transverse = interval<R>(time * rows[exchange_r2_a], time * rows[exchange_r2_b], k_ab, k_ba);
        for (int i = 0; i < 2; ++i)
            grown[i] = equilibrium[i] - longitudinal.e[i][0] * equilibrium[0] - longitudinal.e[i][1] * equilibrium[1];
    }
    // Steps of equal length share what half of them does.
    MRIOPS_LANE_INLINE void at_step(int64_t n) {
        const R time = dt(n);
        T tangent = 0;
        if constexpr (dual) tangent = time.d[0];
        if (known && time.v[0] == last_dt[0] && tangent == last_dt[1]) return;
        last_dt[0] = time.v[0];
        last_dt[1] = tangent;
        known = true;
        set_half(times_number(T(0.5), time));
    }
    MRIOPS_LANE_INLINE TwoPools<R> relaxed(const TwoPools<R>& s) const {
        TwoPools<R> to;
        for (int i = 0; i < 2; ++i) {
            for (int k = 0; k < 2; ++k) to.m[i][k] = transverse.e[i][0] * s.m[0][k] + transverse.e[i][1] * s.m[1][k];
            to.m[i][2] = longitudinal.e[i][0] * s.m[0][2] + longitudinal.e[i][1] * s.m[1][2] + grown[i];
        }
        return to;
    }

    // Frequencies of step n: x, y of both pools, z of each [Hz].
    struct Field {
        R x, y, z[2];
    };
    MRIOPS_LANE_INLINE Field field(int64_t n) const {
        Field f;
        if (p.b1) {
            f.x = f.y = R{};
            for (int64_t c = 0; c < p.channels; ++c) {
                const R re = at(c, n), im = at(p.channels + c, n), br = b1()[c], bi = b1()[p.channels + c];
                f.x = f.x + (br * re - bi * im);
                f.y = f.y + (br * im + bi * re);
            }
        } else {
            f.x = at(0, n);
            f.y = at(1, n);
        }
        f.z[0] = rows[exchange_off_resonance];
        for (int64_t i = 0; i < p.axes; ++i) f.z[0] = f.z[0] + at(2 * p.channels + i, n) * position()[i];
        f.z[1] = f.z[0] + rows[exchange_off_resonance_b];
        return f;
    }
    MRIOPS_LANE_INLINE Triple<Vec> turn_of(const Field& f, R angle, int pool) const {
        return {as_vec(angle * f.x), as_vec(angle * f.y), as_vec(angle * f.z[pool])};
    }
    static MRIOPS_LANE_INLINE Triple<Vec> triple(const R (&m)[3]) { return {as_vec(m[0]), as_vec(m[1]), as_vec(m[2])}; }
    MRIOPS_LANE_INLINE TwoPools<R> turned_by(const TwoPools<R>& s, const Field& f, R angle) const {
        TwoPools<R> to;
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

// Gradients of a block: rows of `spins`, and sums over lanes for the waveform.
template <class T, class R>
struct ExchangeGradient {
    using Block = ExchangeBlock<T, R>;
    using Vec = typename Block::Vec;
    using N = typename Block::N;

    Block& block;
    R* rows;           // as those of the block
    double* waveform;  // (waveform rows, steps)
    R of_equilibrium[2] = {};

    MRIOPS_LANE_INLINE void add(int64_t row, R value) { rows[row] = rows[row] + value; }
    MRIOPS_LANE_INLINE void shared(int64_t row, int64_t n, R value) {
        double sum = 0;
        for (int i = 0; i < block.lanes; ++i) sum += double(wanted(value)[i]);
        waveform[row * block.p.steps + n] += sum;
    }

    // Through relaxed(), which found the state s; what its matrices gain is collected.
    struct OfHalf {
        R transverse[2][2], longitudinal[2][2];
    };
    MRIOPS_LANE_INLINE void relaxed_back(const TwoPools<R>& s, TwoPools<R>& bar, OfHalf& of) {
        const auto &t = block.transverse.e, &l = block.longitudinal.e;
        TwoPools<R> to;
        for (int j = 0; j < 2; ++j) {
            of_equilibrium[j] = of_equilibrium[j] + bar.m[j][2];
            for (int i = 0; i < 2; ++i) {
                of.transverse[i][j] = of.transverse[i][j] + bar.m[i][0] * s.m[j][0] + bar.m[i][1] * s.m[j][1];
                of.longitudinal[i][j] = of.longitudinal[i][j] + bar.m[i][2] * (s.m[j][2] - block.equilibrium[j]);
                of_equilibrium[j] = of_equilibrium[j] - l[i][j] * bar.m[i][2];
            }
            for (int k = 0; k < 2; ++k) to.m[j][k] = t[0][j] * bar.m[0][k] + t[1][j] * bar.m[1][k];
            to.m[j][2] = l[0][j] * bar.m[0][2] + l[1][j] * bar.m[1][2];
        }
        bar = to;
    }
    // Returns the gradient of the time of both halves together, which is that of dt times 2.
    MRIOPS_LANE_SELDOM R rates_back(const OfHalf& of, R time) {
        const IntervalGradient<R> l = pull(block.longitudinal, of.longitudinal);
        const IntervalGradient<R> t = pull(block.transverse, of.transverse);
        add(exchange_r1_a, time * l.p_a);
        add(exchange_r1_b, time * l.p_b);
        add(exchange_r2_a, time * t.p_a);
        add(exchange_r2_b, time * t.p_b);
        add(exchange_k_ab, time * (l.b_a + t.b_a));
        add(exchange_k_ba, time * (l.b_b + t.b_b));
        const R* r = block.rows;
        return r[exchange_r1_a] * l.p_a + r[exchange_r1_b] * l.p_b + r[exchange_r2_a] * t.p_a +
               r[exchange_r2_b] * t.p_b + r[exchange_k_ab] * (l.b_a + t.b_a) + r[exchange_k_ba] * (l.b_b + t.b_b);
    }
    // Of the angles per turn [rad / (2 pi dt)].
    MRIOPS_LANE_INLINE void field_back(int64_t n, R angle, R x, R y, const R (&z)[2]) {
        const BlochExchangeProblem& p = block.p;
        x = angle * x;
        y = angle * y;
        const R both = angle * (z[0] + z[1]);
        add(exchange_off_resonance, both);
        add(exchange_off_resonance_b, angle * z[1]);
        const int64_t first_b1 = exchange_rows, first_position = first_b1 + (p.b1 ? 2 * p.channels : 0);
        for (int64_t i = 0; i < p.axes; ++i) {
            add(first_position + i, both * block.at(2 * p.channels + i, n));
            shared(2 * p.channels + i, n, both * block.position()[i]);
        }
        if (!p.b1) {
            shared(0, n, x);
            shared(1, n, y);
            return;
        }
        for (int64_t c = 0; c < p.channels; ++c) {
            const R re = block.at(c, n), im = block.at(p.channels + c, n);
            const R br = block.b1()[c], bi = block.b1()[p.channels + c];
            add(first_b1 + c, x * re + y * im);
            add(first_b1 + p.channels + c, y * re - x * im);
            shared(c, n, br * x + bi * y);
            shared(p.channels + c, n, br * y - bi * x);
        }
    }

    // Through step n, which began with s.
    MRIOPS_LANE_SELDOM void back(int64_t n, const TwoPools<R>& s, TwoPools<R>& bar) {
        block.at_step(n);
        const R dt = block.dt(n), angle = times_number(T(exchange_two_pi), dt);
        const auto field = block.field(n);
        const TwoPools<R> before = block.relaxed(s), after = block.turned_by(before, field, angle);
        OfHalf of{};
        relaxed_back(after, bar, of);
        R x{}, y{}, z[2];
        for (int i = 0; i < 2; ++i) {
            Triple<Vec> g = block.triple(bar.m[i]);
            const Triple<Vec> w = turned_back<N>(block.triple(before.m[i]), block.turn_of(field, angle, i), g);
            bar.m[i][0] = as_number<R>(g.x);
            bar.m[i][1] = as_number<R>(g.y);
            bar.m[i][2] = as_number<R>(g.z);
            x = x + as_number<R>(w.x);
            y = y + as_number<R>(w.y);
            z[i] = as_number<R>(w.z);
        }
        relaxed_back(s, bar, of);
        const R turning = field.x * x + field.y * y + field.z[0] * z[0] + field.z[1] * z[1];
        const R longer =
            times_number(T(exchange_two_pi), turning) + times_number(T(0.5), rates_back(of, times_number(T(0.5), dt)));
        shared(block.p.waveform_rows() - 1, n, longer);
        field_back(n, angle, x, y, z);
    }
};

}  // namespace
}  // namespace mriops
