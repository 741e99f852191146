// Kernels with known faults and known answers, which test_emulator.py runs to see what the emulator finds.
#include "../../csrc/core/gpu.h"
#include "../../csrc/core/gpu_emulator.cpp"

#include <cstdio>

namespace {

// Each thread passes its number to its left neighbour through shared memory.
template <bool kBarrier>
__global__ void rotate(int* out) {
    MRIOPS_SHARED_BYTES(bytes);
    int* const shared = reinterpret_cast<int*>(bytes);
    const unsigned t = threadIdx.x;
    shared[t] = int(blockIdx.x * blockDim.x + t);
    if (kBarrier) __syncthreads();
    out[blockIdx.x * blockDim.x + t] = shared[(t + 1) % blockDim.x];
}

// The tree sum that everybody writes, here with the barrier inside the loop or forgotten.
template <bool kBarrier>
__global__ void tree_sum(const float* in, float* out) {
    MRIOPS_SHARED_ARRAY(float, partial, 256);
    const unsigned t = threadIdx.x;
    partial[t] = in[blockIdx.x * blockDim.x + t];
    __syncthreads();
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
        if (t < half) partial[t] += partial[t + half];
        if (kBarrier) __syncthreads();
    }
    if (t == 0) out[blockIdx.x] = partial[0];
}

__global__ void unwritten(unsigned* out) {
    MRIOPS_SHARED_BYTES(bytes);
    unsigned* const mine = reinterpret_cast<unsigned*>(bytes) + threadIdx.x;
    out[threadIdx.x] = *mine;
    *mine = 0;  // must not reach the next block
}

__global__ void early_return(int* out) {
    if (threadIdx.x >= 3) return;
    __syncthreads();
    out[threadIdx.x] = 1;
}

__global__ void two_barriers(int* out) {
    if (threadIdx.x % 2) {
        __syncthreads();
    } else {
        __syncthreads();
    }
    out[threadIdx.x] = 1;
}

__global__ void past_the_end(int* out) {
    MRIOPS_SHARED_BYTES(bytes);
    reinterpret_cast<int*>(bytes)[threadIdx.x] = 1;
    out[threadIdx.x] = 1;
}

// Sums of warps by shuffles, a broadcast, votes; the last warp is not full.
__global__ void warps(int* out) {
    const unsigned t = threadIdx.x, lanes = blockDim.x - t / 32 * 32 < 32 ? blockDim.x - t / 32 * 32 : 32;
    const unsigned mask = lanes == 32 ? 0xffffffffu : (1u << lanes) - 1;
    int sum = int(t);
    for (unsigned delta = 16; delta > 0; delta /= 2) {
        const int other = __shfl_down_sync(mask, sum, delta);
        if (t % 32 + delta < lanes) sum += other;
    }
    out[t] = __shfl_sync(mask, sum, 0);
    const int neighbour = __shfl_xor_sync(0xffffffffu & mask, int(t), 1);
    out[blockDim.x + t] = t % 32 + 1 < lanes || t % 2 ? neighbour : -1;
    out[2 * blockDim.x + t] = int(__ballot_sync(mask, t % 3 == 0));
    out[3 * blockDim.x + t] = 2 * __any_sync(mask, t == 5) + __all_sync(mask, t < 64);
    const double up = __shfl_up_sync(mask, 0.5 * t, 1);
    out[4 * blockDim.x + t] = int(2 * up);
}

__global__ void lonely_lane(int* out) {
    if (threadIdx.x == 7) return;
    out[threadIdx.x] = __shfl_sync(0xffffffffu, 1, 0);
}

__global__ void count(unsigned long long* total, int* order) {
    order[atomicAdd(total, 1ull)] = int(blockIdx.x * blockDim.x + threadIdx.x);
}

__global__ void indices(int* out) {
    const unsigned t = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    const unsigned b = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    out[b * blockDim.x * blockDim.y * blockDim.z + t] += int(b * 1000 + t);
}

char message[2000];

template <class F>
const char* guarded(F&& f) {
    try {
        f();
        return "";
    } catch (const std::exception& error) {
        std::snprintf(message, sizeof message, "%s", error.what());
        return message;
    }
}

}  // namespace

extern "C" {
void seed(uint64_t value) { mriops::emu::set_seed(value); }
const char* run_rotate(int* out, int blocks, int threads, int barrier) {
    return guarded([&] {
        const std::size_t bytes = sizeof(int) * threads;
        if (barrier)
            MRIOPS_LAUNCH(rotate<true>, dim3(blocks), dim3(threads), bytes, nullptr, out);
        else
            MRIOPS_LAUNCH(rotate<false>, dim3(blocks), dim3(threads), bytes, nullptr, out);
    });
}
const char* run_tree_sum(const float* in, float* out, int blocks, int threads, int barrier) {
    return guarded([&] {
        if (barrier)
            MRIOPS_LAUNCH(tree_sum<true>, dim3(blocks), dim3(threads), 0, nullptr, in, out);
        else
            MRIOPS_LAUNCH(tree_sum<false>, dim3(blocks), dim3(threads), 0, nullptr, in, out);
    });
}
const char* run_unwritten(unsigned* out) {
    return guarded([&] { MRIOPS_LAUNCH(unwritten, dim3(3), dim3(4), 16, nullptr, out); });
}
const char* run_early_return(int* out) {
    return guarded([&] { MRIOPS_LAUNCH(early_return, dim3(1), dim3(8), 0, nullptr, out); });
}
const char* run_two_barriers(int* out) {
    return guarded([&] { MRIOPS_LAUNCH(two_barriers, dim3(1), dim3(8), 0, nullptr, out); });
}
const char* run_past_the_end(int* out) {
    return guarded([&] { MRIOPS_LAUNCH(past_the_end, dim3(1), dim3(8), 28, nullptr, out); });
}
const char* run_warps(int* out, int threads) {
    return guarded([&] { MRIOPS_LAUNCH(warps, dim3(1), dim3(threads), 0, nullptr, out); });
}
const char* run_lonely_lane(int* out) {
    return guarded([&] { MRIOPS_LAUNCH(lonely_lane, dim3(1), dim3(32), 0, nullptr, out); });
}
const char* run_count(unsigned long long* total, int* order, int blocks, int threads) {
    return guarded([&] { MRIOPS_LAUNCH(count, dim3(blocks), dim3(threads), 0, nullptr, total, order); });
}
const char* run_indices(int* out) {
    return guarded([&] { MRIOPS_LAUNCH(indices, dim3(2, 3, 2), dim3(4, 2, 3), 0, nullptr, out); });
}
const char* run_too_many_threads(int* out) {
    return guarded([&] { MRIOPS_LAUNCH(early_return, dim3(1), dim3(1025), 0, nullptr, out); });
}
}
