// The entry points: precision, device and workspace of a call; the work is in sense_passes.cuh.
#include "sense_cuda.h"

#include <cstdint>
#include <stdexcept>
#include <string>

#include "sense_passes.cuh"

namespace mriops::cuda {
namespace {

template <class T>
std::size_t run_fft(const FftProblem& p, const void* x, void* out, void* workspace, void* stream, bool dry) {
    Runner<T> run(p.nz, p.ny, p.nx, workspace, stream, dry);
    std::vector<Axis> axes = run.axes(p.axes);
    run.prepare(axes);
    const auto* from = static_cast<const Complex<T>*>(x);
    auto* to = static_cast<Complex<T>*>(out);
    for (const Axis& axis : axes) {
        if (axis.route == Route::global && from != to && !dry)
            gpu::copy(to, from, static_cast<std::size_t>(p.batch * run.volume()) * sizeof(Complex<T>),
                      static_cast<gpu::Stream>(stream));
        if (axis.route == Route::global) from = to;
        run.transform(from, to, axis, p.batch, p.inverse);
        from = to;
    }
    return run.workspace.peak();
}

const void* checked(const void* array, Dtype dtype, const char* name) {
    const std::size_t item = dtype == Dtype::complex64 ? 8 : 16;
    if (reinterpret_cast<std::uintptr_t>(array) % item != 0)
        throw std::invalid_argument(std::string(name) + ": expected an address divisible by " + std::to_string(item) +
                                    ", got a misaligned view");
    return array;
}

// Stands for arrays while an operation is only walked through: pointers are moved about, never followed.
void* const kNowhere = reinterpret_cast<void*>(std::uintptr_t(4096));

// One operation in the precision of the problem.
struct Job {
    const SenseProblem& problem;
    Dtype dtype;
    const void *image, *csm, *kspace, *mask;
    void *out, *workspace, *stream;
    bool dry = false;

    template <class T, class Operation>
    std::size_t run_as(Operation&& operation) const {
        if (problem.batch == 0) return 0;
        const Arrays<T> arrays{static_cast<const Complex<T>*>(image), static_cast<const Complex<T>*>(csm),
                               static_cast<const Complex<T>*>(kspace), mask, static_cast<Complex<T>*>(out)};
        Sense<T> sense(problem, arrays, workspace, stream, dry);
        operation(sense);
        return sense.workspace_bytes();
    }
    template <class Operation>
    std::size_t run(Operation&& operation) const {
        return dtype == Dtype::complex64 ? run_as<float>(operation) : run_as<double>(operation);
    }
    template <class Operation>
    void execute(Operation&& operation) const {
        if (problem.batch == 0) return;
        checked(image, dtype, "image");
        checked(csm, dtype, "csm");
        checked(kspace, dtype, "kspace");
        const gpu::DeviceOf device(checked(out, dtype, "output"));
        run(operation);
    }
};

const auto kForward = [](auto& s) { s.forward(); };
const auto kAdjoint = [](auto& s) { s.adjoint(); };
const auto kGram = [](auto& s) { s.gram(); };
const auto kCsmAdjoint = [](auto& s) { s.csm_adjoint(); };
const auto kExpand = [](auto& s) { s.expand(); };
const auto kCombine = [](auto& s) { s.combine(); };

template <class Operation>
std::size_t bytes_of(const SenseProblem& p, Dtype t, const Operation& operation) {
    return Job{p, t, kNowhere, kNowhere, kNowhere, kNowhere, kNowhere, kNowhere, nullptr, true}.run(operation);
}

}  // namespace

void sense(const SenseProblem& p, Dtype t, const void* image, const void* csm, const void* mask, void* kspace,
           void* workspace, void* stream) {
    Job{p, t, image, csm, nullptr, mask, kspace, workspace, stream}.execute(kForward);
}
void sense_adjoint(const SenseProblem& p, Dtype t, const void* kspace, const void* csm, const void* mask, void* image,
                   void* workspace, void* stream) {
    Job{p, t, nullptr, csm, kspace, mask, image, workspace, stream}.execute(kAdjoint);
}
void sense_gram(const SenseProblem& p, Dtype t, const void* image, const void* csm, const void* mask, void* out,
                void* workspace, void* stream) {
    Job{p, t, image, csm, nullptr, mask, out, workspace, stream}.execute(kGram);
}
void sense_csm_adjoint(const SenseProblem& p, Dtype t, const void* kspace, const void* image, const void* mask,
                       void* csm, void* workspace, void* stream) {
    Job{p, t, image, nullptr, kspace, mask, csm, workspace, stream}.execute(kCsmAdjoint);
}
void coil_expand(const SenseProblem& p, Dtype t, const void* image, const void* csm, void* coil_images, void* workspace,
                 void* stream) {
    Job{p, t, image, csm, nullptr, nullptr, coil_images, workspace, stream}.execute(kExpand);
}
void coil_combine(const SenseProblem& p, Dtype t, const void* coil_images, const void* csm, void* image,
                  void* workspace, void* stream) {
    Job{p, t, nullptr, csm, coil_images, nullptr, image, workspace, stream}.execute(kCombine);
}
void fft(const FftProblem& p, Dtype t, const void* x, void* out, void* workspace, void* stream) {
    if (p.batch == 0) return;
    checked(x, t, "x");
    const gpu::DeviceOf device(checked(out, t, "out"));
    t == Dtype::complex64 ? run_fft<float>(p, x, out, workspace, stream, false)
                          : run_fft<double>(p, x, out, workspace, stream, false);
}

std::size_t sense_workspace_bytes(const SenseProblem& p, Dtype t) { return bytes_of(p, t, kForward); }
std::size_t sense_adjoint_workspace_bytes(const SenseProblem& p, Dtype t) { return bytes_of(p, t, kAdjoint); }
std::size_t sense_gram_workspace_bytes(const SenseProblem& p, Dtype t) { return bytes_of(p, t, kGram); }
std::size_t sense_csm_adjoint_workspace_bytes(const SenseProblem& p, Dtype t) { return bytes_of(p, t, kCsmAdjoint); }
std::size_t coil_expand_workspace_bytes(const SenseProblem& p, Dtype t) { return bytes_of(p, t, kExpand); }
std::size_t coil_combine_workspace_bytes(const SenseProblem& p, Dtype t) { return bytes_of(p, t, kCombine); }
std::size_t fft_workspace_bytes(const FftProblem& p, Dtype t) {
    if (p.batch == 0) return 0;
    return t == Dtype::complex64 ? run_fft<float>(p, kNowhere, kNowhere, kNowhere, nullptr, true)
                                 : run_fft<double>(p, kNowhere, kNowhere, kNowhere, nullptr, true);
}

}  // namespace mriops::cuda
