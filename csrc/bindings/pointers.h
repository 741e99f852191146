// The last door before raw memory: addresses become pointers, or a ValueError.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

#include "../sense/sense.h"

namespace mriops::bindings {

// A pointer that a kernel will follow: not null, and aligned to one real number of the dtype.
inline void* pointer(const char* argument, uintptr_t address, Dtype dtype) {
    if (address == 0) throw std::invalid_argument(std::string(argument) + ": expected an address, got 0");
    const uintptr_t item = dtype == Dtype::complex64 ? 4 : 8;
    if (address % item != 0)
        throw std::invalid_argument(std::string(argument) + ": expected an address divisible by " +
                                    std::to_string(item) + ", got " + std::to_string(address));
    return reinterpret_cast<void*>(address);
}

inline const void* mask_pointer(uintptr_t address, MaskKind kind, Dtype dtype) {
    if (kind == MaskKind::none) return nullptr;
    if (kind == MaskKind::real) return pointer("mask", address, dtype);
    if (address == 0) throw std::invalid_argument("mask: expected an address, got 0");
    return reinterpret_cast<const void*>(address);
}

}  // namespace mriops::bindings
