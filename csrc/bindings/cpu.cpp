// The Python module mriops._cpu.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "../core/isa.h"
#include "../core/parallel.h"
#include "bloch.h"
#include "bloch_exchange.h"
#include "epg_cpu.h"
#include "epgx_cpu.h"
#include "models_cpu.h"
#include "nufft_cpu.h"
#include "sense_cpu.h"
#include "toeplitz_cpu.h"
#include "vectors_cpu.h"

NB_MODULE(_cpu, m) {
    m.doc() = "Kernels of mriops for the CPU: addresses and sizes in, nothing checked beyond the sizes.";
    mriops::isa();  // a bad MRIOPS_ISA is told at import, not in the middle of a reconstruction
    m.def("isa", [] { return std::string(mriops::isa_name()); }, "Instruction set in use.");
    m.def("isa_choices", &mriops::isa_choices, "Instruction sets this build and processor can run, slowest first.");
    m.def("set_isa", &mriops::set_isa, nanobind::arg("name"), "Use another instruction set; '' for the best there is.");
    m.def("pool_workers", &mriops::pool_workers, "Threads that the pool has started in this process.");
    m.def("version", [] { return std::string(MRIOPS_VERSION); }, "Version of mriops these kernels were built from.");
    m.def("compiler", [] { return std::string(MRIOPS_COMPILER); }, "Compiler and its version.");
    mriops::bindings::register_sense<mriops::bindings::SenseCpu>(m);
    mriops::bindings::register_toeplitz<mriops::bindings::ToeplitzCpu>(m);
    mriops::bindings::register_nufft<mriops::bindings::NufftCpu>(m);
    mriops::bindings::register_bloch<mriops::bindings::BlochCpu>(m);
    mriops::bindings::register_bloch_exchange<mriops::bindings::BlochExchangeCpu>(m);
    mriops::bindings::register_epg<mriops::bindings::EpgCpu>(m);
    mriops::bindings::register_epgx<mriops::bindings::EpgxCpu>(m);
    mriops::bindings::register_signals<mriops::bindings::SignalsCpu>(m);
    mriops::bindings::register_fit(m);
    mriops::bindings::register_vectors(m);
}
