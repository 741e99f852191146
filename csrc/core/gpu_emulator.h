// Runs CUDA kernels on the CPU, one fibre per thread of a block, so that a machine without a GPU can test them.
//
// It finds wrong indices, missing barriers (the thread order is shuffled by MRIOPS_EMU_SEED or set_seed), reads of
// shared memory that nothing wrote (filled with 0xCD before each block) and barriers that not all threads reach (an
// exception instead of a hang). It cannot find races between blocks, effects of the GPU's memory model, or slowness.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__

namespace mriops::emu {

// What a running kernel sees of itself.
struct Thread {
    dim3 thread, block, block_size, grid_size;
    unsigned char* shared;
};
extern thread_local Thread* self;

// 0: threads and blocks in natural order (the default, unless MRIOPS_EMU_SEED is set).
void set_seed(uint64_t seed);

void barrier(const char* file, int line);
void warp_barrier(unsigned mask, const char* file, int line);
// Puts `bytes` (<= 16) of this lane on the table, waits for the lanes in `mask`, and reads what `lane` put there.
void exchange(unsigned mask, const void* mine, void* theirs, std::size_t bytes, int lane, const char* file, int line);
unsigned ballot(unsigned mask, bool predicate, const char* file, int line);
int lane_index();
void* shared_array(const void* tag, std::size_t bytes);

using Body = void (*)(void* context);
void run_grid(const char* name, dim3 grid, dim3 block, std::size_t shared_bytes, Body body, void* context);

template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes, void*,
            const Arguments&... arguments) {
    struct Call {
        void (*kernel)(Parameters...);
        std::tuple<std::decay_t<Parameters>...> arguments;
    } call{kernel, {arguments...}};
    run_grid(
        name, grid, block, shared_bytes,
        [](void* context) {
            Call& c = *static_cast<Call*>(context);
            std::apply(c.kernel, c.arguments);
        },
        &call);
}

// All threads of a kernel share one CPU thread, so plain reads and writes are atomic.
template <class T>
T atomic_add(T* address, T value) {
    const T old = *address;
    *address = old + value;
    return old;
}
template <class T>
T shuffle(unsigned mask, T value, int lane, const char* file, int line) {
    static_assert(sizeof(T) <= 16, "shuffles move at most 16 bytes");
    T result;
    exchange(mask, &value, &result, sizeof(T), lane, file, line);
    return result;
}

}  // namespace mriops::emu

#define threadIdx (::mriops::emu::self->thread)
#define blockIdx (::mriops::emu::self->block)
#define blockDim (::mriops::emu::self->block_size)
#define gridDim (::mriops::emu::self->grid_size)
constexpr int warpSize = 32;

#define __syncthreads() ::mriops::emu::barrier(__FILE__, __LINE__)
#define __syncwarp(...) ::mriops::emu::warp_barrier(::mriops::emu::full_mask(__VA_ARGS__), __FILE__, __LINE__)
#define __ballot_sync(mask, predicate) ::mriops::emu::ballot(mask, predicate, __FILE__, __LINE__)
#define __any_sync(mask, predicate) (::mriops::emu::ballot(mask, predicate, __FILE__, __LINE__) != 0)
#define __all_sync(mask, predicate) (::mriops::emu::ballot(mask, !(predicate), __FILE__, __LINE__) == 0)
#define __shfl_sync(mask, value, lane) ::mriops::emu::shuffle(mask, value, (lane) & 31, __FILE__, __LINE__)
#define __shfl_xor_sync(mask, value, bits) \
    ::mriops::emu::shuffle(mask, value, ::mriops::emu::lane_index() ^ (bits), __FILE__, __LINE__)
// Past the end of the warp a lane keeps its own value, as on the GPU.
#define __shfl_down_sync(mask, value, delta)                                                                  \
    ::mriops::emu::shuffle(mask, value, ::mriops::emu::lane_within(::mriops::emu::lane_index() + int(delta)), \
                           __FILE__, __LINE__)
#define __shfl_up_sync(mask, value, delta)                                                                    \
    ::mriops::emu::shuffle(mask, value, ::mriops::emu::lane_within(::mriops::emu::lane_index() - int(delta)), \
                           __FILE__, __LINE__)

#define MRIOPS_UNROLL _Pragma("GCC unroll 16")
#define MRIOPS_SHARED_BYTES(name) unsigned char* const name = ::mriops::emu::self->shared
#define MRIOPS_SHARED_ARRAY(type, name, count) \
    static const char name##_tag = 0;          \
    type* const name = static_cast<type*>(::mriops::emu::shared_array(&name##_tag, sizeof(type) * (count)))

namespace mriops::emu {
inline unsigned full_mask(unsigned mask = 0xffffffffu) { return mask; }
inline int lane_within(int lane) { return lane < 0 || lane > 31 ? lane_index() : lane; }
}  // namespace mriops::emu

template <class T>
T atomicAdd(T* address, std::common_type_t<T> value) {
    return ::mriops::emu::atomic_add(address, value);
}
template <class T>
T atomicMax(T* address, std::common_type_t<T> value) {
    const T old = *address;
    if (value > old) *address = value;
    return old;
}
template <class T>
T atomicMin(T* address, std::common_type_t<T> value) {
    const T old = *address;
    if (value < old) *address = value;
    return old;
}
template <class T>
T atomicExch(T* address, std::common_type_t<T> value) {
    const T old = *address;
    *address = value;
    return old;
}
template <class T>
T atomicCAS(T* address, std::common_type_t<T> expected, std::common_type_t<T> value) {
    const T old = *address;
    if (old == expected) *address = value;
    return old;
}

inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((uint64_t(a) * b) >> 32); }
// Computed in double and rounded, which is at least as close as CUDA's 1 to 2 units in the last place.
inline void sincospi(double x, double* s, double* c) {
    constexpr double pi = 3.14159265358979323846;
    *s = std::sin(pi * x);
    *c = std::cos(pi * x);
}
inline void sincospif(float x, float* s, float* c) {
    double ds, dc;
    sincospi(x, &ds, &dc);
    *s = float(ds);
    *c = float(dc);
}
