// One grid cell of a block of coils: N real numbers, interleaved complex, as whole vectors and one narrower vector.
//
// A row of the grid keeps the whole vectors of all its cells in one array and the narrower rests in another behind it,
// so that no vector crosses a line of memory. As many rests as fill a vector are read and written together.
#pragma once
#include <cstring>

#include "../fft/lanes.h"

namespace mriops {
namespace {

template <class T, int N>
struct Narrow {
    typedef T vec __attribute__((vector_size(N * sizeof(T))));
    typedef T vec_u __attribute__((vector_size(N * sizeof(T)), aligned(alignof(T))));
};
template <class T>
struct Narrow<T, 0> {
    typedef T vec;
    typedef T vec_u;
};

template <class T, int From, int N, int... I>
MRIOPS_INLINE typename Narrow<T, N>::vec part_of(typename Narrow<T, 2 * N>::vec v, std::integer_sequence<int, I...>) {
    return MRIOPS_SHUFFLE(v, v, (From + I)...);
}

// As many numbers as fill `Bytes` in all lanes, again and again. By instruction: what GCC makes of a shuffle that
// widens goes through memory.
template <class T, int Bytes>
MRIOPS_INLINE Vec<T> repeated(const void* p) {
    static_assert(Bytes <= int(sizeof(Vec<T>) / 2) && Bytes >= 8, "");
    if constexpr (Bytes == 8) {
        double number;
        std::memcpy(&number, p, sizeof number);
        return reinterpret_cast<Vec<T>>(number - Vec<double>{});
    }
#if defined(__AVX512F__)
    if constexpr (Bytes == 16)
        return reinterpret_cast<Vec<T>>(_mm512_broadcast_f32x4(_mm_loadu_ps(static_cast<const float*>(p))));
    else
        return reinterpret_cast<Vec<T>>(_mm512_broadcast_f64x4(_mm256_loadu_pd(static_cast<const double*>(p))));
#elif defined(__AVX2__)
    return reinterpret_cast<Vec<T>>(_mm256_broadcast_ps(static_cast<const __m128*>(p)));
#endif
}

// The sum of runs of N of M numbers.
template <class T, int M, int N>
MRIOPS_INLINE void store_folded(T* p, typename Narrow<T, M>::vec v) {
    if constexpr (M == N) {
        *reinterpret_cast<typename Narrow<T, N>::vec_u*>(p) = v;
    } else {
        constexpr int half = M / 2;
        using Index = std::make_integer_sequence<int, half>;
        store_folded<T, half, N>(p, part_of<T, 0, half>(v, Index{}) + part_of<T, half, half>(v, Index{}));
    }
}

// Cells whose rests are read and written as one vector: a group. 1: each by itself.
template <class T>
constexpr int64_t cells_together(int64_t reals) {
    constexpr int64_t L = Lanes<T>::width;
#if defined(__AVX2__)
    if (sizeof(T) == 4 && reals % L != 0) return L / (reals % L);
#endif
    return 1;
}

// `Together` rests side by side.
template <class T, int N, int Together = 1>
struct Cell {
    static constexpr int L = Lanes<T>::width, whole = N / L, rest = N % L;
    using Rest = typename Narrow<T, rest * Together>::vec;
    using Rest_u = typename Narrow<T, rest * Together>::vec_u;
    Vec<T> v[whole ? whole : 1];
    Rest tail;

    static MRIOPS_INLINE Cell zero() {
        Cell c;
        for (int i = 0; i < whole; ++i) c.v[i] = Vec<T>{};
        c.tail = Rest{};
        return c;
    }
    // Whole vectors from p, the rest from q.
    static MRIOPS_INLINE Cell load(const T* p, const T* q) {
        Cell c;
#pragma GCC unroll 16
        for (int i = 0; i < whole; ++i) c.v[i] = load_unaligned(p + i * L);
        if constexpr (rest != 0) c.tail = load_rest(q);
        return c;
    }
    MRIOPS_INLINE void store(T* p, T* q) const {
#pragma GCC unroll 16
        for (int i = 0; i < whole; ++i) store_unaligned(p + i * L, v[i]);
        if constexpr (rest != 0) store_rest(q, tail);
    }
    static MRIOPS_INLINE Rest load_rest(const T* q) { return *reinterpret_cast<const Rest_u*>(q); }
    static MRIOPS_INLINE void store_rest(T* q, Rest r) { *reinterpret_cast<Rest_u*>(q) = r; }

