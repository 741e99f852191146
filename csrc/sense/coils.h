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

// sum (+)= conj(csm) * v, one sum per map; `first` overwrites.
template <class T, bool Fast>
struct Combine {
    Tile<T, Fast> csm;
    int64_t csm_map_step;
    Cx<T>* sum;
    int64_t sum_map_step;
    int64_t maps;
    bool first;
    Ahead<T> ahead;
    MRIOPS_INLINE void operator()(int64_t i, Cx<T> v) const {
        if constexpr (Fast) ahead(i);
        Cx<T> u = mul_conj(csm.load(i), v);
        sum[i] = first ? u : sum[i] + u;
        if constexpr (!Fast) {
            for (int64_t m = 1; m < maps; ++m) {
                u = mul_conj(csm.map(m * csm_map_step).load(i), v);
                Cx<T>& s = sum[i + m * sum_map_step];
                s = first ? u : s + u;
            }
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
