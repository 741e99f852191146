// One grid cell of a block of coils: N real numbers, interleaved complex, as whole vectors and one narrower vector.
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

namespace shuffle {
template <class T, int... I>
MRIOPS_INLINE Vec<T> swap_halves(Vec<T> v, std::integer_sequence<int, I...>) {
    return MRIOPS_SHUFFLE(v, v, ((I + Lanes<T>::width / 2) % Lanes<T>::width)...);
}
}  // namespace shuffle

template <class T>
MRIOPS_INLINE void store_lower(T* p, Vec<T> v) {
    std::memcpy(p, &v, sizeof v / 2);
}

template <class T, int N>
struct Cell {
    static constexpr int L = Lanes<T>::width, whole = N / L, rest = N % L;
    Vec<T> v[whole ? whole : 1];
    typename Narrow<T, rest>::vec tail;

    static MRIOPS_INLINE Cell zero() {
        Cell c;
        for (int i = 0; i < whole; ++i) c.v[i] = Vec<T>{};
        c.tail = typename Narrow<T, rest>::vec{};
        return c;
    }
    static MRIOPS_INLINE Cell load(const T* p) {
        Cell c;
#pragma GCC unroll 16
        for (int i = 0; i < whole; ++i) c.v[i] = load_unaligned(p + i * L);
        if constexpr (rest != 0) c.tail = *reinterpret_cast<const typename Narrow<T, rest>::vec_u*>(p + whole * L);
        return c;
    }
    MRIOPS_INLINE void store(T* p) const {
#pragma GCC unroll 16
        for (int i = 0; i < whole; ++i) store_unaligned(p + i * L, v[i]);
        if constexpr (rest != 0) *reinterpret_cast<typename Narrow<T, rest>::vec_u*>(p + whole * L) = tail;
    }
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

  private:
    static MRIOPS_INLINE typename Narrow<T, rest>::vec lower(Vec<T> w) {
        typename Narrow<T, rest>::vec part;
        std::memcpy(&part, &w, sizeof part);
        return part;
    }
};

// Coils of a block as the grid stores them: 1, 2 or a multiple of 4, the rest zero.
inline int64_t stored_coils(int64_t coils) { return coils <= 2 ? coils : (coils + 3) / 4 * 4; }

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
