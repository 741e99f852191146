// What an iterative solver does between two applications of its operator: inner products and updates of rows of real
// (batch, n) matrices, a row per problem.
//
//   dot         out[b] = <x[b], y[b]>
//   add_scaled  out[b] = x[b] + factor[b] y[b], or without x if that is null; out may be x or y
//   descend     x[b] += step[b] p[b],  r[b] -= step[b] q[b],  norm2[b] = <r[b], r[b]>, in one visit
// A complex vector is a real one of twice the length. Sums are made in double precision over chunks of fixed size.
#pragma once
#include <cstdint>

#include "../core/checks.h"

namespace mriops {

struct VectorRows {
    int64_t batch, n;
};

inline VectorRows make_vector_rows(int64_t batch, int64_t n) {
    at_least("batch", batch, 0);
    at_least("n", n, 0);
    elements("rows", batch, n);
    return {batch, n};
}

// One instance per instruction set; `threads` is the number of threads a call may use. Real numbers of the precision
// that the dtype names.
struct VectorKernels {
    void (*dot)(const VectorRows&, Dtype, const void* x, const void* y, void* out, int threads);
    void (*add_scaled)(const VectorRows&, Dtype, const void* x, const void* y, const void* factor, void* out,
                       int threads);
    void (*descend)(const VectorRows&, Dtype, const void* p, const void* q, const void* step, void* x, void* r,
                    void* norm2, int threads);
};

// Defined once per instruction set by the sources of this room (see core/isa.h).
extern const VectorKernels vector_kernels_v2, vector_kernels_v3, vector_kernels_v4, vector_kernels_generic;

// Those of the instruction set in use.
const VectorKernels& vector_kernels();

}  // namespace mriops
