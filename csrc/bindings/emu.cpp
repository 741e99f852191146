// The Python module mriops._emu, for tests: the sources of the CUDA kernels, run on the CPU.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "../core/gpu.h"
#include "bloch_device.h"
#include "bloch_exchange_device.h"
#include "epg_device.h"
#include "epgx_device.h"
#include "models_device.h"
#include "nufft_device.h"
#include "sense_device.h"

NB_MODULE(_emu, m) {
    m.doc() = "The CUDA kernels of mriops run on the CPU, for tests.";
    m.def("set_seed", &mriops::emu::set_seed, nanobind::arg("seed"),
          "Order of the emulated threads; 0 is the natural one.");
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
