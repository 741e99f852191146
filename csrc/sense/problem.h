// The door of the SENSE family: integers become a problem, and sizes that cannot be are refused with
// std::invalid_argument (ValueError in Python). The kernels themselves check nothing.
#pragma once
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

#include "../core/checks.h"
#include "sense.h"

namespace mriops {

inline SenseProblem make_problem(int64_t batch, int64_t maps, int64_t coils, int64_t nz, int64_t ny, int64_t nx,
                                 int ndim, int64_t batch_per_csm, int mask_kind, int64_t mask_sb, int64_t mask_sz,
                                 int64_t mask_sy, int64_t mask_sx) {
    at_least("batch", batch, 0);
    at_least("maps", maps, 1);
    at_least("coils", coils, 1);
    at_least("nz", nz, 1);
    at_least("ny", ny, 1);
    at_least("nx", nx, 1);
    if (ndim != 2 && ndim != 3) refuse("ndim", "2 or 3", ndim);
    if (ndim == 2 && nz != 1) refuse("nz", "1 when ndim is 2", nz);
    at_least("batch_per_csm", batch_per_csm, 1);
    if (batch % batch_per_csm != 0)
        refuse("batch_per_csm", "a divisor of batch = " + std::to_string(batch), batch_per_csm);
    if (mask_kind < 0 || mask_kind > 2) refuse("mask_kind", "0 (none), 1 (bytes) or 2 (real)", mask_kind);
    elements("image", batch, maps, nz, ny, nx);
    elements("kspace", batch, coils, nz, ny, nx);
    elements("csm", batch / batch_per_csm, maps, coils, nz, ny, nx);
    if (mask_kind != 0) {
        const int64_t sizes[] = {batch, nz, ny, nx}, strides[] = {mask_sb, mask_sz, mask_sy, mask_sx};
        const char* const names[] = {"mask_sb", "mask_sz", "mask_sy", "mask_sx"};
        int64_t last = 0;
        bool wrapped = false;
        for (int axis = 0; axis < 4; ++axis) {
            at_least(names[axis], strides[axis], 0);
            int64_t reach = 0;
            if (sizes[axis] > 1) wrapped |= __builtin_mul_overflow(sizes[axis] - 1, strides[axis], &reach);
            wrapped |= __builtin_add_overflow(last, reach, &last);
        }
        if (wrapped || last > std::numeric_limits<int64_t>::max() / 16)
            throw std::invalid_argument("mask: expected fewer than 2^63 bytes, got strides that reach further");
    }
    return {batch,   maps,    coils,   nz,     ny, nx, ndim, batch_per_csm, static_cast<MaskKind>(mask_kind),
            mask_sb, mask_sz, mask_sy, mask_sx};
}

inline FftProblem make_fft_problem(int64_t batch, int64_t nz, int64_t ny, int64_t nx, int axes, bool inverse) {
    at_least("batch", batch, 0);
    at_least("nz", nz, 1);
    at_least("ny", ny, 1);
    at_least("nx", nx, 1);
    if (axes < 0 || axes > 7) refuse("axes_bits", "a sum of 1 (x), 2 (y) and 4 (z)", axes);
    elements("x", batch, nz, ny, nx);
    return {batch, nz, ny, nx, axes, inverse};
}

}  // namespace mriops
