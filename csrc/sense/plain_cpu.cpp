// Stand-in kernels: direct transforms axis by axis with double accumulation. Correct for every option, and slow.
#include <cmath>
#include <complex>
#include <cstddef>

#include "../core/parallel.h"
#include "sense.h"

namespace mriops {
namespace {

using cd = std::complex<double>;

// A growable array of internal linkage: std::vector<cd> would be shared between instruction sets by the linker.
struct Buffer {
    explicit Buffer(int64_t n) : data(new cd[static_cast<size_t>(n)]()) {}
    ~Buffer() { delete[] data; }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    cd& operator[](int64_t i) { return data[i]; }
    cd* data;
};

// Centred orthonormal DFT of n items with a stride.
void dft(cd* x, int64_t n, int64_t stride, bool inverse, Buffer& scratch) {
    if (n == 1) return;
    const double sign = inverse ? 2 * M_PI : -2 * M_PI, scale = 1 / std::sqrt(static_cast<double>(n));
    cd* twiddle = scratch.data + n;
    for (int64_t i = 0; i < n; ++i) twiddle[i] = {scale * std::cos(sign * i / n), scale * std::sin(sign * i / n)};
    const int64_t c = n / 2;
    for (int64_t k = 0; k < n; ++k) {
        double re = 0, im = 0;
        const int64_t step = ((k - c) % n + n) % n;
        int64_t at = (n - (c * step) % n) % n;
        for (int64_t i = 0; i < n; ++i) {
            const cd v = x[i * stride], w = twiddle[at];
            re += v.real() * w.real() - v.imag() * w.imag();
            im += v.real() * w.imag() + v.imag() * w.real();
            at += step;
            if (at >= n) at -= n;
        }
        scratch[k] = {re, im};
    }
    for (int64_t k = 0; k < n; ++k) x[k * stride] = scratch[k];
}

int64_t longest(int64_t a, int64_t b, int64_t c) { return a > b ? (a > c ? a : c) : (b > c ? b : c); }

void transform(cd* x, int64_t nz, int64_t ny, int64_t nx, int axes, bool inverse) {
    Buffer scratch(2 * longest(nz, ny, nx));
    if (axes & 1)
        for (int64_t i = 0; i < nz * ny; ++i) dft(x + i * nx, nx, 1, inverse, scratch);
    if (axes & 2)
        for (int64_t z = 0; z < nz; ++z)
            for (int64_t i = 0; i < nx; ++i) dft(x + z * ny * nx + i, ny, nx, inverse, scratch);
    if (axes & 4)
        for (int64_t i = 0; i < ny * nx; ++i) dft(x + i, nz, ny * nx, inverse, scratch);
}

template <class T>
struct Room {
    using ct = std::complex<T>;
    static int64_t voxels(const SenseProblem& p) { return p.nz * p.ny * p.nx; }
    static int axes(const SenseProblem& p) { return p.ndim == 3 ? 7 : 3; }
    static cd wide(ct v) { return {v.real(), v.imag()}; }
    static ct narrow(cd v) { return {static_cast<T>(v.real()), static_cast<T>(v.imag())}; }

