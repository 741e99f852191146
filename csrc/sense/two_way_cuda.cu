// Passes that transform, weigh and transform back while the lines stay in shared memory: the gram of one axis, alone,
// or with the coil maps on both sides, where a whole phase-encode-undersampled SENSE gram is this one kernel.
#include "line_kernels.cuh"

namespace mriops::cuda {
namespace {

template <class T, Load kLoad, Store kStore>
__global__ void __launch_bounds__(kMaxThreads, (kMinBlocks<T, kLoad, kStore>))
    two_way(const __grid_constant__ Pass<T> a) {
    MRIOPS_SHARED_BYTES(shared);
    Work<T> work;
    if (!find_work(a, shared, work)) return;
    Tile<T> tile = make_tile(a, shared, false, a.rows);
    for (int64_t step = work.first_step; step < work.end_step; ++step) {
        __syncthreads();  // tables are there; or the step before has read its last
        const Loader<T, kLoad, Turn::gram> load{a, work.lines, step};
        const Storer<T, kStore, Turn::gram> store{a, work, reinterpret_cast<Complex<T>*>(shared + a.sums_at), step};
        convolve(tile, a.plan, load, Weights<T>{a, work.lines, step}, store);
    }
}

}  // namespace

template <class T>
void launch_two_way(const Pass<T>& a, Load load, gpu::Stream stream) {
    const dim3 grid = grid_of(a), block(a.threads);
    if (load == Load::maps)
        MRIOPS_LAUNCH((two_way<T, Load::maps, Store::sum>), grid, block, a.shared_bytes, stream, a);
    else
        MRIOPS_LAUNCH((two_way<T, Load::data, Store::plain>), grid, block, a.shared_bytes, stream, a);
}

template void launch_two_way<float>(const Pass<float>&, Load, gpu::Stream);
template void launch_two_way<double>(const Pass<double>&, Load, gpu::Stream);

}  // namespace mriops::cuda
