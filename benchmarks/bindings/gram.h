// The kernel under all routes: image (y, x), csm (coils, y, x), mask (y, x) of bytes, complex64, one thread.
#pragma once
#include <cstdint>

#include "sense/dispatch.h"
#include "sense/problem.h"

inline void gram(const void* image, const void* csm, const void* mask, void* out, int64_t coils, int64_t ny,
                 int64_t nx) {
    const auto problem = mriops::make_problem(1, 1, coils, 1, ny, nx, 2, 1, 1, 0, 0, nx, 1);
    mriops::sense_kernels().sense_gram(problem, mriops::Dtype::complex64, image, csm, mask, out, 1);
}
