// The Python module mriops._cuda. It imports on a machine without a driver; calls then say what is missing.
#include <cuda_runtime_api.h>
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "bloch_device.h"
#include "bloch_exchange_device.h"
#include "epg_device.h"
#include "epgx_device.h"
#include "models_device.h"
#include "nufft_device.h"
#include "sense_device.h"

namespace {

// "" when the GPU can be used, otherwise the reason.
std::string problem() {
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess) return cudaGetErrorString(error);
    return count > 0 ? "" : "no CUDA device found";
}

int version_from(cudaError_t (*query)(int*)) {
    int version = 0;
    return query(&version) == cudaSuccess ? version : 0;
}

}  // namespace

NB_MODULE(_cuda, m) {
    m.doc() = "Kernels of mriops for CUDA devices: addresses, sizes and a stream in, nothing checked beyond the sizes.";
    m.def("problem", &problem, "Why no CUDA device can be used, or ''.");
    m.def("runtime_version", [] { return version_from(cudaRuntimeGetVersion); }, "CUDA runtime built in, e.g. 13000.");
    m.def("driver_version", [] { return version_from(cudaDriverGetVersion); }, "CUDA of the driver, 0 without one.");
    m.def("architectures", [] { return std::string(MRIOPS_CUDA_ARCHITECTURES); }, "Architectures in the fat binary.");
    m.def("version", [] { return std::string(MRIOPS_VERSION); }, "Version of mriops these kernels were built from.");
    mriops::bindings::register_sense<mriops::bindings::SenseDevice>(m);
    mriops::bindings::register_bloch<mriops::bindings::BlochDevice>(m);
    mriops::bindings::register_bloch_exchange<mriops::bindings::BlochExchangeDevice>(m);
    mriops::bindings::register_epg<mriops::bindings::EpgDevice>(m);
    mriops::bindings::register_epgx<mriops::bindings::EpgxDevice>(m);
    mriops::bindings::register_signals<mriops::bindings::SignalsDevice>(m);
    mriops::bindings::register_nufft<mriops::bindings::NufftDevice>(m);
    mriops::bindings::register_toeplitz<mriops::bindings::ToeplitzDevice>(m);
}
