// Checks of sizes at the doors of the kernels: what cannot be is refused with std::invalid_argument (ValueError in
// Python), naming the argument, what was expected and what came.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>

#include "dtype.h"

namespace mriops {

[[noreturn]] inline void refuse(const char* argument, const std::string& expected, int64_t got) {
    throw std::invalid_argument(std::string(argument) + ": expected " + expected + ", got " + std::to_string(got));
}

inline void at_least(const char* argument, int64_t value, int64_t least) {
    if (value < least) refuse(argument, ">= " + std::to_string(least), value);
}

// Product of sizes; throws when the array could not be addressed in bytes with 64 bits.
template <class... Sizes>
int64_t elements(const char* array, Sizes... sizes) {
    int64_t total = 16, zero = 1;  // 16 bytes: the largest item, one complex128
    bool wrapped = false;
    for (int64_t size : {static_cast<int64_t>(sizes)...}) {
        if (size == 0)
            zero = 0;
        else
            wrapped |= __builtin_mul_overflow(total, size, &total);
    }
    if (wrapped)
        throw std::invalid_argument(std::string(array) +
                                    ": expected fewer than 2^63 bytes, got sizes whose product overflows");
    return zero * (total / 16);
}

inline Dtype make_dtype(int dtype) {
    if (dtype != 0 && dtype != 1) refuse("dtype", "0 (complex64) or 1 (complex128)", dtype);
    return static_cast<Dtype>(dtype);
}

}  // namespace mriops
