// The one door to the GPU: CUDA under nvcc, fibres on the CPU when compiled with MRIOPS_EMU, from the same source.
//
// What a .cu file may use beyond plain C++17: __global__, __device__, threadIdx/blockIdx/blockDim/gridDim (read them,
// never copy them whole), __syncthreads, __syncwarp, __shfl*_sync, __ballot/any/all_sync, atomics, sincospi, and
//   MRIOPS_SHARED_BYTES(name)            the block's dynamic shared memory, 16-byte aligned
//   MRIOPS_SHARED_ARRAY(type, name, n)   a static shared array
//   MRIOPS_UNROLL                        before a loop that must be unrolled
//   MRIOPS_LAUNCH(kernel, grid, block, shared_bytes, stream, args...)    throws std::runtime_error on a failed launch
// Templated kernels go in parentheses: MRIOPS_LAUNCH((scale<float, 4>), ...).
#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#ifdef MRIOPS_EMU
#include "gpu_emulator.h"
#else
#include <cuda_runtime.h>
#endif

namespace mriops::gpu {

// What every GPU from compute capability 8.0 on grants to a block (99 KiB, less 1 KiB that CUDA keeps), so that plans
// and workspace sizes, and with them the results, do not depend on the device.
constexpr std::size_t kSharedBytesAnywhere = 98 * 1024;

#ifdef MRIOPS_EMU

constexpr bool kEmulated = true;
using Stream = void*;
using emu::launch;

inline void copy(void* to, const void* from, std::size_t bytes, Stream) { std::memcpy(to, from, bytes); }

// The emulator has one device and nothing to select.
struct DeviceOf {
    explicit DeviceOf(const void*) {}
};

#else

constexpr bool kEmulated = false;
using Stream = cudaStream_t;

inline void check(cudaError_t error, const char* what) {
    if (error != cudaSuccess)
        throw std::runtime_error(std::string("mriops CUDA, ") + what + ": " + cudaGetErrorString(error));
}

template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
            Stream stream, const Arguments&... arguments) {
    if (shared_bytes > 48 * 1024)
        check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)),
              name);
    // clang-format off
    kernel<<<grid, block, shared_bytes, stream>>>(arguments...);
    // clang-format on
    check(cudaGetLastError(), name);
}

// From device to device.
inline void copy(void* to, const void* from, std::size_t bytes, Stream stream) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream), "copy");
}

// Makes the device that holds `pointer` current, and restores the caller's choice at the end of the scope.
class DeviceOf {
  public:
    explicit DeviceOf(const void* pointer) {
        cudaPointerAttributes attributes;
        check(cudaPointerGetAttributes(&attributes, pointer), "looking up the device of an array");
        if (attributes.type != cudaMemoryTypeDevice && attributes.type != cudaMemoryTypeManaged)
            throw std::runtime_error("mriops CUDA: expected arrays in device memory, got a host address");
        check(cudaGetDevice(&before_), "cudaGetDevice");
        if (attributes.device != before_) {
            check(cudaSetDevice(attributes.device), "cudaSetDevice");
            changed_ = true;
        }
    }
    ~DeviceOf() {
        if (changed_) cudaSetDevice(before_);
    }
    DeviceOf(const DeviceOf&) = delete;
    DeviceOf& operator=(const DeviceOf&) = delete;

  private:
    int before_ = 0;
    bool changed_ = false;
};

#define MRIOPS_UNROLL _Pragma("unroll")
#define MRIOPS_SHARED_BYTES(name) extern __shared__ __align__(16) unsigned char name[]
#define MRIOPS_SHARED_ARRAY(type, name, count) __shared__ type name[count]

#endif

#define MRIOPS_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
    ::mriops::gpu::launch(#kernel, kernel, grid, block, shared_bytes, stream, __VA_ARGS__)

}  // namespace mriops::gpu
