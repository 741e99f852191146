// coil_expand and coil_combine: the coil multiply and its adjoint without a transform.
#include "../core/by_dtype.h"
#include "../core/huge_pages.h"
#include "../core/parallel.h"
#include "arrays.h"
#include "kernels.h"

namespace mriops {
namespace {

constexpr int64_t kBlock = 2048;  // complex values a job handles: in and out stay in L1

// out (+)= a * b or conj(a) * b, interleaved complex.
template <bool Conj, bool Add, class T>
inline void multiply(const T* a, const T* b, T* out, int64_t n) {
#pragma GCC ivdep  // one loop wherever the arrays lie, rounded one way
    for (int64_t i = 0; i < 2 * n; i += 2) {
        const T ar = a[i], ai = Conj ? -a[i + 1] : a[i + 1];
        const T re = ar * b[i] - ai * b[i + 1], im = ar * b[i + 1] + ai * b[i];
        out[i] = Add ? out[i] + re : re;
        out[i + 1] = Add ? out[i + 1] + im : im;
    }
}

template <class T, class F>
void over_blocks(const SenseProblem& p, int64_t jobs, int threads, const F& f) {
    const int64_t size = p.nz * p.ny * p.nx, blocks = ceil_div(size, kBlock);
    parallel_for(jobs * blocks, useful_threads(threads, jobs * p.coils * size), [&](int64_t i, int) {
        const int64_t from = (i % blocks) * kBlock;
        f(i / blocks, 2 * from, std::min(kBlock, size - from));
    });
}

template <class T>
void run_coil_expand(const SenseProblem& p, const T* image, const T* csm, T* out, int threads) {
    prefer_huge_pages_for(out, p.batch * p.coils * p.nz * p.ny * p.nx);
    const Arrays<T> at(p);
    over_blocks<T>(p, p.batch, threads, [&](int64_t b, int64_t from, int64_t n) {
        for (int64_t c = 0; c < p.coils; ++c) {
            const T *s = csm + at.csm(b, c) + from, *x = image + at.image(b) + from;
            T* to = out + at.kspace(b, c) + from;
            multiply<false, false>(s, x, to, n);
            for (int64_t m = 1; m < p.maps; ++m)
                multiply<false, true>(s + m * at.csm_map_step(), x + m * at.image_map_step(), to, n);
        }
    });
}

template <class T>
void run_coil_combine(const SenseProblem& p, const T* coil_images, const T* csm, T* image, int threads) {
    prefer_huge_pages_for(image, p.batch * p.maps * p.nz * p.ny * p.nx);
    const Arrays<T> at(p);
    over_blocks<T>(p, p.batch, threads, [&](int64_t b, int64_t from, int64_t n) {
        for (int64_t m = 0; m < p.maps; ++m) {
            T* to = image + at.image(b) + m * at.image_map_step() + from;
            for (int64_t c = 0; c < p.coils; ++c) {
                const T *s = csm + at.csm(b, c) + m * at.csm_map_step() + from,
                        *u = coil_images + at.kspace(b, c) + from;
                if (c == 0)
                    multiply<true, false>(s, u, to, n);
                else
                    multiply<true, true>(s, u, to, n);
            }
        }
    });
}

}  // namespace

namespace MRIOPS_ISA_NAMESPACE {

void coil_expand(const SenseProblem& p, Dtype dtype, const void* image, const void* csm, void* out, int threads) {
    MRIOPS_BY_DTYPE(run_coil_expand<T>, p, MRIOPS_IN(image), MRIOPS_IN(csm), MRIOPS_OUT(out), threads)
}
void coil_combine(const SenseProblem& p, Dtype dtype, const void* coil_images, const void* csm, void* image,
                  int threads) {
    MRIOPS_BY_DTYPE(run_coil_combine<T>, p, MRIOPS_IN(coil_images), MRIOPS_IN(csm), MRIOPS_OUT(image), threads)
}

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
