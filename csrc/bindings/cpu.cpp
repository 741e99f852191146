// The Python module mriops._cpu.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "../core/isa.h"
#include "../core/parallel.h"
#include "../sense/dispatch.h"
#include "sense.h"

namespace mriops::bindings {
namespace {

int threads_of(int64_t lane) {
    at_least("lane (number of threads)", lane, 1);
    return static_cast<int>(lane < 1024 ? lane : 1024);
}

// The CPU kernels keep scratch per thread, so every workspace is empty.
struct Cpu {
#define MRIOPS_FORWARD_MASKED(name)                                                                             \
    static void name(const SenseProblem& p, Dtype t, const void* a, const void* b, const void* mask, void* out, \
                     Address, int64_t lane) {                                                                   \
        sense_kernels().name(p, t, a, b, mask, out, threads_of(lane));                                          \
    }                                                                                                           \
    static int64_t name##_workspace_bytes(const SenseProblem&, Dtype) { return 0; }
#define MRIOPS_FORWARD_UNMASKED(name)                                                                                  \
    static void name(const SenseProblem& p, Dtype t, const void* a, const void* b, void* out, Address, int64_t lane) { \
        sense_kernels().name(p, t, a, b, out, threads_of(lane));                                                       \
    }                                                                                                                  \
    static int64_t name##_workspace_bytes(const SenseProblem&, Dtype) { return 0; }

    MRIOPS_FORWARD_MASKED(sense)
    MRIOPS_FORWARD_MASKED(sense_adjoint)
    MRIOPS_FORWARD_MASKED(sense_gram)
    MRIOPS_FORWARD_MASKED(sense_csm_adjoint)
    MRIOPS_FORWARD_UNMASKED(coil_expand)
    MRIOPS_FORWARD_UNMASKED(coil_combine)
#undef MRIOPS_FORWARD_MASKED
#undef MRIOPS_FORWARD_UNMASKED

    static void fft(const FftProblem& p, Dtype t, const void* x, void* out, Address, int64_t lane) {
        sense_kernels().fft(p, t, x, out, threads_of(lane));
    }
    static int64_t fft_workspace_bytes(const FftProblem&, Dtype) { return 0; }
};

}  // namespace
}  // namespace mriops::bindings

NB_MODULE(_cpu, m) {
    m.doc() = "Kernels of mriops for the CPU: addresses and sizes in, nothing checked beyond the sizes.";
    mriops::isa();  // a bad MRIOPS_ISA is told at import, not in the middle of a reconstruction
    m.def("isa", [] { return std::string(mriops::isa_name()); }, "Instruction set in use.");
    m.def("isa_choices", &mriops::isa_choices, "Instruction sets this build and processor can run, slowest first.");
    m.def("set_isa", &mriops::set_isa, nanobind::arg("name"), "Use another instruction set; '' for the best there is.");
    m.def("pool_workers", &mriops::pool_workers, "Threads that the pool has started in this process.");
    m.def("version", [] { return std::string(MRIOPS_VERSION); }, "Version of mriops these kernels were built from.");
    m.def("compiler", [] { return std::string(MRIOPS_COMPILER); }, "Compiler and its version.");
    mriops::bindings::register_sense<mriops::bindings::Cpu>(m);
}
