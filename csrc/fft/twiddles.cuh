// Roots of unity computed on the device, accurate to the last place for any length.
#pragma once
#include "../core/complex.h"
#include "../core/gpu.h"

namespace mriops::cuda {

__device__ __forceinline__ void sine_cosine_pi(float x, float* s, float* c) { sincospif(x, s, c); }
__device__ __forceinline__ void sine_cosine_pi(double x, double* s, double* c) { sincospi(x, s, c); }

// exp(-pi i a / n) for 0 <= a < 2 n. Reduced to an eighth of a turn in integers, so that the one rounding of a / n
// counts least where the sine is small.
template <class T>
__device__ __forceinline__ Complex<T> half_root(int64_t a, int64_t n) {
    const bool below = a > n;  // second half of the turn: conjugate of the first
    if (below) a = 2 * n - a;
    const bool left = 2 * a > n;
    if (left) a = n - a;
    const bool steep = 4 * a > n;
    T s, c;
    if (steep)
        sine_cosine_pi(T(n - 2 * a) / T(2 * n), &c, &s);
    else
        sine_cosine_pi(T(a) / T(n), &s, &c);
    return {left ? -c : c, below ? s : -s};
}

// exp(-2 pi i k / n) for 0 <= k < n
template <class T>
__device__ __forceinline__ Complex<T> unit_root(int64_t k, int64_t n) {
    return half_root<T>(2 * k, n);
}

// exp(-pi i j^2 / n), Bluestein's chirp; |j| <= n < 2^31
template <class T>
__device__ __forceinline__ Complex<T> chirp(int64_t j, int64_t n) {
    return half_root<T>(j * j % (2 * n), n);
}

}  // namespace mriops::cuda
