// The door of the EPG-X kernels, and what each item of a batch is of the arrays of a call.
#pragma once
#include "../core/checks.h"
#include "epg_train.h"
#include "epgx_atoms.h"

namespace mriops {
namespace {

// Throws std::invalid_argument where the program contradicts the sizes.
inline EpgTrain epgx_train(const EpgxProblem& p) {
    at_least("batch", p.batch, 0);
    elements("signal", p.batch, p.samples, p.atoms);
    elements("tissue", p.batch, epgx_tissue_rows, p.atoms);
    if (p.program.empty() || p.program[0] != 0) refuse("program", "no flags", p.program.empty() ? 0 : p.program[0]);
    EpgProblem one;
    one.segments = p.segments;
    one.samples = p.samples;
    one.atoms = p.atoms;
    one.orders = p.orders;
    one.program = p.program;
    EpgTrain train = epg_train(one);
    if (train.inverts) refuse("program (segment flags)", "0 to 3, no inversion efficiency of two pools", epg_inverts);
    if (train.segments.empty()) {  // nothing is sampled
        train.segments.push_back({0, false, false, 0, 0, 1, 1});
        train.most_orders = 1;
    }
    return train;
}

inline PoolTrain pool_train(const EpgxProblem& p, const EpgTrain& train) {
    return {train.segments.data(),
            train.offsets.data(),
            int64_t(train.segments.size()),
            p.samples,
            p.atoms,
            p.segments,
            p.orders,
            train.most_orders,
            (train.widest_shift > 1 ? train.widest_shift : 1) + 1};
}

template <class T>
MRIOPS_LANE_INLINE PoolArrays<T> pool_arrays(const EpgxProblem& p, const EpgxArrays& a, int64_t item) {
    const int64_t pulses = p.own_pulses ? item * epgx_pulse_rows * p.segments : 0;
    const int64_t readouts = p.own_readouts ? item * epgx_readout_rows * p.samples : 0;
    const int64_t tissue = p.own_tissue ? item * epgx_tissue_rows * p.atoms : 0;
    const auto at = [](const void* from, int64_t offset) {
        return from ? static_cast<const T*>(from) + offset : nullptr;
    };
    return {at(a.pulses, pulses),   at(a.readouts, readouts),   at(a.tissue, tissue),
            at(a.d_pulses, pulses), at(a.d_readouts, readouts), at(a.d_tissue, tissue)};
}

}  // namespace
}  // namespace mriops
