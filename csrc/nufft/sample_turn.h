// K-space samples of a block of coils between the caller's arrays, one per coil, and cells in the same order.
//
// Neighbours in sorted order lie anywhere in each coil's array, a page of memory for each coil of each run. So samples
// in the user's order pass through an array of cells: it is visited in sorted order, a run of whole cells at a time,
// and the coils' arrays from their beginning to their end.
#pragma once
#include <algorithm>
#include <cstring>

#include "../core/parallel.h"
#include "cells.h"

namespace mriops {
namespace {

// Complex numbers of a block of coils that the caches do not keep until they are read: written round them.
constexpr int64_t kStreamedSamples = 1 << 18;

MRIOPS_INLINE void store_or_stream(void* to, Vec<double> v, bool streams) {
#if defined(__AVX512F__)
    if (streams) return _mm512_stream_pd(static_cast<double*>(to), reinterpret_cast<__m512d>(v));
#endif
    std::memcpy(to, &v, sizeof v);
}

// Squares of complex numbers are turned in registers, where one is as large as a double and cells are whole vectors of
// doubles, or whole vectors and a half.
template <class T, int N>
struct TurnedCells {
    static constexpr int L = Lanes<double>::width, whole = N / 2 / L;
    static constexpr bool half = N / 2 % L != 0, possible = sizeof(T) == 4 && L >= 4 && N / 2 % (L / 2) == 0;

    // One half of a behind which is the lower half of b.
    template <int High, int... I>
    static MRIOPS_INLINE Vec<double> halves(Vec<double> a, Vec<double> b, std::integer_sequence<int, I...>) {
        return MRIOPS_SHUFFLE(a, b, (I < L / 2 ? I + High * (L / 2) : I + L / 2)...);
    }

    // L samples' cells to the arrays of the coils that there are.
    static MRIOPS_INLINE void to_user(const T* cells, T* user, int64_t pitch, int64_t coils, bool streams) {
#pragma GCC unroll 4
        for (int i = 0; i < whole + half; ++i) {
            Vec<double> v[L];
#pragma GCC unroll 8
            for (int s = 0; s < L; ++s) {
                const T* const from = cells + s * N + 2 * L * i;
                if (i == whole)
                    v[s] = repeated<double, int(sizeof(Vec<double>) / 2)>(from);
                else
                    std::memcpy(&v[s], from, sizeof v[s]);
            }
            transpose<double>(v);
#pragma GCC unroll 8
            for (int c = 0; c < L; ++c)
                if (L * i + c < std::min<int64_t>(coils, N / 2))
                    store_or_stream(user + 2 * (L * i + c) * pitch, v[c], streams);
        }
    }
    // The reverse, times weights if there are any; coils that are not there are zero.
    static MRIOPS_INLINE void from_user(const T* user, int64_t pitch, int64_t coils, const T* weight, T* cells,
                                        bool streams) {
        const auto store = [&](int n, Vec<double> v) { store_or_stream(cells + 2 * L * n, v, streams); };
        Vec<double> v[L];
        if constexpr (!half) {
#pragma GCC unroll 4
            for (int i = 0; i < whole; ++i) {
                load_square(i, user, pitch, coils, weight, v);
#pragma GCC unroll 8
                for (int s = 0; s < L; ++s) store(s * whole + i, v[s]);
            }
        } else {
            static_assert(whole <= 1, "");
            Vec<double> h[L];
            if (whole) load_square(0, user, pitch, coils, weight, v);
            load_square(whole, user, pitch, coils, weight, h);
#pragma GCC unroll 8
            for (int s = 0; s < L; s += 2) {
                const int n = s / 2 * (2 * whole + 1);
                if constexpr (whole == 0) {
                    store(n, halves<0>(h[s], h[s + 1], LaneIndex<double>{}));
                } else {
                    store(n, v[s]);
                    store(n + 1, halves<0>(h[s], v[s + 1], LaneIndex<double>{}));
                    store(n + 2, halves<1>(v[s + 1], h[s + 1], LaneIndex<double>{}));
                }
            }
        }
    }