    static const ct* maps_of(const SenseProblem& p, const void* csm, int64_t b, int64_t m, int64_t c) {
        return static_cast<const ct*>(csm) + (((b / p.batch_per_csm) * p.maps + m) * p.coils + c) * voxels(p);
    }
    static double weight(const SenseProblem& p, const void* mask, int64_t b, int64_t v) {
        const int64_t at = b * p.mask_sb + v / (p.ny * p.nx) * p.mask_sz + v / p.nx % p.ny * p.mask_sy + v % p.nx * p.mask_sx;
        if (p.mask_kind == MaskKind::none) return 1;
        if (p.mask_kind == MaskKind::bytes) return static_cast<const unsigned char*>(mask)[at] != 0;
        return static_cast<const T*>(mask)[at];
    }
    static void weigh(const SenseProblem& p, const void* mask, int64_t b, int power, Buffer& x) {
        for (int64_t v = 0; v < voxels(p); ++v) {
            const double w = weight(p, mask, b, v);
            x[v] = w == 0 ? cd{} : x[v] * (power == 2 ? w * w : w);
        }
    }
    static void expand(const SenseProblem& p, const void* image, const void* csm, int64_t b, int64_t c, Buffer& x) {
        for (int64_t v = 0; v < voxels(p); ++v) x[v] = 0;
        for (int64_t m = 0; m < p.maps; ++m) {
            const ct* s = maps_of(p, csm, b, m, c);
            const ct* in = static_cast<const ct*>(image) + (b * p.maps + m) * voxels(p);
            for (int64_t v = 0; v < voxels(p); ++v) x[v] += wide(s[v]) * wide(in[v]);
        }
    }
    static void combine(const SenseProblem& p, const void* csm, int64_t b, int64_t c, Buffer& x, Buffer& sum) {
        for (int64_t m = 0; m < p.maps; ++m) {
            const ct* s = maps_of(p, csm, b, m, c);
            for (int64_t v = 0; v < voxels(p); ++v) sum[m * voxels(p) + v] += std::conj(wide(s[v])) * x[v];
        }
    }
    static void load(const SenseProblem& p, const void* in, int64_t b, int64_t c, Buffer& x) {
        const ct* from = static_cast<const ct*>(in) + (b * p.coils + c) * voxels(p);
        for (int64_t v = 0; v < voxels(p); ++v) x[v] = wide(from[v]);
    }
    static void store(Buffer& x, int64_t n, void* out, int64_t offset) {
        ct* to = static_cast<ct*>(out) + offset;
        for (int64_t v = 0; v < n; ++v) to[v] = narrow(x[v]);
    }

