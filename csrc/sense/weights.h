// K-space weights of a problem: read in the user's layout and type, at the frequency a transform position holds.
#pragma once
#include <algorithm>
#include <cstdint>

#include "../core/scratch.h"
#include "../fft/lanes.h"
#include "sense.h"

namespace mriops {
namespace {

// Which axes the weights vary along; along the others forward and inverse transform cancel in the normal operator.
struct ActiveAxes {
    bool x, y, z;
};

inline ActiveAxes active_axes(const SenseProblem& p) {
    if (p.mask_kind == MaskKind::none) return {false, false, false};
    return {p.mask_sx != 0 && p.nx > 1, p.mask_sy != 0 && p.ny > 1, p.ndim == 3 && p.mask_sz != 0 && p.nz > 1};
}

// Centred index of DFT bin f, and of position i of a centred array seen from the centre: (i + n / 2) mod n.
inline int64_t centred(int64_t f, int64_t n) {
    const int64_t k = f + n / 2;
    return k >= n ? k - n : k;
}

template <class T>
class Weights {
  public:
    Weights(const SenseProblem& p, const void* mask, int64_t b) : p_(p) {
        if (p.mask_kind == MaskKind::bytes) bytes_ = static_cast<const unsigned char*>(mask) + b * p.mask_sb;
        if (p.mask_kind == MaskKind::real) real_ = static_cast<const T*>(mask) + b * p.mask_sb;
    }
    bool any() const { return bytes_ || real_; }
    // At centred indices.
    T operator()(int64_t z, int64_t y, int64_t x) const {
        const int64_t at = z * p_.mask_sz + y * p_.mask_sy + x * p_.mask_sx;
        if (bytes_) return bytes_[at] ? T(1) : T(0);
        return real_ ? real_[at] : T(1);
    }
    // scale * weight of one row of k-space; at least nx values are written.
    void row(int64_t z, int64_t y, int64_t nx, T scale, T* out) const {
        const int64_t base = z * p_.mask_sz + y * p_.mask_sy, step = p_.mask_sx;
        if (step == 0 || !any())
            std::fill_n(out, nx, scale * (any() ? (*this)(z, y, 0) : T(1)));
        else if (step != 1)
            for (int64_t x = 0; x < nx; ++x) out[x] = scale * (*this)(z, y, x);
        else if (bytes_)
            for (int64_t x = 0; x < nx; ++x) out[x] = bytes_[base + x] ? scale : T(0);
        else
            for (int64_t x = 0; x < nx; ++x) out[x] = scale * real_[base + x];
    }

    // Whether a row of k-space has a weight other than zero.
    bool any_in_row(int64_t z, int64_t y, int64_t nx) const {
        const int64_t base = z * p_.mask_sz + y * p_.mask_sy, step = p_.mask_sx;
        if (step == 0 || !any()) return (*this)(z, y, 0) != T(0);
        if (step != 1) return any_of(nx, [&](int64_t x) { return (*this)(z, y, x) != T(0); });
        if (bytes_) return any_of(nx, [&](int64_t x) { return bytes_[base + x] != 0; });
        return any_of(nx, [&](int64_t x) { return real_[base + x] != T(0); });
    }

    // out[x] = 1 where column x of the plane at z has a weight other than zero, else 0.
    void any_in_columns(int64_t z, int64_t ny, int64_t nx, T* out) const {
        T* row_y = scratch<T>(Scratch::rows, size_t(nx));
        std::fill_n(out, nx, T(0));
        for (int64_t y = 0; y < (any() && p_.mask_sy != 0 ? ny : 1); ++y) {
            row(z, y, nx, T(1), row_y);
            T least = 1;
            for (int64_t x = 0; x < nx; ++x) {
                out[x] = row_y[x] != T(0) ? T(1) : out[x];
                least = std::min(least, out[x]);
            }
            if (least != T(0)) return;
        }
    }

    // scale * weight^2 of the rows of k-space at `width` positions of y from `first`, at centred index z: [x][lane],
    // zero past the last position. lane_rows_size(nx) values are written.
    template <class Axis>
    void squared_lanes(int64_t z, const Axis& y, int64_t first, int64_t nx, T scale, T* out) const {
        constexpr int W = Lanes<T>::width;
        const int64_t pitch = lane_rows_size<T>(nx) / W;
        T* const rows = scratch<T>(Scratch::rows, size_t(W * pitch));
        for (int l = 0; l < W; ++l)
            if (first + l < y.n)
                row(z, y.spectral(first + l), nx, T(1), rows + l * pitch);
            else
                std::fill_n(rows + l * pitch, pitch, T(0));
        for (int64_t x = 0; x < pitch; x += W) {
            Vec<T> v[W];
#pragma GCC unroll 16
            for (int l = 0; l < W; ++l) v[l] = load_unaligned(rows + l * pitch + x);
            transpose<T>(v);
#pragma GCC unroll 16
            for (int i = 0; i < W; ++i) store_unaligned(out + (x + i) * W, v[i] * v[i] * scale);
        }
    }

  private:
    // In blocks, each without a branch.
    template <class F>
    static bool any_of(int64_t n, const F& f) {
        constexpr int64_t kBlock = 64;
        for (int64_t from = 0; from < n; from += kBlock) {
            int any = 0;
            for (int64_t i = from; i < std::min(n, from + kBlock); ++i) any |= f(i);
            if (any) return true;
        }
        return false;
    }

    const SenseProblem p_;
    const unsigned char* bytes_ = nullptr;
    const T* real_ = nullptr;
};

}  // namespace
}  // namespace mriops