    // this += w * c, w the same number in every lane
    MRIOPS_INLINE void add(Vec<T> w, const Cell& c) {
#pragma GCC unroll 16
        for (int i = 0; i < whole; ++i) v[i] += w * c.v[i];
        if constexpr (rest != 0) tail += lower(w) * c.tail;
    }
    MRIOPS_INLINE Cell times(Vec<T> w) const {
        Cell c;
#pragma GCC unroll 16
        for (int i = 0; i < whole; ++i) c.v[i] = w * v[i];
        if constexpr (rest != 0) c.tail = lower(w) * tail;
        return c;
    }
    // From and to the N numbers of one sample: copies of the rest for each cell of a group, and their sum.
    static MRIOPS_INLINE Cell load_sample(const T* p) {
        if constexpr (Together == 1) {
            return load(p, p + whole * L);
        } else {
            Cell c;
#pragma GCC unroll 16
            for (int i = 0; i < whole; ++i) c.v[i] = load_unaligned(p + i * L);
            c.tail = repeated<T, int(rest * sizeof(T))>(p + whole * L);
            return c;
        }
    }
    MRIOPS_INLINE void store_sample(T* p) const {
        if constexpr (Together == 1) {
            store(p, p + whole * L);
        } else {
#pragma GCC unroll 16
            for (int i = 0; i < whole; ++i) store_unaligned(p + i * L, v[i]);
            store_folded<T, L, rest>(p + whole * L, tail);
        }
    }

  private:
    static MRIOPS_INLINE Rest lower(Vec<T> w) {
        Rest part;
        std::memcpy(&part, &w, sizeof part);
        return part;
    }
};

// Coils of a block as the grid stores them: 1, 2 or a multiple of 4, the rest zero.
inline int64_t stored_coils(int64_t coils) { return coils <= 2 ? coils : (coils + 3) / 4 * 4; }

// Where the numbers of a cell lie in a row.
struct CellPlaces {
    int64_t whole, rest;  // numbers of a cell in the two arrays
    int64_t rests;        // where the second array begins
    int64_t size;         // of both
    int64_t together;     // cells of a group

    // Cells behind those of a row that groups reach into, with a weight of zero.
    int64_t spare() const { return 2 * (together - 1); }

    int64_t at(int64_t cell, int64_t number) const {
        return number < whole ? cell * whole + number : rests + cell * rest + number - whole;
    }
    // From one cell to the next.
    int64_t step(int64_t number) const { return number < whole ? whole : rest; }
};

// For a row of `cells`, spare ones not counted.
template <class T>
inline CellPlaces cell_places(int64_t stored, int64_t cells) {
    constexpr int64_t L = Lanes<T>::width, line = 64 / int64_t(sizeof(T));
    CellPlaces at;
    at.whole = 2 * stored / L * L;
    at.rest = 2 * stored % L;
    at.together = cells_together<T>(2 * stored);
    cells += at.spare();
    at.rests = cells * at.whole;
    at.size = (at.rests + cells * at.rest + line - 1) / line * line;
    return at;
}

// Sum of products of the numbers of two cells, in parts that make a vector: one after the other each addition would
// wait for the one before.
template <class T, int N>
MRIOPS_INLINE T dot(const T* a, const T* b) {
    constexpr int P = N < 8 ? N : 8;
    T part[P] = {};
    for (int i = 0; i < N; i += P)
        for (int j = 0; j < P; ++j) part[j] += a[i + j] * b[i + j];
    for (int half = P / 2; half > 0; half /= 2)
        for (int j = 0; j < half; ++j) part[j] += part[j + half];
    return part[0];
}

// Calls f(std::integral_constant<int, N>) with the reals per cell of a block of stored coils.
template <class F>
inline void with_cell(int64_t stored, const F& f) {
    switch (stored) {
        case 1: f(std::integral_constant<int, 2>{}); break;
        case 2: f(std::integral_constant<int, 4>{}); break;
        case 4: f(std::integral_constant<int, 8>{}); break;
        case 8: f(std::integral_constant<int, 16>{}); break;
        case 12: f(std::integral_constant<int, 24>{}); break;
        default: f(std::integral_constant<int, 32>{});
    }
}

}  // namespace
}  // namespace mriops