  private:
    // v[s]: coils L * i and on of sample s.
    static MRIOPS_INLINE void load_square(int i, const T* user, int64_t pitch, int64_t coils, const T* weight,
                                          Vec<double>* v) {
        alignas(64) static constexpr double zeros[L] = {};
#pragma GCC unroll 8
        for (int c = 0; c < L; ++c) {
            const int coil = L * i + c;
            if (coil < N / 2)
                std::memcpy(&v[c], coil < coils ? static_cast<const void*>(user + 2 * coil * pitch) : zeros,
                            sizeof v[c]);
            else
                v[c] = Vec<double>{};
        }
        transpose<double>(v);
        if (!weight) return;
#pragma GCC unroll 8
        for (int s = 0; s < L; ++s)
            v[s] = reinterpret_cast<Vec<double>>(reinterpret_cast<Vec<T>>(v[s]) * (weight[s] - Vec<T>{}));
    }
};

// Cells first .. last of N reals to the arrays of `coils` coils, `pitch` complex numbers apart.
template <class T, int N>
__attribute__((noinline)) void cells_to_user(const T* cells, int64_t first, int64_t last, T* user, int64_t pitch,
                                             int64_t coils) {
    using Turned = TurnedCells<T, N>;
    if constexpr (Turned::possible) {
        const bool streams = kStreams<double> && pitch * coils >= kStreamedSamples &&
                             (reinterpret_cast<uintptr_t>(user) | size_t(pitch * 8)) % 64 == 0;
        for (; first + Turned::L <= last; first += Turned::L)
            Turned::to_user(cells + first * N, user + 2 * first, pitch, coils, streams);
        if (streams) end_streaming();
    }
    for (; first < last; ++first)
        for (int64_t c = 0; c < coils; ++c)
            std::memcpy(user + 2 * (c * pitch + first), cells + first * N + 2 * c, 2 * sizeof(T));
}

// The reverse, times the samples' weights if there are any. Coils that are not there become zero.
template <class T, int N>
__attribute__((noinline)) void user_to_cells(const T* user, int64_t pitch, int64_t coils, const T* weight,
                                             int64_t first, int64_t last, T* cells) {
    using Turned = TurnedCells<T, N>;
    if constexpr (Turned::possible) {
        const bool streams = kStreams<double> && pitch * coils >= kStreamedSamples;
        for (; first + Turned::L <= last; first += Turned::L)
            Turned::from_user(user + 2 * first, pitch, coils, weight ? weight + first : nullptr, cells + first * N,
                              streams);
        if (streams) end_streaming();
    }
    for (; first < last; ++first) {
        T* const cell = cells + first * N;
        std::fill_n(cell, N, T(0));
        for (int64_t c = 0; c < coils; ++c) std::memcpy(cell + 2 * c, user + 2 * (c * pitch + first), 2 * sizeof(T));
        if (weight)
            for (int i = 0; i < N; ++i) cell[i] *= weight[first];
    }
}

template <class T>
class SampleTurn {
  public:
    // `memory` begins a line of memory.
    SampleTurn(int64_t samples, int64_t stored, T* memory) : samples_(samples), stored_(stored), cells_(memory) {}
    static int64_t size(int64_t samples, int64_t stored) { return samples * 2 * stored; }
    T* cells() const { return cells_; }
    T* end() const { return cells_ + size(samples_, stored_); }

    void to_user(T* user, int64_t coils, int threads) const {
        over_pieces(threads, [&](auto n, int64_t first, int64_t last) {
            cells_to_user<T, decltype(n)::value>(cells_, first, last, user, samples_, coils);
        });
    }
    void from_user(const T* user, int64_t coils, const T* weight, int threads) const {
        over_pieces(threads, [&](auto n, int64_t first, int64_t last) {
            user_to_cells<T, decltype(n)::value>(user, samples_, coils, weight, first, last, cells_);
        });
    }

  private:
    template <class F>
    void over_pieces(int threads, const F& f) const {
        constexpr int64_t piece = 4096;
        parallel_for((samples_ + piece - 1) / piece, threads, [&](int64_t i, int) {
            with_cell(stored_, [&](auto n) { f(n, i * piece, std::min(samples_, (i + 1) * piece)); });
        });
    }

    int64_t samples_, stored_;
    T* cells_;
};

}  // namespace
}  // namespace mriops
