// Passes that transform one way: forward (with the coil maps applied as the image is read), backward (with the
// conjugate coil maps applied and the coils summed as the result is written), or plain.
#include "line_kernels.cuh"

namespace mriops::cuda {
namespace {

template <class T, Load kLoad, Store kStore>
__global__ void __launch_bounds__(kMaxThreads, (kMinBlocks<T, kLoad, kStore>))
    one_way(const __grid_constant__ Pass<T> a) {
    MRIOPS_SHARED_BYTES(shared);
    Work<T> work;
    if (!find_work(a, shared, work)) return;
    Tile<T> tile = make_tile(a, shared, a.rows, a.rows);
    for (int64_t step = work.first_step; step < work.end_step; ++step) {
        __syncthreads();  // tables are there; or the step before has read its last
        const Loader<T, kLoad, Turn::one_way> load{a, work.lines, step};
        const Storer<T, kStore, Turn::one_way> store{a, work, reinterpret_cast<Complex<T>*>(shared + a.sums_at), step};
        transform(tile, a.plan, load, store);
    }
}

}  // namespace

template <class T>
void launch_one_way(const Pass<T>& a, Load load, Store store, gpu::Stream stream) {
    const dim3 grid = grid_of(a), block(a.threads);
    if (load == Load::maps)
        MRIOPS_LAUNCH((one_way<T, Load::maps, Store::plain>), grid, block, a.shared_bytes, stream, a);
    else if (store == Store::sum)
        MRIOPS_LAUNCH((one_way<T, Load::data, Store::sum>), grid, block, a.shared_bytes, stream, a);
    else
        MRIOPS_LAUNCH((one_way<T, Load::data, Store::plain>), grid, block, a.shared_bytes, stream, a);
}

template void launch_one_way<float>(const Pass<float>&, Load, Store, gpu::Stream);
template void launch_one_way<double>(const Pass<double>&, Load, Store, gpu::Stream);

}  // namespace mriops::cuda
