// Rows of a Toeplitz spectrum turned into lanes: one lane is one row.
#pragma once
#include <cstring>

#include "../fft/lanes.h"

namespace mriops {
namespace {

// lanes[f][l] = scale * frequency 2 f + odd of rows[l], for f < n; a row that is null is zero. lane_rows_size(n) values
// are written.
template <class T>
void half_spectrum_lanes(const T* const* rows, int64_t n, int odd, T scale, T* lanes) {
    constexpr int W = Lanes<T>::width;
    for (int64_t f = 0; f < n; f += W) {
        Vec<T> v[W];
#pragma GCC unroll 16
        for (int l = 0; l < W; ++l) {
            v[l] = Vec<T>{};
            if (!rows[l]) continue;
            const T* from = rows[l] + 2 * f;
            T part[2 * W] = {};
            if (n - f < W) from = static_cast<const T*>(std::memcpy(part, from, sizeof(T) * 2 * size_t(n - f)));
            const Vec<T> a = load_unaligned(from), b = load_unaligned(from + W);
            v[l] = odd ? shuffle::odd<T>(a, b, LaneIndex<T>{}) : shuffle::even<T>(a, b, LaneIndex<T>{});
        }
        transpose<T>(v);
#pragma GCC unroll 16
        for (int i = 0; i < W; ++i) store_unaligned(lanes + (f + i) * W, v[i] * scale);
    }
}

}  // namespace
}  // namespace mriops
