// K-space samples of a block of coils between the caller's array and blocks of cells in sorted order.
#pragma once
#include "nufft.h"

namespace mriops {
namespace {

// The samples of one batch item. `base` is those of the block's first coil.
template <class T, class Pointer>
struct Samples {
    Pointer base;
    const int32_t* order;
    int64_t coil_step, sample_step;  // in units of T
    bool sorted;

    Samples(Pointer item, const int32_t* order, const NufftProblem& p, int64_t first_coil, SampleLayout layout)
        : order(order), sorted(layout == SampleLayout::sorted) {
        coil_step = sorted ? 2 : 2 * p.samples;
        sample_step = sorted ? 2 * p.coils : 2;
        base = item + first_coil * coil_step;
    }
    int64_t at(int64_t s) const { return (sorted ? s : order[s]) * sample_step; }
};

// values [count][cell_reals]: coils beyond those there are read as zero.
template <class T>
void read_samples(const Samples<T, const T*>& from, int64_t first, int count, int64_t coils, int64_t cell_reals,
                  const T* weight, T* values) {
    std::fill_n(values, count * cell_reals, T(0));
    for (int64_t c = 0; c < coils; ++c) {
        const T* coil = from.base + c * from.coil_step;
        for (int s = 0; s < count; ++s) {
            const T* p = coil + from.at(first + s);
            const T w = weight ? weight[from.order[first + s]] : T(1);
            values[s * cell_reals + 2 * c] = p[0] * w;
            values[s * cell_reals + 2 * c + 1] = p[1] * w;
        }
    }
}

template <class T>
void write_samples(const Samples<T, T*>& to, int64_t first, int count, int64_t coils, int64_t cell_reals,
                   const T* values) {
    for (int64_t c = 0; c < coils; ++c) {
        T* coil = to.base + c * to.coil_step;
        for (int s = 0; s < count; ++s) {
            T* p = coil + to.at(first + s);
            p[0] = values[s * cell_reals + 2 * c];
            p[1] = values[s * cell_reals + 2 * c + 1];
        }
    }
}

}  // namespace
}  // namespace mriops
