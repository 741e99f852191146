// K-space samples of a block of coils between the caller's array and blocks of cells in sorted order.
//
// Neighbours in sorted order lie anywhere in each coil's array, so samples in the user's order pass through an array of
// cells in sorted order: visited in the user's order, whole lines of the coils' arrays become whole cells.
#pragma once
#include <algorithm>
#include <cstring>

#include "../core/parallel.h"
#include "nufft.h"
#include "taps.h"

namespace mriops {
namespace {

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
void weigh_samples(const T* weight, const int32_t* order, const Block<T>& block, int64_t stored, T* values) {
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
                      const int32_t* order, T* values) {
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

// Complex numbers of a block of coils that are too many for the caches to keep until they are read: written round them.
constexpr int64_t kStreamedSamples = 1 << 20;

MRIOPS_INLINE void put(void* to, Vec<double> v, bool streams) {
#if defined(__AVX512F__)
    if (streams) return _mm512_stream_pd(static_cast<double*>(to), reinterpret_cast<__m512d>(v));
#endif
    std::memcpy(to, &v, sizeof v);
}

// Moves `coils` coils of samples first .. last between the user's arrays, `pitch` complex numbers apart, and cells of N
// reals in sorted order; position[u] is where the user's sample u is in that order.
template <class T, int N, bool ToUser, class User, class Cells>
MRIOPS_INLINE void move_few(User* user, int64_t pitch, Cells* cells, const int32_t* position, int64_t first,
                            int64_t last, int64_t coils) {
    for (int64_t u = first; u < last; ++u)
        for (int64_t c = 0; c < coils; ++c) {
            auto* const cell = cells + int64_t(position[u]) * N + 2 * c;
            auto* const sample = user + 2 * (c * pitch + u);
            if constexpr (ToUser)
                std::memcpy(sample, cell, 2 * sizeof(T));
            else
                std::memcpy(cell, sample, 2 * sizeof(T));
        }
}

// The same, in squares of complex numbers that are turned in registers.
template <class T, int N, bool ToUser, class User, class Cells>
__attribute__((noinline)) void move_samples(User* user, int64_t pitch, Cells* cells, const int32_t* position,
                                            int64_t first, int64_t last, int64_t coils) {
    constexpr int L = Lanes<double>::width;
    constexpr int64_t kAhead = 48;                       // samples whose cells are asked for before they are used
    if constexpr (sizeof(T) == 4 && N >= 8 && L >= 4) {  // a complex number is as large as a double
        constexpr int side = N / 2 < L ? N / 2 : L;
        static_assert(side == L || side * 2 == L, "");
        const bool streams = ToUser && kStreams<double> && pitch * coils >= kStreamedSamples &&
                             (reinterpret_cast<uintptr_t>(user) | size_t(pitch * 8)) % 64 == 0;
        for (; first + L <= last; first += L) {
            for (int s = 0; s < L && first + kAhead + s < last; ++s) {
                const auto* next = cells + int64_t(position[first + kAhead + s]) * N;
                for (int i = 0; i < N; i += 16) __builtin_prefetch(next + i, ToUser ? 0 : 1, 2);
            }
            for (int c0 = 0; c0 < coils; c0 += side) {
                const int at = c0 + side > N / 2 ? N / 2 - side : c0;  // the last square may overlap the one before it
                Vec<double> v[L];
                if constexpr (ToUser) {
#pragma GCC unroll 8
                    for (int s = 0; s < L; ++s) {
                        const auto* cell = cells + int64_t(position[first + s]) * N + 2 * at;
                        v[s] = Vec<double>{};
                        std::memcpy(&v[s], cell, side * 8);
                    }
                    transpose<double>(v);
#pragma GCC unroll 8
                    for (int c = 0; c < side; ++c)
                        if (at + c < coils) put(user + 2 * ((at + c) * pitch + first), v[c], streams);
                } else {
#pragma GCC unroll 8
                    for (int c = 0; c < L; ++c) {
                        v[c] = Vec<double>{};
                        if (c < side && at + c < coils)
                            std::memcpy(&v[c], user + 2 * ((at + c) * pitch + first), sizeof v[c]);
                    }
                    transpose<double>(v);
#pragma GCC unroll 8
                    for (int s = 0; s < L; ++s)
                        std::memcpy(cells + int64_t(position[first + s]) * N + 2 * at, &v[s], side * 8);
                }
            }
        }
        if (streams) end_streaming();
    }
    if constexpr (!ToUser)  // coils that are not there
        if (2 * coils < N)
            for (int64_t u = first; u < last; ++u) std::fill_n(cells + int64_t(position[u]) * N, N, T(0));
    move_few<T, N, ToUser>(user, pitch, cells, position, first, last, coils);
}

// Samples of a block of coils on their way between the user's order and sorted order.
template <class T>
class SampleTurn {
  public:
    SampleTurn(int64_t samples, int64_t stored, T* memory)
        : samples_(samples),
          stored_(stored),
          cells_(memory),
          position_(reinterpret_cast<int32_t*>(memory + samples * 2 * stored)) {}
    static int64_t size(int64_t samples, int64_t stored) {
        return samples * 2 * stored +
               (samples * int64_t(sizeof(int32_t)) + int64_t(sizeof(T)) - 1) / int64_t(sizeof(T));
    }
    T* end() const { return cells_ + size(samples_, stored_); }
    SortedSamples<T> sorted() const { return {cells_, 2 * stored_, 2 * stored_}; }
    SortedSamples<const T> sorted_const() const { return {cells_, 2 * stored_, 2 * stored_}; }
    void to_user(const int32_t* order, T* user, int64_t coils, int threads) const {
        move<true>(order, user, coils, threads);
    }
    void from_user(const int32_t* order, const T* user, int64_t coils, int threads) const {
        move<false>(order, user, coils, threads);
    }

  private:
    template <bool ToUser, class User>
    void move(const int32_t* order, User* user, int64_t coils, int threads) const {
        constexpr int64_t piece = 4096;
        const int64_t pieces = (samples_ + piece - 1) / piece;
        std::fill_n(position_, samples_, 0);  // an order with gaps gives a wrong result, not a wrong address
        parallel_for(pieces, threads, [&](int64_t i, int) {
            const int64_t end = std::min(samples_, (i + 1) * piece);
            for (int64_t s = i * piece; s < end; ++s) position_[order[s]] = int32_t(s);
        });
        parallel_for(pieces, threads, [&](int64_t i, int) {
            const int64_t end = std::min(samples_, (i + 1) * piece);
            with_cell(stored_, [&](auto n) {
                move_samples<T, decltype(n)::value, ToUser>(user, samples_, cells_, position_, i * piece, end, coils);
            });
        });
    }

    int64_t samples_, stored_;
    T* cells_;
    int32_t* position_;
};

}  // namespace
}  // namespace mriops
