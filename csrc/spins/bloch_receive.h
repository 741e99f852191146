// What coils see of a block of isochromats: sums over lanes of receive (Mx + i My).
#pragma once
#include <utility>

#include "bloch_table.h"
#include "bloch_turn.h"

namespace mriops {
namespace {

namespace lane_pairs {
template <class T, int... I>
MRIOPS_LANE_INLINE LaneVec<T> add(LaneVec<T> a, LaneVec<T> b, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, (2 * I)...) + __builtin_shufflevector(a, b, (2 * I + 1)...);
}
// Sums of neighbouring lanes of a, then of b.
template <class T>
MRIOPS_LANE_INLINE LaneVec<T> add(LaneVec<T> a, LaneVec<T> b) {
    return add<T>(a, b, std::make_integer_sequence<int, LaneOf<T>::width>{});
}
}  // namespace lane_pairs

// total[0] += sum of the lanes of a, total[1] += that of b.
template <class T>
MRIOPS_LANE_INLINE void add_lanes(double* total, LaneVec<T> a, LaneVec<T> b) {
    LaneVec<T> v = lane_pairs::add<T>(a, b);
#pragma GCC unroll 4
    for (int groups = LaneOf<T>::width / 2; groups > 1; groups /= 2) v = lane_pairs::add<T>(v, v);
    total[0] += double(v[0]);
    total[1] += double(v[1]);
}

// Receive sensitivities of one block: real and imaginary part per coil.
template <class N>
struct Coils {
    using T = typename N::Real;
    using Vec = typename N::Vec;

    Coils(const BlochProblem& p, const BlochArrays& a, int64_t b, int64_t from, int lanes, Vec* parts)
        : coils(p.coils), parts(parts) {
        const int64_t offset = 2 * ((p.own_receive ? b * p.coils * p.spins : 0) + from);
        for (int64_t c = 0; c < coils; ++c)
            for (int part = 0; part < 2; ++part) {
                const int64_t at = offset + 2 * c * p.spins + part;
                LaneVec<T> v{}, d{};
                for (int i = 0; i < lanes; ++i) v[i] = static_cast<const T*>(a.receive)[at + 2 * i];
                if constexpr (N::dual)
                    for (int i = 0; i < lanes; ++i) d[i] = static_cast<const T*>(a.d_receive)[at + 2 * i];
                parts[2 * c + part] = N::lanes(v, d);
            }
    }

    // Adds to (coils, 2) doubles.
    MRIOPS_LANE_INLINE void see(const Triple<Vec>& m, double* total) const {
        for (int64_t c = 0; c < coils; ++c) {
            const Vec re = parts[2 * c], im = parts[2 * c + 1];
            add_lanes<T>(total + 2 * c, N::result(re * m.x - im * m.y), N::result(re * m.y + im * m.x));
        }
    }

    int64_t coils;
    Vec* parts;
};

}  // namespace
}  // namespace mriops
