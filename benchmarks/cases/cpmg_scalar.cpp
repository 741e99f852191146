// Spin echoes (CPMG) one voxel at a time: the yardstick of a good scalar program.
// Only odd orders 2 j + 1 carry echoes; without phases they are real; an order counts only if it was reached and can
// still come back, which makes the loops triangular.
#include <algorithm>
#include <cmath>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

namespace {

constexpr int max_echoes = 256;

// High orders decay to numbers too small for float's exponent, whose arithmetic is slow: they count as zero meanwhile.
struct TinyIsZero {
#ifdef __SSE__
    unsigned before = _mm_getcsr();
    TinyIsZero() { _mm_setcsr(before | 0x8040); }
    ~TinyIsZero() { _mm_setcsr(before); }
#endif
};

// p, m and z hold F(2j+1), F(-2j-1) and Z(2j+1); gradients move the starts of p and m instead of their values.
// At most max_echoes echoes.
template <typename T>
void cpmg(const T* flips, int echoes, T spacing, const T* t1, const T* t2, const T* b1, long voxels, T* out) {
    const TinyIsZero mode;
    for (long v = 0; v < voxels; ++v) {
        T plus[2 * max_echoes], minus[2 * max_echoes], z[max_echoes];
        T *p = plus + echoes, *m = minus;
        std::fill_n(m, echoes, T(0));
        std::fill_n(z, echoes, T(0));
        const T e1 = std::exp(-spacing / t1[v]), e2 = std::exp(-spacing / t2[v]), half = std::exp(-spacing / 2 / t2[v]);
        p[0] = std::sin(T(M_PI / 2) * b1[v]) * half;
        for (int n = 0; n < echoes; ++n) {
            const T angle = flips[n] * b1[v], c = std::cos(angle), s = std::sin(angle);
            const T stay = e2 * (1 + c) / 2, swap = e2 * (1 - c) / 2, lift = e2 * s, fall = e1 * s / 2, keep = e1 * c;
            const int reach = std::min(n + 1, echoes - n);
            for (int j = 0; j < reach; ++j) {
                const T a = p[j], b = m[j], l = z[j];
                p[j] = stay * a + swap * b + lift * l;
                m[j] = swap * a + stay * b - lift * l;
                z[j] = fall * (b - a) + keep * l;
            }
            out[v * echoes + n] = m[0] / half;
            *--p = m[0];
            ++m;
        }
    }
}

}  // namespace

extern "C" void cpmg_float(const float* flips, int echoes, float spacing, const float* t1, const float* t2,
                           const float* b1, long voxels, float* out) {
    cpmg(flips, echoes, spacing, t1, t2, b1, voxels, out);
}

extern "C" void cpmg_double(const double* flips, int echoes, double spacing, const double* t1, const double* t2,
                            const double* b1, long voxels, double* out) {
    cpmg(flips, echoes, spacing, t1, t2, b1, voxels, out);
}
