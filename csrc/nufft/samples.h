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
    int64_t coil_step, total;  // in units of T; samples there are
    int64_t sorted_step;       // from one sample to the next in sorted layout, or 0: user's layout

    Samples(Pointer item, const int32_t* order, const NufftProblem& p, int64_t first_coil, SampleLayout layout)
        : order(order), total(p.samples), sorted_step(layout == SampleLayout::sorted ? 2 * p.coils : 0) {
        coil_step = sorted_step ? 2 : 2 * p.samples;
        base = item + first_coil * coil_step;
    }

    // Asks for the lines of a block that comes soon: neighbours in sorted order lie anywhere in each coil's array, and
    // no hardware looks ahead there.
    template <int Write>
    MRIOPS_INLINE void prefetch(int64_t first, int64_t coils) const {
        if (sorted_step) return;
        const int64_t end = std::min(first + kBlockSamples, total);
        for (int64_t s = first; s < end; ++s) {
            const int64_t line = int64_t(order[s]) * 2 * int64_t(sizeof(T)) / 64;
            if (s > first && line == int64_t(order[s - 1]) * 2 * int64_t(sizeof(T)) / 64) continue;
            for (int64_t c = 0; c < coils; ++c)
                __builtin_prefetch(base + c * coil_step + 2 * int64_t(order[s]), Write, 2);
        }
    }
};

// values [count][N]: coils beyond those there are read as zero.
template <class T, int N>
__attribute__((noinline)) void read_samples(const Samples<T, const T*>& from, int64_t first, int count, int64_t coils,
                                            const T* weight, T* values) {
    from.template prefetch<0>(first + 2 * kBlockSamples, coils);
    if (2 * coils < N) std::fill_n(values, count * N, T(0));
    const int32_t* order = from.order + first;
    if (from.sorted_step) {
        for (int s = 0; s < count; ++s)
            std::memcpy(values + s * N, from.base + (first + s) * from.sorted_step, size_t(2 * coils) * sizeof(T));
    } else {
        for (int64_t c = 0; c < coils; ++c) {
            const T* coil = from.base + c * from.coil_step;
            for (int s = 0; s < count; ++s)
                std::memcpy(values + s * N + 2 * c, coil + 2 * int64_t(order[s]), 2 * sizeof(T));
        }
    }
    if (!weight) return;
    for (int s = 0; s < count; ++s)
        for (int i = 0; i < N; ++i) values[s * N + i] *= weight[order[s]];
}

template <class T, int N>
__attribute__((noinline)) void write_samples(const Samples<T, T*>& to, int64_t first, int count, int64_t coils,
                                             const T* values) {
    to.template prefetch<1>(first + 2 * kBlockSamples, coils);
    if (to.sorted_step) {
        for (int s = 0; s < count; ++s)
            std::memcpy(to.base + (first + s) * to.sorted_step, values + s * N, size_t(2 * coils) * sizeof(T));
        return;
    }
    const int32_t* order = to.order + first;
    for (int64_t c = 0; c < coils; ++c) {
        T* coil = to.base + c * to.coil_step;
        for (int s = 0; s < count; ++s)
            std::memcpy(coil + 2 * int64_t(order[s]), values + s * N + 2 * c, 2 * sizeof(T));
    }
}

}  // namespace
}  // namespace mriops
