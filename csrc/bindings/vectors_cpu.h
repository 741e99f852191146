// Registers what solvers do with their vectors, on the CPU alone: elsewhere the framework's own kernels serve.
#pragma once
#include <nanobind/nanobind.h>

#include "../vectors/vectors.h"
#include "pointers.h"

namespace mriops::bindings {

inline void register_vectors(nanobind::module_& m) {
    using namespace nanobind::literals;
    const auto released = nanobind::call_guard<nanobind::gil_scoped_release>();
    m.def(
        "vector_dot",
        [](uintptr_t x, uintptr_t y, uintptr_t out, int64_t batch, int64_t n, int dtype, int64_t lane) {
            const VectorRows rows = make_vector_rows(batch, n);
            const Dtype t = make_dtype(dtype);
            if (batch == 0) return;
            if (n == 0) x = y = out;  // an empty tensor has no address
            vector_kernels().dot(rows, t, pointer("x", x, t), pointer("y", y, t), pointer("out", out, t),
                                 threads_of(lane));
        },
        "x"_a, "y"_a, "out"_a, "batch"_a, "n"_a, "dtype"_a, "lane"_a, released);
    m.def(
        "vector_add_scaled",
        [](uintptr_t x, uintptr_t y, uintptr_t factor, uintptr_t out, int64_t batch, int64_t n, int dtype,
           int64_t lane) {
            const VectorRows rows = make_vector_rows(batch, n);
            const Dtype t = make_dtype(dtype);
            if (batch == 0 || n == 0) return;
            vector_kernels().add_scaled(rows, t, optional_pointer("x", x, t), pointer("y", y, t),
                                        pointer("factor", factor, t), pointer("out", out, t), threads_of(lane));
        },
        "x"_a, "y"_a, "factor"_a, "out"_a, "batch"_a, "n"_a, "dtype"_a, "lane"_a, released);
    m.def(
        "vector_descend",
        [](uintptr_t p, uintptr_t q, uintptr_t step, uintptr_t x, uintptr_t r, uintptr_t norm2, int64_t batch,
           int64_t n, int dtype, int64_t lane) {
            const VectorRows rows = make_vector_rows(batch, n);
            const Dtype t = make_dtype(dtype);
            if (batch == 0) return;
            if (n == 0) p = q = x = r = norm2;
            vector_kernels().descend(rows, t, pointer("p", p, t), pointer("q", q, t), pointer("step", step, t),
                                     pointer("x", x, t), pointer("r", r, t), pointer("norm2", norm2, t),
                                     threads_of(lane));
        },
        "p"_a, "q"_a, "step"_a, "x"_a, "r"_a, "norm2"_a, "batch"_a, "n"_a, "dtype"_a, "lane"_a, released);
}

}  // namespace mriops::bindings
