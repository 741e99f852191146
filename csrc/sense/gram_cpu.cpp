// sense_gram: the fused normal operator, by the axes along which its weights vary.
#include "../core/by_dtype.h"
#include "../core/huge_pages.h"
#include "gram_columns.h"
#include "gram_planes.h"
#include "gram_volume.h"
#include "kernels.h"

namespace mriops {
namespace {

template <class T>
void run_sense_gram(const SenseProblem& p, const T* image, const T* csm, const void* mask, T* out, int threads) {
    threads = useful_threads(threads, p.batch * p.coils * p.nz * p.ny * p.nx);
    prefer_huge_pages_for(out, p.batch * p.maps * p.nz * p.ny * p.nx);
    const ActiveAxes active = active_axes(p);
    if (!active.x)
        ColumnGram<T>(p, active).run(image, csm, mask, out, threads);
    else if (!active.z)
        gram_planes<T>(p, active, image, csm, mask, out, threads);
    else
        VolumeGram<T>(p, active).run(image, csm, mask, out, threads);
}

}  // namespace

namespace MRIOPS_ISA_NAMESPACE {

void sense_gram(const SenseProblem& p, Dtype dtype, const void* image, const void* csm, const void* mask, void* out,
                int threads) {
    MRIOPS_BY_DTYPE(run_sense_gram<T>, p, MRIOPS_IN(image), MRIOPS_IN(csm), mask, MRIOPS_OUT(out), threads)
}

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
