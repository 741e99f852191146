// What the SENSE family means, by direct sums in double precision: no speed, no tricks.
#pragma once
#include <cmath>
#include <complex>
#include <cstdint>
#include <vector>

#include "sense/sense.h"

namespace reference {

using mriops::MaskKind;
using mriops::SenseProblem;
using cd = std::complex<double>;
using Array = std::vector<cd>;

inline int64_t voxels(const SenseProblem& p) { return p.nz * p.ny * p.nx; }

// Centred orthonormal DFT of n items with a stride, from its definition.
inline void dft(cd* x, int64_t n, int64_t stride, bool inverse) {
    const double sign = inverse ? 1 : -1;
    Array table(static_cast<size_t>(n)), out(static_cast<size_t>(n));
    for (int64_t j = 0; j < n; ++j)
        table[j] = std::polar(1 / std::sqrt(double(n)), sign * 2 * M_PI * double(j) / double(n));
    for (int64_t k = 0; k < n; ++k)
        for (int64_t i = 0; i < n; ++i) {
            const int64_t turn = (k - n / 2) * (i - n / 2);
            out[k] += x[i * stride] * table[((turn % n) + n) % n];
        }
    for (int64_t k = 0; k < n; ++k) x[k * stride] = out[k];
}

inline void fft(cd* x, int64_t nz, int64_t ny, int64_t nx, int axes, bool inverse) {
    for (int64_t i = 0; (axes & 1) && i < nz * ny; ++i) dft(x + i * nx, nx, 1, inverse);
    for (int64_t z = 0; (axes & 2) && z < nz; ++z)
        for (int64_t i = 0; i < nx; ++i) dft(x + z * ny * nx + i, ny, nx, inverse);
    for (int64_t i = 0; (axes & 4) && i < ny * nx; ++i) dft(x + i, nz, ny * nx, inverse);
}

inline void fft(const SenseProblem& p, cd* x, bool inverse) { fft(x, p.nz, p.ny, p.nx, p.ndim == 3 ? 7 : 3, inverse); }

inline size_t csm_at(const SenseProblem& p, int64_t b, int64_t m, int64_t c, int64_t v) {
    return static_cast<size_t>((((b / p.batch_per_csm) * p.maps + m) * p.coils + c) * voxels(p) + v);
}
inline size_t image_at(const SenseProblem& p, int64_t b, int64_t m, int64_t v) {
    return static_cast<size_t>((b * p.maps + m) * voxels(p) + v);
}
inline size_t kspace_at(const SenseProblem& p, int64_t b, int64_t c, int64_t v) {
    return static_cast<size_t>((b * p.coils + c) * voxels(p) + v);
}
inline size_t weight_at(const SenseProblem& p, int64_t b, int64_t v) {
    return static_cast<size_t>(b * p.mask_sb + v / (p.ny * p.nx) * p.mask_sz + v / p.nx % p.ny * p.mask_sy +
                               v % p.nx * p.mask_sx);
}

// `weights` has an entry for every element that the strides reach; it is empty without a mask.
inline void weigh(const SenseProblem& p, const std::vector<double>& weights, Array& kspace) {
    if (p.mask_kind == MaskKind::none) return;
    for (int64_t b = 0; b < p.batch; ++b)
        for (int64_t c = 0; c < p.coils; ++c)
            for (int64_t v = 0; v < voxels(p); ++v) kspace[kspace_at(p, b, c, v)] *= weights[weight_at(p, b, v)];
}

inline Array coil_expand(const SenseProblem& p, const Array& image, const Array& csm) {
    Array out(static_cast<size_t>(p.batch * p.coils * voxels(p)));
    for (int64_t b = 0; b < p.batch; ++b)
        for (int64_t c = 0; c < p.coils; ++c)
            for (int64_t m = 0; m < p.maps; ++m)
                for (int64_t v = 0; v < voxels(p); ++v)
                    out[kspace_at(p, b, c, v)] += csm[csm_at(p, b, m, c, v)] * image[image_at(p, b, m, v)];
    return out;
}

inline Array coil_combine(const SenseProblem& p, const Array& coil_images, const Array& csm) {
    Array out(static_cast<size_t>(p.batch * p.maps * voxels(p)));
    for (int64_t b = 0; b < p.batch; ++b)
        for (int64_t c = 0; c < p.coils; ++c)
            for (int64_t m = 0; m < p.maps; ++m)
                for (int64_t v = 0; v < voxels(p); ++v)
                    out[image_at(p, b, m, v)] +=
                        std::conj(csm[csm_at(p, b, m, c, v)]) * coil_images[kspace_at(p, b, c, v)];
    return out;
}

inline void fft_coils(const SenseProblem& p, Array& coil_images, bool inverse) {
    for (int64_t i = 0; i < p.batch * p.coils; ++i) fft(p, coil_images.data() + i * voxels(p), inverse);
}

inline Array sense(const SenseProblem& p, const Array& image, const Array& csm, const std::vector<double>& weights) {
    Array kspace = coil_expand(p, image, csm);
    fft_coils(p, kspace, false);
    weigh(p, weights, kspace);
    return kspace;
}

inline Array sense_adjoint(const SenseProblem& p, Array kspace, const Array& csm, const std::vector<double>& weights) {
    weigh(p, weights, kspace);
    fft_coils(p, kspace, true);
    return coil_combine(p, kspace, csm);
}

inline Array sense_csm_adjoint(const SenseProblem& p, Array kspace, const Array& image,
                               const std::vector<double>& weights) {
    weigh(p, weights, kspace);
    fft_coils(p, kspace, true);
    Array out(static_cast<size_t>(p.batch / p.batch_per_csm * p.maps * p.coils * voxels(p)));
    for (int64_t b = 0; b < p.batch; ++b)
        for (int64_t m = 0; m < p.maps; ++m)
            for (int64_t c = 0; c < p.coils; ++c)
                for (int64_t v = 0; v < voxels(p); ++v)
                    out[csm_at(p, b, m, c, v)] +=
                        std::conj(image[image_at(p, b, m, v)]) * kspace[kspace_at(p, b, c, v)];
    return out;
}

}  // namespace reference
