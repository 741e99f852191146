// K-space samples of a block of coils between the caller's array and blocks of cells in sorted order.
#pragma once
#include <algorithm>
#include <cstring>

#include "nufft.h"
#include "taps.h"

namespace mriops {
namespace {

// The samples of one batch item. `base` is those of the block's first coil.
template <class T, class Pointer>
struct Samples {
    Pointer base;
    const int32_t* order;
    int64_t coil_step;    // in units of T
    int64_t sorted_step;  // from one sample to the next in sorted layout, or 0: user's layout

    Samples(Pointer item, const int32_t* order, const NufftProblem& p, int64_t first_coil, SampleLayout layout)
        : order(order), sorted_step(layout == SampleLayout::sorted ? 2 * p.coils : 0) {
        coil_step = sorted_step ? 2 : 2 * p.samples;
        base = item + first_coil * coil_step;
    }

    // Asks for the lines of a block that comes soon: neighbours in sorted order lie anywhere in each coil's array, and
    // no hardware looks ahead there.
    template <int Write>
    MRIOPS_INLINE void prefetch(const Block<T>& block, int64_t coils) const {
        if (sorted_step) return;
        const int64_t begin = block.count + kBlockSamples,
                      end = std::min<int64_t>(begin + kBlockSamples, block.count + block.left);
        int64_t before = -1;
        for (int64_t s = begin; s < end; ++s) {
            const int64_t at = 2 * int64_t(order[block.sample[s]]), line = at * int64_t(sizeof(T)) / 64;
            if (line == before) continue;
            before = line;
            for (int64_t c = 0; c < coils; ++c) __builtin_prefetch(base + c * coil_step + at, Write, 2);
        }
    }
    void user_order(const Block<T>& block, int64_t* at) const {
        for (int s = 0; s < block.count; ++s) at[s] = order[block.sample[s]];
    }
};

// values [count][N]: coils beyond those there are read as zero.
template <class T, int N>
__attribute__((noinline)) void read_samples(const Samples<T, const T*>& from, const Block<T>& block, int64_t coils,
                                            const T* weight, T* values) {
    from.template prefetch<0>(block, coils);
    const int count = block.count;
    int64_t user[kBlockSamples];
    from.user_order(block, user);
    if (2 * coils < N) std::fill_n(values, count * N, T(0));
    if (from.sorted_step) {
        for (int s = 0; s < count; ++s)
            std::memcpy(values + s * N, from.base + block.sample[s] * from.sorted_step, size_t(2 * coils) * sizeof(T));
    } else {
        for (int64_t c = 0; c < coils; ++c) {
            const T* coil = from.base + c * from.coil_step;
            for (int s = 0; s < count; ++s) std::memcpy(values + s * N + 2 * c, coil + 2 * user[s], 2 * sizeof(T));
        }
    }
    if (!weight) return;
    for (int s = 0; s < count; ++s)
        for (int i = 0; i < N; ++i) values[s * N + i] *= weight[user[s]];
}

template <class T, int N>
__attribute__((noinline)) void write_samples(const Samples<T, T*>& to, const Block<T>& block, int64_t coils,
                                             const T* values) {
    to.template prefetch<1>(block, coils);
    const int count = block.count;
    if (to.sorted_step) {
        for (int s = 0; s < count; ++s)
            std::memcpy(to.base + block.sample[s] * to.sorted_step, values + s * N, size_t(2 * coils) * sizeof(T));
        return;
    }
    int64_t user[kBlockSamples];
    to.user_order(block, user);
    for (int64_t c = 0; c < coils; ++c) {
        T* coil = to.base + c * to.coil_step;
        for (int s = 0; s < count; ++s) std::memcpy(coil + 2 * user[s], values + s * N + 2 * c, 2 * sizeof(T));
    }
}

}  // namespace
}  // namespace mriops
