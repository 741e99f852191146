// The tile of one block of a pass over lines: tables in shared memory, where the pass has reserved room for them.
#pragma once
#include "line_engine.cuh"
#include "twiddles.cuh"

namespace mriops::cuda {

// A pass has the plan, the shape of the tile (lanes, lane_shift, pitch, threads) and byte offsets into `shared`. The
// tables are there after the next __syncthreads.
template <template <class> class Pass, class T>
__device__ __forceinline__ Tile<T> make_tile(const Pass<T>& a, unsigned char* shared, bool order_by_frequency,
                                             bool along_rows) {
    Complex<T>* const twiddle = reinterpret_cast<Complex<T>*>(shared + a.twiddle_at);
    uint16_t* const order = reinterpret_cast<uint16_t*>(shared + a.order_at);
    for (unsigned k = threadIdx.x; k < unsigned(a.plan.n); k += a.threads) twiddle[k] = unit_root<T>(k, a.plan.n);
    fill_order(order, a.plan, order_by_frequency, threadIdx.x, a.threads);
    return {reinterpret_cast<Complex<T>*>(shared + a.buffer_at),
            reinterpret_cast<Complex<T>*>(shared + a.second_at),
            twiddle,
            order,
            a.lanes,
            a.lane_shift,
            a.pitch,
            threadIdx.x,
            a.threads,
            along_rows};
}

// More than 2^30 blocks spill into the second dimension; a kernel's own count says which of them have work.
inline dim3 grid_of_blocks(int64_t blocks) {
    constexpr int64_t widest = int64_t(1) << 30;
    return blocks <= widest ? dim3(unsigned(blocks)) : dim3(unsigned(widest), unsigned((blocks + widest - 1) / widest));
}

}  // namespace mriops::cuda
