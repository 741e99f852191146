// One step of a block of isochromats, forward and back.
#pragma once
#include "bloch_table.h"
#include "bloch_turn.h"

namespace mriops {
namespace {

// Relaxation over a time that rarely changes from one step to the next.
template <class N>
class Relaxation {
    using T = typename N::Real;
    using Vec = typename N::Vec;

  public:
    MRIOPS_LANE_INLINE void over(const Isochromats<N>& s, typename N::Scalar h) {
        if (known_ && h == h_) return;
        k1_ = lost<N>(s.r1(), h);
        k2_ = lost<N>(s.r2(), h);
        h_ = h;
        known_ = true;
    }
    MRIOPS_LANE_INLINE Triple<Vec> apply(const Triple<Vec>& m) const {
        return {m.x - k2_ * m.x, m.y - k2_ * m.y, m.z + k1_ * (T(1) - m.z)};
    }
    MRIOPS_LANE_INLINE Triple<Vec> back(const Triple<Vec>& bar) const {
        return {bar.x - k2_ * bar.x, bar.y - k2_ * bar.y, bar.z - k1_ * bar.z};
    }

  private:
    Vec k1_{}, k2_{};
    typename N::Scalar h_{};
    bool known_ = false;
};

template <class N>
struct Walk {
    using T = typename N::Real;
    using Vec = typename N::Vec;
    using Scalar = typename N::Scalar;

    Walk(const BlochProblem& p, const BlochTable<N>& table, const Isochromats<N>& spins)
        : split(p.split), table(table), spins(spins) {}

    MRIOPS_LANE_INLINE Triple<Vec> relaxed(const Triple<Vec>& m, int64_t n) {
        const Scalar* rest = table.step(n) + 2 * table.channels;
        relaxation.over(spins, rest[table.axes + 1]);
        return relaxation.apply(m);
    }
    // The vector of step n; with splitting, only its precession in z, and its nutation in x and y.
    MRIOPS_LANE_INLINE Triple<Vec> vector(int64_t n) const {
        const Scalar* row = table.step(n);
        Triple<Vec> w;
        spins.nutation(row, table.channels, w.x, w.y);
        w.z = spins.precession(row + 2 * table.channels, table.axes);
        return w;
    }
    MRIOPS_LANE_INLINE Triple<Vec> turn(const Triple<Vec>& m, int64_t n) const {
        if constexpr (!N::dual)
            if (table.free(n)) return precessed(m, spins.precession(table.step(n) + 2 * table.channels, table.axes));
        const Triple<Vec> w = vector(n);
        if (!split) return turned<N>(m, w);
        return turned<N>(precessed(m, w.z), Triple<Vec>{w.x, w.y, Vec{}});
    }
    static MRIOPS_LANE_INLINE Triple<Vec> precessed(const Triple<Vec>& m, Vec angle) {
        Vec sine, cosine;
        Functions<N>::sincos(angle, sine, cosine);
        return {m.x * cosine + m.y * sine, m.y * cosine - m.x * sine, m.z};
    }
    // From the middle of step n to its end.
    MRIOPS_LANE_INLINE Triple<Vec> completed(const Triple<Vec>& m, int64_t n) {
        const Scalar* rest = table.half(n);
        half_relaxation.over(spins, rest[table.axes + 1]);
        const Triple<Vec> r = half_relaxation.apply(m);
        if (!split) return r;
        return precessed(r, spins.precession(rest, table.axes));
    }

    const bool split;
    const BlochTable<N>& table;
    const Isochromats<N>& spins;
    Relaxation<N> relaxation, half_relaxation;
};

}  // namespace
}  // namespace mriops
