// K-space samples of a block of coils that the caller has in sorted order with the coil innermost, and the samples'
// weights.
#pragma once
#include <algorithm>
#include <cstring>

#include "taps.h"

namespace mriops {
namespace {

// The user's index of each sorted sample. An order that is none gives a wrong result, not a wrong address.
struct UserOrder {
    const int32_t* order;
    uint32_t last;
    UserOrder(const int32_t* order, int64_t samples) : order(order), last(uint32_t(samples - 1)) {}
    MRIOPS_INLINE int64_t operator[](int64_t sorted) const { return std::min(uint32_t(order[sorted]), last); }
};

// Samples in sorted order, coil innermost.
template <class T>
struct SortedSamples {
    T* base;       // those of the block's first coil
    int64_t step;  // from one sample to the next, in real numbers
    int64_t used;  // numbers of a sample that are there

    template <class U>
    T* whole(const Block<U>& block, int64_t cell_reals) const {
        return step == cell_reals && used == cell_reals ? base + block.first * step : nullptr;
    }
};

// values times the samples' weights, which are in the user's order.
template <class T>
void weigh_samples(const T* weight, const UserOrder& order, const Block<T>& block, int64_t stored, T* values) {
    with_cell(stored, [&](auto n) {
        constexpr int N = decltype(n)::value;
        for (int s = 0; s < block.count; ++s) {
            const T w = weight[order[block.first + s]];
            for (int i = 0; i < N; ++i) values[s * N + i] *= w;
        }
    });
}

// The block's cells: where they lie, if they do, else copied to `values`; coils that are not there read as zero.
// `weight` is in the user's order.
template <class T>
const T* read_samples(const SortedSamples<const T>& from, const Block<T>& block, int64_t stored, const T* weight,
                      const UserOrder& order, T* values) {
    const int64_t cell_reals = 2 * stored;
    const T* const there = from.whole(block, cell_reals);
    if (there && !weight) return there;
    for (int s = 0; s < block.count; ++s) {
        T* const to = values + s * cell_reals;
        const T* const sample = from.base + (block.first + s) * from.step;
        std::copy_n(sample, from.used, to);
        std::fill(to + from.used, to + cell_reals, T(0));
    }
    if (weight) weigh_samples(weight, order, block, stored, values);
    return values;
}

template <class T>
void write_samples(const SortedSamples<T>& to, const Block<T>& block, int64_t cell_reals, const T* values) {
    for (int s = 0; s < block.count; ++s)
        std::memcpy(to.base + (block.first + s) * to.step, values + s * cell_reals, size_t(to.used) * sizeof(T));
}

}  // namespace
}  // namespace mriops
