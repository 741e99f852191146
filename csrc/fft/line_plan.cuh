// How a block of threads transforms lines of one length in shared memory: the radices, and what they cost in memory.
#pragma once
#include <cstdint>
#include <vector>

#include "../core/gpu.h"
#include "../core/hostdevice.h"

namespace mriops::cuda {

// Division of numbers below 2^31 by a divisor known at launch: a multiplication and a shift.
struct FastDivisor {
    unsigned divisor = 1, multiplier = 1, shift = 0;
    FastDivisor() = default;
    explicit FastDivisor(unsigned d) : divisor(d) {
        while ((uint64_t(1) << shift) < d) ++shift;
        multiplier = static_cast<unsigned>(((uint64_t(1) << 32) * ((uint64_t(1) << shift) - d)) / d + 1);
    }
    __device__ __forceinline__ unsigned quotient(unsigned n) const { return (__umulhi(n, multiplier) + n) >> shift; }
};

// One stage of a decimation in frequency: butterflies of `radix` numbers, `span` apart, inside sub-lines of `length`.
struct LineStage {
    int radix, span, length;
    int twiddle_step;  // exp(-2 pi i p k / length) is entry p k twiddle_step of the table
    FastDivisor by_span;
    int units;  // pieces of work per butterfly: 1, or more for a prime without a codelet
    FastDivisor by_units;
};

// The transform of a line. The first and last stages (outer radices 1 to 8, 1 meaning a plain copy) read from and write
// to wherever the kernel wants; the inner ones work in place in shared memory, where frequencies end up in
// digit-reversed order. A prime without a codelet needs a second buffer.
struct LinePlan {
    static constexpr int kMaxStages = 16;
    int n = 0;       // length of the transform (padded, for Bluestein)
    int stages = 0;  // 0: no plan, the length has a prime factor above kLargestDirectPrime
    bool second_buffer = false;
    LineStage stage[kMaxStages];
};

// Above it Bluestein's convolution, over lines of more than twice the length, is the lesser cost.
constexpr int kLargestDirectPrime = 64;
// Entries of a line are numbered with 16 bits in shared memory.
constexpr int64_t kLongestLine = 65535;

// Plans are found once per length and thread; the reference stays valid.
const LinePlan& line_plan(int64_t n);
// The length m >= 2 n - 1, of factors 2, 3 and 5, that convolves fastest.
int64_t bluestein_length(int64_t n);

}  // namespace mriops::cuda
