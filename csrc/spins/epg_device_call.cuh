// What every sweep over a train needs before its kernel starts: the train on the device, and room for states.
#pragma once
#include <algorithm>

#include "../core/device_workspace.cuh"
#include "epg_device.cuh"
#include "epg_train.h"

namespace mriops::cuda::phase_graphs {
namespace {

constexpr int64_t kMostWorkers = 8192, kWorkspace = int64_t(1) << 29;

inline bool has_real_states(const EpgArrays& a) { return !a.value[epg_off_resonance] && !a.value[epg_phase]; }
// For sizes, which do not know the arguments: complex states take more, real signals have real ones.
inline bool may_have_real_states(const EpgProblem& p) { return !p.program.empty() && (p.program[0] & epg_real_signal); }

inline EpgTrain device_train(const EpgProblem& p, bool real) {
    EpgTrain train = epg_train(p);
    if (train.real_signal && !(real && train.odd_orders))
        throw std::invalid_argument("program: expected odd orders, no phase and no off_resonance for a real signal");
    if (p.segments > INT32_MAX || p.samples > INT32_MAX) refuse("program", "at most 2^31 samples", p.samples);
    if (train.segments.empty()) train.segments.push_back({0, false, false, 0, 0, 1, 1});  // nothing is sampled
    return train;
}

inline Call device_call(gpu::Memory& memory, const EpgProblem& p, const EpgTrain& train, const EpgArrays& a) {
    const int64_t count = int64_t(train.segments.size());
    int32_t* const segments = memory.take<int32_t>(count * fields);
    int32_t* const offsets = memory.take<int32_t>(p.samples);
    Call c{};
    c.train = {segments,
               offsets,
               count,
               p.samples,
               p.atoms,
               p.orders,
               train.most_orders,
               std::max(train.widest_shift, 1) + 1,
               train.odd_orders,
               train.real_signal,
               train.inverts};
    if (p.orders) c.train.most_orders = std::min(p.orders, train.most_orders);
    c.arrays = a;
    return c;
}

// Chooses the number of workers, each of which has `moments` times the states. Returns the bytes of shared memory that
// they lie in, where that is allowed and enough; otherwise they are taken from the workspace.
template <class S>
int64_t place_states(Call& c, gpu::Memory& memory, bool shared) {
    // Whether states are real is known to the call alone, so that sizes are those of complex ones. A real signal has
    // none.
    const int64_t most_bytes = c.train.real_signal || StateOf<S>::complex ? sizeof(S) : 2 * sizeof(S);
    const int64_t bytes = c.moments * c.train.entries() * most_bytes;
    shared = shared && bytes * kWarps <= int64_t(gpu::kSharedBytesAnywhere);
    const int64_t most = std::min(kMostWorkers, kWorkspace / ((shared ? 1 : bytes) + 8 * c.length));
    c.workers = (std::max<int64_t>(1, std::min(c.train.atoms, most)) + kWarps - 1) / kWarps * kWarps;
    if (!shared) c.states = memory.take<char>(c.workers * bytes);
    return shared ? bytes * kWarps : 0;
}

inline void send(const EpgTrain& train, const Call& c, gpu::Stream stream) {
    std::vector<int32_t> packed;
    for (const EpgSegment& s : train.segments)
        packed.insert(packed.end(),
                      {s.shift, int32_t((s.spoil ? epg_spoil : 0) | (s.adiabatic ? epg_adiabatic : 0)),
                       int32_t(s.first_sample), int32_t(s.samples), int32_t(std::min(s.reach, s.needed))});
    gpu::upload(packed, const_cast<int32_t*>(c.train.segments), stream);
    gpu::upload(std::vector<int32_t>(train.offsets.begin(), train.offsets.end()), const_cast<int32_t*>(c.train.offsets),
                stream);
}

}  // namespace
}  // namespace mriops::cuda::phase_graphs
