// Numbers of the host, carried to the device in the arguments of a kernel.
#include <algorithm>

#include "device_workspace.cuh"

namespace mriops::gpu {
namespace {

template <class T>
struct Parcel {
    static constexpr int kCount = 3072 / sizeof(T);  // arguments of a kernel are at most 4 KiB
    T value[kCount];
};

template <class T>
__global__ void __launch_bounds__(128) unpack(const __grid_constant__ Parcel<T> parcel, T* to, int count) {
    for (int i = threadIdx.x; i < count; i += blockDim.x) to[i] = parcel.value[i];
}

}  // namespace

template <class T>
void upload(const std::vector<T>& from, T* to, Stream stream) {
    constexpr std::size_t most = Parcel<T>::kCount;
    for (std::size_t at = 0; at < from.size(); at += most) {
        Parcel<T> parcel = {};
        const std::size_t count = std::min(most, from.size() - at);
        std::copy_n(from.data() + at, count, parcel.value);
        MRIOPS_LAUNCH(unpack<T>, dim3(1), dim3(128), 0, stream, parcel, to + at, static_cast<int>(count));
    }
}

template void upload<float>(const std::vector<float>&, float*, Stream);
template void upload<double>(const std::vector<double>&, double*, Stream);
template void upload<int64_t>(const std::vector<int64_t>&, int64_t*, Stream);
template void upload<int32_t>(const std::vector<int32_t>&, int32_t*, Stream);

}  // namespace mriops::gpu
