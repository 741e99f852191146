// Coil multiply at load and conjugate coil multiply with sum at store, for one tile of `width` neighbouring columns.
#pragma once
#include <algorithm>

#include "../fft/columns.h"
#include "sense.h"

namespace mriops {
namespace {

template <class T>
constexpr int kWidth = Lanes<T>::width;

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class T>
inline int tile_lanes(int64_t nx, int64_t tile) {
    return int(std::min<int64_t>(kWidth<T>, nx - tile * kWidth<T>));
}

// One tile of columns of an interleaved complex array: row r starts at base + r * step (in units of T).
template <class T, bool Fast>
struct Tile {
    const T* base;
    int64_t step;
    int lanes;
    MRIOPS_INLINE Cx<T> load(int64_t r) const {
        if constexpr (Fast)
            return load_complex(base + r * step);
        else
            return load_complex(base + r * step, lanes);
    }
    Tile map(int64_t offset) const { return {base + offset, step, lanes}; }
};

// What to bring into L2 while row i is worked on: the value at p + i * step. Strided tiles defeat the hardware's
// prefetchers.
template <class T>
struct Ahead {
    const T* p = nullptr;
    int64_t step = 0;
    MRIOPS_INLINE void operator()(int64_t i) const {
        if (!p) return;
        const char* at = reinterpret_cast<const char*>(p + i * step);
        for (size_t line = 0; line < sizeof(Cx<T>); line += 64) __builtin_prefetch(at + line, 0, 2);
    }
};

// sum over maps of csm * image. Fast: full tile and one map.
template <class T, bool Fast>
struct Expand {
    Tile<T, Fast> csm;
    int64_t csm_map_step;
    const Cx<T>* image;  // planar
    int64_t image_map_step;
    int64_t maps;
    Ahead<T> ahead;
    MRIOPS_INLINE Cx<T> operator()(int64_t i) const {
        if constexpr (Fast) ahead(i);
        Cx<T> v = csm.load(i) * image[i];
        if constexpr (!Fast) {
            for (int64_t m = 1; m < maps; ++m)
                v = v + csm.map(m * csm_map_step).load(i) * image[i + m * image_map_step];
        }
        return v;
    }
};

// Where a coil's share of a sum goes: `to` = [`to` +] [`before` +] share, map by map.
template <class T>
struct SumStep {
    const Cx<T>* before;  // null: nothing
    Cx<T>* to;
    bool add;
    MRIOPS_INLINE void operator()(int64_t i, Cx<T> v) const {
        if (before) v = before[i] + v;
        to[i] = add ? to[i] + v : v;
    }
    SumStep from(int64_t i) const { return {before ? before + i : nullptr, to + i, add}; }
};

// conj(csm) * v to a sum per map: put(i + m * put_map_step, value).
template <class T, bool Fast>
struct Combine {
    Tile<T, Fast> csm;
    int64_t csm_map_step;
    SumStep<T> put;
    int64_t put_map_step;
    int64_t maps;
    Ahead<T> ahead;
    MRIOPS_INLINE void operator()(int64_t i, Cx<T> v) const {
        if constexpr (Fast) ahead(i);
        put(i, mul_conj(csm.load(i), v));
        if constexpr (!Fast) {
            for (int64_t m = 1; m < maps; ++m)
                put(i + m * put_map_step, mul_conj(csm.map(m * csm_map_step).load(i), v));
        }
    }
};

// The same with an interleaved image: sum over maps of factor * image.
template <class T, bool Fast>
struct ExpandInterleaved {
    Tile<T, Fast> factor;
    int64_t factor_map_step;
    Tile<T, Fast> image;
    int64_t image_map_step;
    int64_t maps;
    Ahead<T> ahead_factor, ahead_image;
    MRIOPS_INLINE Cx<T> operator()(int64_t i) const {
        if constexpr (Fast) ahead_factor(i), ahead_image(i);
        Cx<T> v = factor.load(i) * image.load(i);
        if constexpr (!Fast) {
            for (int64_t m = 1; m < maps; ++m)
                v = v + factor.map(m * factor_map_step).load(i) * image.map(m * image_map_step).load(i);
        }
        return v;
    }
};

// sum (+)= conj(factor) * v, the sums interleaved in the caller's array.
template <class T, bool Fast>
struct CombineInterleaved {
    Tile<T, Fast> factor;
    int64_t factor_map_step;
    T* sum;  // row r of map 0 at sum + r * factor.step
    int64_t sum_map_step;
    int64_t maps;
    bool first;
    Ahead<T> ahead_factor, ahead_sum;
    MRIOPS_INLINE void operator()(int64_t i, Cx<T> v) const {
        if constexpr (Fast) ahead_factor(i), ahead_sum(i);
        add(sum + i * factor.step, mul_conj(factor.load(i), v));
        if constexpr (!Fast) {
            for (int64_t m = 1; m < maps; ++m)
                add(sum + m * sum_map_step + i * factor.step, mul_conj(factor.map(m * factor_map_step).load(i), v));
        }
    }

  private:
    MRIOPS_INLINE void add(T* p, Cx<T> u) const {
        const int lanes = Fast ? kWidth<T> : factor.lanes;
        if (!first) u = u + load_complex(p, lanes);
        store_complex(p, u, lanes);
    }
};

}  // namespace
}  // namespace mriops