    static void coil_expand(const SenseProblem& p, const void* image, const void* csm, void* out, int threads, bool fourier,
                            const void* mask) {
        parallel_for(p.batch * p.coils, threads, [&](int64_t i, int) {
            const int64_t b = i / p.coils, c = i % p.coils;
            Buffer x(voxels(p));
            expand(p, image, csm, b, c, x);
            if (fourier) {
                transform(x.data, p.nz, p.ny, p.nx, axes(p), false);
                weigh(p, mask, b, 1, x);
            }
            store(x, voxels(p), out, i * voxels(p));
        });
    }
    static void coil_combine(const SenseProblem& p, const void* in, const void* csm, void* image, int threads, bool fourier,
                             const void* mask) {
        parallel_for(p.batch, threads, [&](int64_t b, int) {
            Buffer x(voxels(p)), sum(p.maps * voxels(p));
            for (int64_t c = 0; c < p.coils; ++c) {
                load(p, in, b, c, x);
                if (fourier) {
                    weigh(p, mask, b, 1, x);
                    transform(x.data, p.nz, p.ny, p.nx, axes(p), true);
                }
                combine(p, csm, b, c, x, sum);
            }
            store(sum, p.maps * voxels(p), image, b * p.maps * voxels(p));
        });
    }
    static void gram(const SenseProblem& p, const void* image, const void* csm, const void* mask, void* out, int threads) {
        parallel_for(p.batch, threads, [&](int64_t b, int) {
            Buffer x(voxels(p)), sum(p.maps * voxels(p));
            for (int64_t c = 0; c < p.coils; ++c) {
                expand(p, image, csm, b, c, x);
                transform(x.data, p.nz, p.ny, p.nx, axes(p), false);
                weigh(p, mask, b, 2, x);
                transform(x.data, p.nz, p.ny, p.nx, axes(p), true);
                combine(p, csm, b, c, x, sum);
            }
            store(sum, p.maps * voxels(p), out, b * p.maps * voxels(p));
        });
    }
    static void csm_adjoint(const SenseProblem& p, const void* kspace, const void* image, const void* mask, void* csm, int threads) {
        parallel_for(p.batch / p.batch_per_csm * p.coils, threads, [&](int64_t i, int) {
            const int64_t g = i / p.coils, c = i % p.coils;
            Buffer x(voxels(p)), sum(p.maps * voxels(p));
            for (int64_t b = g * p.batch_per_csm; b < (g + 1) * p.batch_per_csm; ++b) {
                load(p, kspace, b, c, x);
                weigh(p, mask, b, 1, x);
                transform(x.data, p.nz, p.ny, p.nx, axes(p), true);
                for (int64_t m = 0; m < p.maps; ++m) {
                    const ct* in = static_cast<const ct*>(image) + (b * p.maps + m) * voxels(p);
                    for (int64_t v = 0; v < voxels(p); ++v) sum[m * voxels(p) + v] += std::conj(wide(in[v])) * x[v];
                }
            }
            for (int64_t m = 0; m < p.maps; ++m)
                for (int64_t v = 0; v < voxels(p); ++v)
                    static_cast<ct*>(csm)[((g * p.maps + m) * p.coils + c) * voxels(p) + v] = narrow(sum[m * voxels(p) + v]);
        });
    }
    static void fft(const FftProblem& p, const void* in, void* out, int threads) {
        const int64_t n = p.nz * p.ny * p.nx;
        parallel_for(p.batch, threads, [&](int64_t b, int) {
            Buffer x(n);
            for (int64_t v = 0; v < n; ++v) x[v] = wide(static_cast<const ct*>(in)[b * n + v]);
            transform(x.data, p.nz, p.ny, p.nx, p.axes, p.inverse);
            store(x, n, out, b * n);
        });
    }
};

using F = Room<float>;
using D = Room<double>;
constexpr Dtype single = Dtype::complex64;

}  // namespace

#define MRIOPS_JOIN_(a, b) a##b
#define MRIOPS_JOIN(a, b) MRIOPS_JOIN_(a, b)

extern const SenseKernels MRIOPS_JOIN(sense_kernels_, MRIOPS_ISA) = {
    [](const SenseProblem& p, Dtype t, const void* image, const void* csm, const void* mask, void* kspace, int threads) {
        t == single ? F::coil_expand(p, image, csm, kspace, threads, true, mask) : D::coil_expand(p, image, csm, kspace, threads, true, mask);
    },
    [](const SenseProblem& p, Dtype t, const void* kspace, const void* csm, const void* mask, void* image, int threads) {
        t == single ? F::coil_combine(p, kspace, csm, image, threads, true, mask) : D::coil_combine(p, kspace, csm, image, threads, true, mask);
    },
    [](const SenseProblem& p, Dtype t, const void* image, const void* csm, const void* mask, void* out, int threads) {
        t == single ? F::gram(p, image, csm, mask, out, threads) : D::gram(p, image, csm, mask, out, threads);
    },
    [](const SenseProblem& p, Dtype t, const void* kspace, const void* image, const void* mask, void* csm, int threads) {
        t == single ? F::csm_adjoint(p, kspace, image, mask, csm, threads) : D::csm_adjoint(p, kspace, image, mask, csm, threads);
    },
    [](const SenseProblem& p, Dtype t, const void* image, const void* csm, void* out, int threads) {
        t == single ? F::coil_expand(p, image, csm, out, threads, false, nullptr) : D::coil_expand(p, image, csm, out, threads, false, nullptr);
    },
    [](const SenseProblem& p, Dtype t, const void* coil_images, const void* csm, void* image, int threads) {
        t == single ? F::coil_combine(p, coil_images, csm, image, threads, false, nullptr)
                    : D::coil_combine(p, coil_images, csm, image, threads, false, nullptr);
    },
    [](const FftProblem& p, Dtype t, const void* x, void* out, int threads) {
        t == single ? F::fft(p, x, out, threads) : D::fft(p, x, out, threads);
    },
};

}  // namespace mriops
