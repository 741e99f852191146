// One segment of a train for two pools of a block of atoms: the states after a pulse from those after the pulse before,
// and the adjoint of that. As epg_sweep.h, of which pool b is a second copy (Both), or adds a row of longitudinal
// states.
#pragma once
#include "epg_train.h"
#include "epgx_interval.h"

namespace mriops {
namespace {

// Who shares the orders of a block of atoms. On a device one warp has one atom: its lanes take orders in turn, and what
// an atom has one of is computed by the first lane alone, with its numbers in shared memory, since no thread has
// registers for them. On the CPU one thread has all lanes of a vector of atoms.
struct Team {
#if defined(MRIOPS_LANE_SCALAR)
    static constexpr int size = 32;
    static MRIOPS_HD int member() {
#if defined(__CUDA_ARCH__) || defined(MRIOPS_EMU)
        return int(threadIdx.x % size);
#else
        return 0;
#endif
    }
    static MRIOPS_HD void sync() {
#if defined(__CUDA_ARCH__) || defined(MRIOPS_EMU)
        __syncwarp();
#endif
    }
    template <class T>
    static MRIOPS_HD T sum(T x) {
#if defined(__CUDA_ARCH__) || defined(MRIOPS_EMU)
        for (int bits = size / 2; bits > 0; bits /= 2) x += __shfl_xor_sync(0xffffffffu, x, bits);
#endif
        return x;
    }
#else
    static constexpr int size = 1;
    static MRIOPS_LANE_INLINE int member() { return 0; }
    static MRIOPS_LANE_INLINE void sync() {}
    template <class T>
    static MRIOPS_LANE_INLINE T sum(T x) {
        return x;
    }
#endif
    static MRIOPS_LANE_INLINE bool first() { return member() == 0; }
};

// u, v, w of one moment, of each pool; entries -pad ... most + pad - 1 exist. u(1) and v(1) only with two pools of
// transverse states.
template <class S>
struct PoolStates {
    S* first;
    int64_t row;
    MRIOPS_LANE_INLINE S* u(int pool) const { return first + (pool ? 4 * row : 0); }
    MRIOPS_LANE_INLINE S* v(int pool) const { return first + (pool ? 5 : 1) * row; }
    MRIOPS_LANE_INLINE S* w(int pool) const { return first + (pool ? 3 : 2) * row; }
};

struct PoolSize {
    int64_t most, pad;
    bool both;
    MRIOPS_LANE_INLINE int64_t row() const { return most + 2 * pad; }
    MRIOPS_LANE_INLINE int64_t entries() const { return (both ? 6 : 4) * row(); }
};
template <class S>
MRIOPS_LANE_INLINE PoolStates<S> pool_states_at(S* memory, PoolSize size) {
    return {memory + size.pad, size.row()};
}

// What a segment does: relaxation, exchange and precession since the last pulse, then the pulse.
template <class S>
struct PoolStep {
    using R = typename StateOf<S>::Real;
    S precession[2][2];  // of u; its conjugate acts on v. Without Both, the first entry alone
    R exchange[2][2];    // of w
    R grown[2];          // what equilibrium adds to w at order 0
    R sine, cosine;      // of the flip angle
    R saturation;        // what the pulse leaves of w_b, without Both
    int shift;
};

template <bool Both, class S>
MRIOPS_LANE_INLINE void fill_pads(const PoolStates<S>& x, int64_t live, int64_t next_live, int shift) {
    const int up = shift < 0 ? -shift : shift, member = Team::member();
    MRIOPS_LANE_UNROLL
    for (int i = 0; i < 2; ++i) {
        for (int64_t k = live + member; k < next_live; k += Team::size) x.w(i)[k] = S{};
        if (!Both && i) continue;
        for (int64_t k = live + member; k < next_live + up; k += Team::size) x.u(i)[k] = x.v(i)[k] = S{};
    }
    Team::sync();
    MRIOPS_LANE_UNROLL
    for (int i = 0; i < (Both ? 2 : 1); ++i) {
        for (int k = 1 + member; k <= shift; k += Team::size) x.u(i)[-k] = conjugate(x.v(i)[k]);
        for (int k = 1 + member; k <= -shift; k += Team::size) x.v(i)[-k] = conjugate(x.u(i)[k]);
    }
    Team::sync();
}

template <bool Both, class S>
MRIOPS_LANE_INLINE void advance(const PoolStates<S>& x, int64_t live, const PoolStates<S>& out, int64_t next_live,
                                const PoolStep<S>& step) {
    using R = typename StateOf<S>::Real;
    using T = typename R::Real;
    constexpr int pools = Both ? 2 : 1;
    fill_pads<Both>(x, live, next_live, step.shift);
    const R a = times_number(T(0.5), number<R>(T(1)) - step.cosine), h2 = times_number(T(0.5), step.sine);
    for (int64_t k = Team::member(); k < next_live; k += Team::size) {
        const S za = x.w(0)[k], zb = x.w(1)[k];
        S z[2];
        z[0] = scaled(step.exchange[0][0], za) + scaled(step.exchange[0][1], zb);
        z[1] = scaled(step.exchange[1][0], za) + scaled(step.exchange[1][1], zb);
        if (k == 0) {
            add_real(z[0], step.grown[0]);
            add_real(z[1], step.grown[1]);
        }
        MRIOPS_LANE_UNROLL
        for (int i = 0; i < pools; ++i) {
            S p = step.precession[i][0] * x.u(0)[k - step.shift];
            S m = conjugate(step.precession[i][0]) * x.v(0)[k + step.shift];
            if constexpr (Both) {
                p = p + step.precession[i][1] * x.u(1)[k - step.shift];
                m = m + conjugate(step.precession[i][1]) * x.v(1)[k + step.shift];
            }
            const S h = p + m, q = scaled(a, h) - scaled(step.sine, z[i]);
            out.u(i)[k] = p - q;
            out.v(i)[k] = m - q;
            out.w(i)[k] = scaled(step.cosine, z[i]) - scaled(h2, h);
        }
        if constexpr (!Both) out.w(1)[k] = scaled(step.saturation, z[1]);
    }
    Team::sync();
}

// Gradients of one segment's numbers: d = Re sum precession[i][j] dprecession_ij, and the real numbers likewise.
template <class S>
struct PoolStepGradient {
    using R = typename StateOf<S>::Real;
    S precession[2][2];
    R exchange[2][2], grown[2];
    R flip, saturation;  // the latter of ln saturation
};

template <class S>
MRIOPS_LANE_INLINE typename StateOf<S>::Real real_part(S a) {
    if constexpr (StateOf<S>::complex)
        return a.re;
    else
        return a;
}
template <class S>
MRIOPS_LANE_INLINE typename StateOf<S>::Real imaginary_part(S a) {
    if constexpr (StateOf<S>::complex)
        return a.im;
    else
        return S{};
}

// Of the first pulse, which made the states `out` of order 0 alone.
template <bool Both, class S>
MRIOPS_LANE_INLINE typename StateOf<S>::Real flip_gradient(const PoolStates<S>& grad, const PoolStates<S>& out) {
    using R = typename StateOf<S>::Real;
    using T = typename R::Real;
    R turn{}, back{};
    MRIOPS_LANE_UNROLL
    for (int i = 0; i < (Both ? 2 : 1); ++i) {
        turn = turn + real_product(grad.u(i)[0] + grad.v(i)[0], out.w(i)[0]);
        back = back + real_product(grad.w(i)[0], out.u(i)[0] + out.v(i)[0]);
    }
    return turn - times_number(T(0.5), back);
}

// Sums over the orders of a team.
template <class T>
MRIOPS_LANE_INLINE Plain<T> over_team(Plain<T> a) {
    return {Team::sum(a.v)};
}
template <class T>
MRIOPS_LANE_INLINE Dual<T> over_team(Dual<T> a) {
    return {Team::sum(a.v), Team::sum(a.d)};
}
template <class R>
MRIOPS_LANE_INLINE Pair<R> over_team(Pair<R> a) {
    return {over_team(a.re), over_team(a.im)};
}

// What the shift moved out of sight. No member of a team writes the same place in retreat().
template <bool Both, class S>
MRIOPS_LANE_INLINE void clear_unseen(const PoolStates<S>& before, int64_t live, int64_t next_live, int shift) {
    const int member = Team::member();
    MRIOPS_LANE_UNROLL
    for (int i = 0; i < 2; ++i) {
        for (int64_t k = next_live + member; k < live; k += Team::size) before.w(i)[k] = S{};
        if (!Both && i) continue;
        for (int64_t k = next_live - shift + member; k < live; k += Team::size) before.u(i)[k] = S{};
        for (int64_t k = next_live + shift + member; k < live; k += Team::size) before.v(i)[k] = S{};
        for (int64_t k = member; k < shift; k += Team::size) before.v(i)[k] = S{};
        for (int64_t k = member; k < -shift; k += Team::size) before.u(i)[k] = S{};
    }
    Team::sync();
}

// Through the pulse: from the gradient of the states `out` of pool i to that of the states before it.
template <class S>
struct BeforePulse {
    S u[2], v[2], z[2];
};
template <bool Both, class S>
MRIOPS_LANE_INLINE void pulse_back(int i, int64_t k, const PoolStates<S>& grad, const PoolStates<S>& out,
                                   const PoolStep<S>& step, BeforePulse<S>& n, PoolStepGradient<S>& g) {
    using R = typename StateOf<S>::Real;
    using T = typename R::Real;
    const S gw = grad.w(i)[k];
    if (!Both && i) {
        g.saturation = g.saturation + real_product(gw, out.w(1)[k]);
        n.z[1] = scaled(step.saturation, gw);
        return;
    }
    const R a = times_number(T(0.5), number<R>(T(1)) - step.cosine), h2 = times_number(T(0.5), step.sine);
    const S gu = grad.u(i)[k], gv = grad.v(i)[k], sum = gu + gv;
    g.flip =
        g.flip + real_product(sum, out.w(i)[k]) - times_number(T(0.5), real_product(gw, out.u(i)[k] + out.v(i)[k]));
    const S h = scaled(a, sum) + scaled(h2, gw);
    n.u[i] = gu - h;
    n.v[i] = gv - h;
    n.z[i] = scaled(step.sine, sum) + scaled(step.cosine, gw);
}
// Through relaxation, exchange and precession: the part of the states x of pool j.
template <bool Both, class S>
MRIOPS_LANE_INLINE void interval_back(int j, int64_t k, const BeforePulse<S>& n, const PoolStates<S>& before,
                                      const PoolStates<S>& x, const PoolStep<S>& step, PoolStepGradient<S>& g) {
    constexpr int pools = Both ? 2 : 1;
    MRIOPS_LANE_UNROLL
    for (int i = 0; i < 2; ++i) g.exchange[i][j] = g.exchange[i][j] + real_product(n.z[i], x.w(j)[k]);
    before.w(j)[k] = scaled(step.exchange[0][j], n.z[0]) + scaled(step.exchange[1][j], n.z[1]);
    if (k == 0) g.grown[j] = real_part(n.z[j]);
    if (j >= pools) return;
    const S u = x.u(j)[k - step.shift], v = conjugate(x.v(j)[k + step.shift]);
    S bu{}, bv{};
    MRIOPS_LANE_UNROLL
    for (int i = 0; i < pools; ++i) {
        g.precession[i][j] = g.precession[i][j] + (conjugate(n.u[i]) * u + n.v[i] * v);
        bu = bu + conjugate(step.precession[i][j]) * n.u[i];
        bv = bv + step.precession[i][j] * n.v[i];
    }
    before.u(j)[k - step.shift] = bu;
    before.v(j)[k + step.shift] = bv;
}
// Sums over a team, for its first member.
template <bool Both, class S>
MRIOPS_LANE_INLINE void give_column(int j, const PoolStepGradient<S>& part, PoolStepGradient<S>& total) {
    const auto give = [](auto& to, auto from) {
        const auto sum = over_team(from);
        if (Team::first()) to = sum;
    };
    give(total.grown[j], part.grown[j]);
    MRIOPS_LANE_UNROLL
    for (int i = 0; i < 2; ++i) {
        give(total.exchange[i][j], part.exchange[i][j]);
        if (Both) give(total.precession[i][j], part.precession[i][j]);
    }
    if (j) return;
    if (!Both) give(total.precession[0][0], part.precession[0][0]);
    give(total.flip, part.flip);
    if (!Both) give(total.saturation, part.saturation);
}

// `grad` is the gradient of the states `out` after the step, and is not kept; `before` becomes that of the states x it
// started from. The first of a team finds the gradient of the step in `total`.
template <bool Both, class S>
MRIOPS_LANE_INLINE void retreat(const PoolStates<S>& grad, const PoolStates<S>& out, int64_t next_live,
                                const PoolStates<S>& before, const PoolStates<S>& x, int64_t live,
                                const PoolStep<S>& step, PoolStepGradient<S>& total) {
    constexpr int pools = Both ? 2 : 1;
    const int shift = step.shift;
    clear_unseen<Both>(before, live, next_live, shift);
    PoolStepGradient<S> g{};
    BeforePulse<S> n;
    // A thread of a device has no registers for all tangents at once: one way, then one pool after the other.
    if constexpr (Both && Team::size > 1 && Parts<typename StateOf<S>::Real>::dual) {
        for (int64_t k = Team::member(); k < next_live; k += Team::size) {
            MRIOPS_LANE_UNROLL
            for (int i = 0; i < 2; ++i) {
                pulse_back<Both>(i, k, grad, out, step, n, g);
                grad.u(i)[k] = n.u[i];
                grad.v(i)[k] = n.v[i];
                grad.w(i)[k] = n.z[i];
            }
        }
        MRIOPS_LANE_UNROLL
        for (int j = 0; j < 2; ++j) {
            for (int64_t k = Team::member(); k < next_live; k += Team::size) {
                n = {{grad.u(0)[k], grad.u(1)[k]}, {grad.v(0)[k], grad.v(1)[k]}, {grad.w(0)[k], grad.w(1)[k]}};
                interval_back<Both>(j, k, n, before, x, step, g);
            }
            give_column<Both>(j, g, total);
        }
    } else {
        for (int64_t k = Team::member(); k < next_live; k += Team::size) {
            MRIOPS_LANE_UNROLL
            for (int i = 0; i < 2; ++i) pulse_back<Both>(i, k, grad, out, step, n, g);
            MRIOPS_LANE_UNROLL
            for (int j = 0; j < 2; ++j) interval_back<Both>(j, k, n, before, x, step, g);
        }
        give_column<Both>(0, g, total);
        give_column<Both>(1, g, total);
    }
    Team::sync();
    MRIOPS_LANE_UNROLL
    for (int i = 0; i < pools; ++i) {
        for (int k = 1 + Team::member(); k <= shift; k += Team::size)
            before.v(i)[k] = before.v(i)[k] + conjugate(before.u(i)[-k]);
        for (int k = 1 + Team::member(); k <= -shift; k += Team::size)
            before.u(i)[k] = before.u(i)[k] + conjugate(before.v(i)[-k]);
    }
    Team::sync();
}

}  // namespace
}  // namespace mriops
