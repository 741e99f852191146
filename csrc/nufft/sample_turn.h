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

// Squares of complex numbers are turned in registers, where one is as large as a double and a cell fills half a vector.
template <class T, int N>
constexpr bool kTurnsSquares = sizeof(T) == 4 && N >= 8 && Lanes<double>::width >= 4;
template <int N>
constexpr int kSide = std::min(N / 2, Lanes<double>::width);

// Cells first .. last of N reals to the arrays of `coils` coils, `pitch` complex numbers apart.
template <class T, int N>
__attribute__((noinline)) void cells_to_user(const T* cells, int64_t first, int64_t last, T* user, int64_t pitch,
                                             int64_t coils) {
    if constexpr (kTurnsSquares<T, N>) {
        constexpr int L = Lanes<double>::width, side = kSide<N>;
        const bool streams = kStreams<double> && pitch * coils >= kStreamedSamples &&
                             (reinterpret_cast<uintptr_t>(user) | size_t(pitch * 8)) % 64 == 0;
        for (; first + L <= last; first += L)
            for (int c0 = 0; c0 < coils; c0 += side) {
                const int at = std::min(c0, N / 2 - side);  // the last square may overlap the one before it
                Vec<double> v[L] = {};
#pragma GCC unroll 8
                for (int s = 0; s < L; ++s) std::memcpy(&v[s], cells + (first + s) * N + 2 * at, side * 8);
                transpose<double>(v);
#pragma GCC unroll 8
                for (int c = 0; c < side; ++c)
                    if (at + c < coils) store_or_stream(user + 2 * ((at + c) * pitch + first), v[c], streams);
            }
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
    const auto weigh = [&](T* cell, int64_t sample) {
        for (int i = 0; i < N; ++i) cell[i] *= weight[sample];
    };
    if constexpr (kTurnsSquares<T, N>) {
        constexpr int L = Lanes<double>::width, side = kSide<N>;
        const bool streams = kStreams<double> && pitch * coils >= kStreamedSamples;
        alignas(64) T turned[L * N] = {};
        for (; first + L <= last; first += L) {
            for (int c0 = 0; c0 < coils; c0 += side) {
                const int at = std::min(c0, N / 2 - side);
                Vec<double> v[L] = {};
#pragma GCC unroll 8
                for (int c = 0; c < side; ++c)
                    if (at + c < coils) std::memcpy(&v[c], user + 2 * ((at + c) * pitch + first), sizeof v[c]);
                transpose<double>(v);
#pragma GCC unroll 8
                for (int s = 0; s < L; ++s) std::memcpy(turned + s * N + 2 * at, &v[s], side * 8);
            }
            if (weight)
                for (int s = 0; s < L; ++s) weigh(turned + s * N, first + s);
            for (int i = 0; i < N / 2; ++i) {
                Vec<double> v;
                std::memcpy(&v, turned + i * 2 * L, sizeof v);
                store_or_stream(cells + first * N + i * 2 * L, v, streams);
            }
        }
        if (streams) end_streaming();
    }
    for (; first < last; ++first) {
        T* const cell = cells + first * N;
        std::fill_n(cell, N, T(0));
        for (int64_t c = 0; c < coils; ++c) std::memcpy(cell + 2 * c, user + 2 * (c * pitch + first), 2 * sizeof(T));
        if (weight) weigh(cell, first);
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
