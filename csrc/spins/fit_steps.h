// Dense linear algebra for one vector of voxels: normal equations and their solution by Cholesky, lane by lane.
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

    // Cholesky factor of a scaled copy of H with 1 + damping on its diagonal, in place; `scale` gets 1 /
    // sqrt(diagonal). Scaling first makes the factor independent of the units of the parameters. A pivot lost to
    // rounding becomes tiny.
    static void factor(int n_free, V* h, V damping, V* scale) {
        const int n = N > 0 ? N : n_free;
        const V one = lane_fill<T>(T(1)), zero = V{};
        for (int k = 0; k < n; ++k) {
            const V d = h[triangle(k, k)];
            scale[k] = d > zero ? one / lane_sqrt<T>(d) : zero;
        }
        const T least = sizeof(T) == 4 ? T(1e-7) : T(1e-15);
        for (int j = 0; j < n; ++j) {
            V d = one + damping;
            for (int l = 0; l < j; ++l) d = d - h[triangle(j, l)] * h[triangle(j, l)];
            d = d > least ? d : lane_fill<T>(least);
            const V inverse = one / lane_sqrt<T>(d);
            h[triangle(j, j)] = inverse;
            for (int i = j + 1; i < n; ++i) {
                V v = h[triangle(i, j)] * scale[i] * scale[j];
                for (int l = 0; l < j; ++l) v = v - h[triangle(i, l)] * h[triangle(j, l)];
                h[triangle(i, j)] = v * inverse;
            }
        }
    }

    // x = (H + damping diag H)^-1 b from the factor.
    static void solve(int n_free, const V* h, const V* scale, const V* b, V* x) {
        const int n = N > 0 ? N : n_free;
        for (int i = 0; i < n; ++i) {
            V v = b[i] * scale[i];
            for (int l = 0; l < i; ++l) v = v - h[triangle(i, l)] * x[l];
            x[i] = v * h[triangle(i, i)];
        }
        for (int i = n - 1; i >= 0; --i) {
            V v = x[i];
            for (int l = i + 1; l < n; ++l) v = v - h[triangle(l, i)] * x[l];
            x[i] = v * h[triangle(i, i)];
        }
        for (int i = 0; i < n; ++i) x[i] = x[i] * scale[i];
    }

    // Diagonal of H^-1: column norms of the inverse factor.
    static void inverse_diagonal(int n_free, const V* h, const V* scale, V* diagonal) {
        const int n = N > 0 ? N : n_free;
        for (int k = 0; k < n; ++k) {
            V column[kMax], sum = V{};
            for (int i = k; i < n; ++i) {
                V v = i == k ? lane_fill<T>(T(1)) : V{};
                for (int l = k; l < i; ++l) v = v - h[triangle(i, l)] * column[l];
                column[i] = v * h[triangle(i, i)];
                sum = sum + column[i] * column[i];
            }
            const V inf = lane_fill<T>(T(__builtin_inf()));
            // Sums of tiny pivots overflow, and infinity times zero is NaN: nothing is known of such a parameter.
            diagonal[k] = (scale[k] > V{}) & (sum < inf) ? sum * scale[k] * scale[k] : inf;
        }
    }
};

}  // namespace
}  // namespace mriops
