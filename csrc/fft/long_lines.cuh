// Transforms of lines that shared memory does not hold, through global memory: one kernel per radix. Any length below
// 2^31.
#pragma once
#include <cstdint>

#include "../core/complex.h"
#include "../core/gpu.h"

namespace mriops::cuda {

template <class T>
struct LongLines {
    Complex<T>* data = nullptr;  // transformed in place
    int64_t n = 1, inner = 1;    // length, distance between entries
    int64_t lines = 1;           // line i starts at i / inner * n * inner + i % inner
    bool backward = false;
    T scale = 1;
};

// Elements of scratch that transform_long_lines needs.
template <class T>
int64_t long_lines_scratch(int64_t n, int64_t lines);
template <class T>
void transform_long_lines(const LongLines<T>&, Complex<T>* scratch, gpu::Stream);

}  // namespace mriops::cuda
