// sense, sense_adjoint, sense_csm_adjoint and fft: one multi-coil transform each way, with what its ends read and
// write.
#include "../core/by_dtype.h"
#include "arrays.h"
#include "kernels.h"
#include "transform.h"

namespace mriops {
namespace {

template <class T>
VolumeTransform<T> transform_of(const SenseProblem& p) {
    return VolumeTransform<T>(Axes<T>(p.nz, p.ny, p.nx, p.ndim == 3, true, true));
}

// With a transformed z axis the passes of one volume are shared among the threads; else every coil image is a job.
template <class T, class F>
void for_each_job(const VolumeTransform<T>& transform, int64_t jobs, int threads, const F& f) {
    if (transform.axes.z.plan)
        for (int64_t job = 0; job < jobs; ++job) f(job);
    else
        parallel_for(jobs, threads, [&](int64_t job, int) { f(job); });
}

template <class T>
void run_sense(const SenseProblem& p, const T* image, const T* csm, const void* mask, T* kspace, int threads) {
    threads = useful_threads(threads, p.batch * p.coils * p.nz * p.ny * p.nx);
    const Arrays<T> at(p);
    const auto transform = transform_of<T>(p);
    for_each_job(transform, p.batch * p.coils, threads, [&](int64_t job) {
        const int64_t b = job / p.coils, c = job % p.coils;
        const T *s = csm + at.csm(b, c), *x = image + at.image(b);
        const auto source = [&](int64_t z, int64_t t, const auto& use) {
            with_fast(at.fast(t), [&](auto fast) {
                constexpr bool Fast = decltype(fast)::value;
                const int64_t tile = at.tile(z, t);
                use(fast, ExpandInterleaved<T, Fast>{{s + tile, at.row_step(), at.lanes(t)},
                                                     at.csm_map_step(),
                                                     {x + tile, at.row_step(), at.lanes(t)},
                                                     at.image_map_step(),
                                                     p.maps,
                                                     {s + tile + 2 * kWidth<T>, at.row_step()},
                                                     {}});
            });
        };
        transform.forward(source, Weights<T>(p, mask, b), transform.axes.scale(), kspace + at.kspace(b, c), threads);
    });
}

// One coil of one batch item, added to (or, if first, put into) `sum`, one volume per map.
template <class T>
void add_adjoint(const VolumeTransform<T>& transform, const Arrays<T>& at, const T* kspace, const T* factor,
                 int64_t factor_map_step, const Weights<T>& weights, T* sum, int64_t sum_map_step, bool first,
                 int threads) {
    const auto sink = [&](int64_t z, int64_t t, const auto& use) {
        with_fast(at.fast(t), [&](auto fast) {
            constexpr bool Fast = decltype(fast)::value;
            const int64_t tile = at.tile(z, t);
            use(fast, CombineInterleaved<T, Fast>{{factor + tile, at.row_step(), at.lanes(t)},
                                                  factor_map_step,
                                                  sum + tile,
                                                  sum_map_step,
                                                  at.p.maps,
                                                  first,
                                                  {factor + tile + 2 * kWidth<T>, at.row_step()},
                                                  {}});
        });
    };
    transform.adjoint(kspace, weights, transform.axes.scale(), sink, threads);
}

template <class T>
void run_sense_adjoint(const SenseProblem& p, const T* kspace, const T* csm, const void* mask, T* image, int threads) {
    threads = useful_threads(threads, p.batch * p.coils * p.nz * p.ny * p.nx);
    const Arrays<T> at(p);
    const auto transform = transform_of<T>(p);
    const int64_t chunks = transform.axes.z.plan ? 1 : coil_chunks(p), item = p.maps * at.volume;
    T* parts = scratch<T>(Scratch::accumulator, size_t(p.batch * (chunks - 1) * item));
    for_each_job(transform, p.batch * chunks, threads, [&](int64_t job) {
        const int64_t b = job / chunks, chunk = job % chunks;
        T* sum = chunk == 0 ? image + at.image(b) : parts + (b * (chunks - 1) + chunk - 1) * item;
        const int64_t begin = chunk * p.coils / chunks, end = (chunk + 1) * p.coils / chunks;
        for (int64_t c = begin; c < end; ++c)
            add_adjoint(transform, at, kspace + at.kspace(b, c), csm + at.csm(b, c), at.csm_map_step(),
                        Weights<T>(p, mask, b), sum, at.image_map_step(), c == begin, threads);
    });
    if (chunks == 1) return;
    constexpr int64_t kBlock = 4096;
    const int64_t blocks = ceil_div(item, kBlock);
    parallel_for(p.batch * blocks, threads, [&](int64_t job, int) {
        const int64_t b = job / blocks, from = (job % blocks) * kBlock, to = std::min(item, from + kBlock);
        T* out = image + at.image(b);
        for (int64_t chunk = 1; chunk < chunks; ++chunk) {
            const T* part = parts + (b * (chunks - 1) + chunk - 1) * item;
            for (int64_t i = from; i < to; ++i) out[i] += part[i];
        }
    });
}

template <class T>
void run_sense_csm_adjoint(const SenseProblem& p, const T* kspace, const T* image, const void* mask, T* csm,
                           int threads) {
    threads = useful_threads(threads, p.batch * p.coils * p.nz * p.ny * p.nx);
    const Arrays<T> at(p);
    const auto transform = transform_of<T>(p);
    for_each_job(transform, p.batch / p.batch_per_csm * p.coils, threads, [&](int64_t job) {
        const int64_t group = job / p.coils, c = job % p.coils;
        for (int64_t b = group * p.batch_per_csm; b < (group + 1) * p.batch_per_csm; ++b)
            add_adjoint(transform, at, kspace + at.kspace(b, c), image + at.image(b), at.image_map_step(),
                        Weights<T>(p, mask, b), csm + at.csm(b, c), at.csm_map_step(), b == group * p.batch_per_csm,
                        threads);
    });
}

template <class T>
void run_fft(const FftProblem& f, const T* x, T* out, int threads) {
    threads = useful_threads(threads, f.batch * f.nz * f.ny * f.nx);
    const Axes<T> axes(f.nz, f.ny, f.nx, f.axes & 4, f.axes & 2, f.axes & 1);
    const VolumeTransform<T> transform(axes);
    const SenseProblem p{f.batch, 1, 1, f.nz, f.ny, f.nx, 3, 1, MaskKind::none, 0, 0, 0, 0};
    const Arrays<T> at(p);
    const Weights<T> weights(p, nullptr, 0);
    for_each_job(transform, f.batch, threads, [&](int64_t b) {
        const T* in = x + b * at.volume;
        T* to = out + b * at.volume;
        if (f.inverse) {
            const auto sink = [&](int64_t z, int64_t t, const auto& use) {
                T* tile = to + at.tile(z, t);
                use(std::false_type{},
                    [=](int64_t i, Cx<T> v) { store_complex(tile + i * at.row_step(), v, at.lanes(t)); });
            };
            transform.adjoint(in, weights, axes.scale(), sink, threads);
        } else {
            const auto source = [&](int64_t z, int64_t t, const auto& use) {
                const T* tile = in + at.tile(z, t);
                use(std::false_type{}, [=](int64_t i) { return load_complex(tile + i * at.row_step(), at.lanes(t)); });
            };
            transform.forward(source, weights, axes.scale(), to, threads);
        }
    });
}

}  // namespace

namespace MRIOPS_ISA_NAMESPACE {

void sense(const SenseProblem& p, Dtype dtype, const void* image, const void* csm, const void* mask, void* kspace,
           int threads) {
    MRIOPS_BY_DTYPE(run_sense<T>, p, MRIOPS_IN(image), MRIOPS_IN(csm), mask, MRIOPS_OUT(kspace), threads)
}
void sense_adjoint(const SenseProblem& p, Dtype dtype, const void* kspace, const void* csm, const void* mask,
                   void* image, int threads) {
    MRIOPS_BY_DTYPE(run_sense_adjoint<T>, p, MRIOPS_IN(kspace), MRIOPS_IN(csm), mask, MRIOPS_OUT(image), threads)
}
void sense_csm_adjoint(const SenseProblem& p, Dtype dtype, const void* kspace, const void* image, const void* mask,
                       void* csm, int threads) {
    MRIOPS_BY_DTYPE(run_sense_csm_adjoint<T>, p, MRIOPS_IN(kspace), MRIOPS_IN(image), mask, MRIOPS_OUT(csm), threads)
}
void fft(const FftProblem& p, Dtype dtype, const void* x, void* out, int threads) {
    MRIOPS_BY_DTYPE(run_fft<T>, p, MRIOPS_IN(x), MRIOPS_OUT(out), threads)
}

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
