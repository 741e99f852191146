// sense_toeplitz for one instruction set.
#include "../core/by_dtype.h"
#include "../core/isa_namespace.h"
#include "toeplitz_planes.h"
#include "toeplitz_volume.h"

namespace mriops {
namespace {

template <class T>
void run_toeplitz(const ToeplitzProblem& problem, const T* image, const T* csm, const T* kernel, T* out, int threads) {
    const ToeplitzArrays<T> at(problem, csm);
    // As many threads as there is work for: waking one costs as much as some ten thousand samples.
    threads = int(std::min<int64_t>(threads, 1 + at.p.batch * at.p.coils * at.voxels / 8192));
    if (problem.ndim == 3)
        VolumeToeplitz<T>(at).run(image, kernel, out, threads);
    else
        run_toeplitz_planes(at, TiledToeplitz<T>(problem), image, kernel, out, threads);
}

}  // namespace

namespace MRIOPS_ISA_NAMESPACE {

static void sense_toeplitz(const ToeplitzProblem& p, Dtype dtype, const void* image, const void* csm,
                           const void* kernel, void* out, int threads) {
    MRIOPS_BY_DTYPE(run_toeplitz<T>, p, MRIOPS_IN(image), MRIOPS_IN(csm), MRIOPS_IN(kernel), MRIOPS_OUT(out), threads)
}

}  // namespace MRIOPS_ISA_NAMESPACE

extern const ToeplitzKernels MRIOPS_PASTE(toeplitz_kernels_, MRIOPS_ISA) = {MRIOPS_ISA_NAMESPACE::sense_toeplitz};

}  // namespace mriops
