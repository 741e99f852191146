// Dense linear algebra for one vector of voxels: normal equations and their solution without roots, lane by lane.
#pragma once
#include "lane_math.h"
#include "models.h"

namespace mriops {
namespace {

// Lower triangle of a symmetric matrix, row after row.
constexpr int triangle(int i, int j) { return i * (i + 1) / 2 + j; }

// H = J^T J and b = J^T r over n rows, for the parameters listed in `free`. N is their number, or 0 where it is not
// known at compile time. Two rows at a time keep two chains of additions going.
template <class T, int N>
struct NormalEquations {
    using V = LaneVec<T>;
    static constexpr int W = LaneOf<T>::width;
    static constexpr int kMax = N > 0 ? N : kMaxModelParameters;

    static void build(const int* free, int n_free, int64_t rows, const T* g, const T* residual, V* h, V* b) {
        const int n = N > 0 ? N : n_free;
        V hh[kMax * (kMax + 1) / 2], bb[kMax];
        for (int k = 0; k < n * (n + 1) / 2; ++k) hh[k] = V{};
        for (int k = 0; k < n; ++k) bb[k] = V{};
        for (int64_t i = 0; i < rows; ++i) {
            V column[kMax];
            const V r = lane_load(residual + i * W);
            for (int k = 0; k < n; ++k) column[k] = lane_load(g + (free[k] * rows + i) * W);
            for (int k = 0; k < n; ++k) {
                bb[k] = bb[k] + column[k] * r;
                for (int l = 0; l <= k; ++l) hh[triangle(k, l)] = hh[triangle(k, l)] + column[k] * column[l];
            }
        }
        for (int k = 0; k < n * (n + 1) / 2; ++k) h[k] = hh[k];
        for (int k = 0; k < n; ++k) b[k] = bb[k];
    }

    // L D L^T of H with its diagonal times 1 + damping, in place: L below the diagonal, `inverse` gets 1 / D. No root,
    // one division per parameter. A pivot lost to rounding becomes a tiny share of its diagonal, whatever the units of
    // the parameters; one of zero, which nothing depends on, has no inverse.
    static void factor(int n_free, V* h, V damping, V* inverse) {
        const int n = N > 0 ? N : n_free;
        const V one = lane_fill<T>(T(1)), zero = V{};
        const T least = sizeof(T) == 4 ? T(1e-7) : T(1e-15);
        for (int j = 0; j < n; ++j) {
            const V diagonal = h[triangle(j, j)], lost = least * diagonal;
            V d = diagonal * (one + damping);
            for (int l = 0; l < j; ++l) {
                V c = h[triangle(j, l)];
                // Entries before l are products with D still.
                for (int m = 0; m < l; ++m) c = c - h[triangle(j, m)] * h[triangle(l, m)];
                h[triangle(j, l)] = c;
            }
            for (int l = 0; l < j; ++l) {
                const V c = h[triangle(j, l)], entry = c * inverse[l];
                d = d - entry * c;
                h[triangle(j, l)] = entry;
            }
            d = d > lost ? d : lost;
            inverse[j] = d > zero ? one / d : zero;
        }
    }

    // x = (H + damping diag H)^-1 b from the factor.
    static void solve(int n_free, const V* h, const V* inverse, const V* b, V* x) {
        const int n = N > 0 ? N : n_free;
        for (int i = 0; i < n; ++i) {
            V v = b[i];
            for (int l = 0; l < i; ++l) v = v - h[triangle(i, l)] * x[l];
            x[i] = v;
        }
        for (int i = n - 1; i >= 0; --i) {
            V v = x[i] * inverse[i];
            for (int l = i + 1; l < n; ++l) v = v - h[triangle(l, i)] * x[l];
            x[i] = v;
        }
    }

    // Diagonal of H^-1: columns of the inverse factor, weighted by 1 / D.
    static void inverse_diagonal(int n_free, const V* h, const V* inverse, V* diagonal) {
        const int n = N > 0 ? N : n_free;
        for (int k = 0; k < n; ++k) {
            V column[kMax], sum = V{};
            for (int i = k; i < n; ++i) {
                V v = i == k ? lane_fill<T>(T(1)) : V{};
                for (int l = k; l < i; ++l) v = v - h[triangle(i, l)] * column[l];
                column[i] = v;
                sum = sum + v * v * inverse[i];
            }
            const V inf = lane_fill<T>(T(__builtin_inf()));
            // Sums of tiny pivots overflow: nothing is known of such a parameter.
            diagonal[k] = (inverse[k] > V{}) & (sum < inf) ? sum : inf;
        }
    }
};

}  // namespace
}  // namespace mriops
