// Transforms along rows: `width` rows are transposed into columns of lanes, and back.
#pragma once
#include "columns.h"

namespace mriops {
namespace {

// Plane of columns of lanes: tile t holds columns t*width .. of every row, contiguous: element (t, row) = data[t *
// pitch + row]. A pitch is odd where a row across the tiles must not share a cache set.
template <class T>
struct Plane {
    Cx<T>* data;
    int64_t pitch;
    int64_t tiles;
};

template <class T>
MRIOPS_INLINE void transpose_complex(const Cx<T>* in, Cx<T>* out) {
    constexpr int W = Lanes<T>::width;
    Vec<T> v[W];
#pragma GCC unroll 16
    for (int i = 0; i < W; ++i) v[i] = in[i].re;
    transpose<T>(v);
#pragma GCC unroll 16
    for (int i = 0; i < W; ++i) out[i].re = v[i];
#pragma GCC unroll 16
    for (int i = 0; i < W; ++i) v[i] = in[i].im;
    transpose<T>(v);
#pragma GCC unroll 16
    for (int i = 0; i < W; ++i) out[i].im = v[i];
}

// Rows r0 .. r0 + width of the plane -> rows[x], lane = row; also(t) after tile t.
template <class T, class Also>
inline void rows_from_plane(const Plane<T>& plane, int64_t r0, Cx<T>* rows, const Also& also) {
    for (int64_t t = 0; t < plane.tiles; ++t) {
        transpose_complex(plane.data + t * plane.pitch + r0, rows + t * Lanes<T>::width);
        also(t);
    }
}
template <class T, class Also>
inline void rows_to_plane(const Cx<T>* rows, const Plane<T>& plane, int64_t r0, const Also& also) {
    for (int64_t t = 0; t < plane.tiles; ++t) {
        transpose_complex(rows + t * Lanes<T>::width, plane.data + t * plane.pitch + r0);
        also(t);
    }
}
template <class T>
inline void rows_from_plane(const Plane<T>& plane, int64_t r0, Cx<T>* rows) {
    rows_from_plane(plane, r0, rows, [](int64_t) {});
}
template <class T>
inline void rows_to_plane(const Cx<T>* rows, const Plane<T>& plane, int64_t r0) {
    rows_to_plane(rows, plane, r0, [](int64_t) {});
}

}  // namespace
}  // namespace mriops
