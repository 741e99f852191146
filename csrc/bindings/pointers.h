// The last door before raw memory: addresses become pointers, or a ValueError.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

#include "../core/checks.h"

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

// A pointer to an argument that may be absent (address 0).
inline void* optional_pointer(const char* argument, uintptr_t address, Dtype dtype) {
    return address == 0 ? nullptr : pointer(argument, address, dtype);
}

// `lane` on the CPU.
inline int threads_of(int64_t lane) {
    at_least("lane (number of threads)", lane, 1);
    return static_cast<int>(lane < 1024 ? lane : 1024);
}

// Caller-owned memory of a device kernel.
inline void* workspace_of(int64_t needed, uintptr_t workspace) {
    if (needed > 0 && workspace == 0) refuse("workspace", "the address of " + std::to_string(needed) + " bytes", 0);
    return reinterpret_cast<void*>(workspace);
}

}  // namespace mriops::bindings
