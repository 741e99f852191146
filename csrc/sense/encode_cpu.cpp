// sense, sense_adjoint, sense_csm_adjoint and fft: one multi-coil transform each way, with what its ends read and
// write.
#include "../core/by_dtype.h"
#include "../core/huge_pages.h"
#include "arrays.h"
#include "coil_sums.h"
#include "encode_split.h"
#include "kernels.h"
#include "transform.h"

namespace mriops {
namespace {

template <class T>
VolumeTransform<T> transform_of(const SenseProblem& p) {
    return VolumeTransform<T>(Axes<T>(p.nz, p.ny, p.nx, p.ndim == 3, true, true), p.batch * p.coils);
}

// With a transformed z axis the passes of one volume are shared among the threads; else every coil image is a job.
template <class T, class F>
void for_each_job(const VolumeTransform<T>& transform, int64_t jobs, int threads, const F& f) {
    if (transform.axes.z.plan)
        for (int64_t job = 0; job < jobs; ++job) f(job);
    else
        parallel_for(jobs, threads, [&](int64_t job, int) { f(job); });
}

// Planes whose sides are whole vectors, most of whose lines have a weight: transforming only those that have costs less
// where few have.
template <class T>
bool split(const SenseProblem& p, const void* mask) {
    if (p.ndim != 2 || !SplitEncode<T>::possible(p)) return false;
    const int64_t items = p.mask_sb == 0 ? 1 : p.batch, rows = p.mask_sy == 0 ? 1 : p.ny;
    int64_t lines = 0;
    for (int64_t b = 0; b < items; ++b) {
        const Weights<T> weights(p, mask, b);
        for (int64_t y = 0; y < rows; ++y) lines += weights.any_in_row(0, y, p.nx);
    }
    return 4 * lines > 3 * items * rows;
}

template <class T>
void run_split_sense(const SenseProblem& p, const T* image, const T* csm, const void* mask, T* kspace, int threads) {
    const Arrays<T> at(p);
    const SplitEncode<T> plane(p);
    const ArrangedWeights<T> weights(p, plane, mask, threads);
    const bool streaming = streamed(kspace, p.batch * p.coils * p.ny * p.nx);
    parallel_for(p.batch * p.coils, threads, [&](int64_t job, int) {
        const int64_t b = job / p.coils, c = job % p.coils;
        with_fast(p.maps == 1, [&](auto single) {
            plane.template forward<decltype(single)::value>(csm + at.csm(b, c), image + at.image(b), weights.of(b),
                                                            kspace + at.kspace(b, c), streaming);
        });
    });
}

// Where the first pass of a forward transform reads: maps times image.
template <class T>
struct CoilSource {
    static constexpr bool kFuses = true;
    const T *csm, *image;
    const Arrays<T>& arrays;
    bool fuses() const { return arrays.p.maps == 1; }
    template <bool Fast>
    ExpandInterleaved<T, Fast> at(int64_t from, int64_t step, int lanes, AheadBy by) const {
        return {{csm + from, step, lanes},
                arrays.csm_map_step(),
                {image + from, step, lanes},
                arrays.image_map_step(),
                arrays.p.maps,
                {csm + from + by.factor, step},
                {by.image ? image + from + by.image : nullptr, step}};
    }
};

// Where the last pass of an adjoint writes: conj(factor) times the coil image, added to `sum`.
template <class T>
struct CoilSink {
    const T* factor;
    int64_t factor_map_step;
    T* sum;
    int64_t sum_map_step;
    const Arrays<T>& arrays;
    bool first;
    bool fuses() const { return arrays.p.maps == 1; }
    template <bool Fast>
    CombineInterleaved<T, Fast> at(int64_t from, int64_t step, int lanes, AheadBy by) const {
        return {{factor + from, step, lanes},
                factor_map_step,
                sum + from,
                sum_map_step,
                arrays.p.maps,
                first,
                {factor + from + by.factor, step},
                {by.image ? sum + from + by.image : nullptr, step}};
    }
};

// The same of a plain array, conjugated for an inverse transform.
template <class T>
struct PlainSource {
    static constexpr bool kFuses = false;
    const T* in;
    T sign;
    bool fuses() const { return false; }
    template <bool>
    auto at(int64_t from, int64_t step, int lanes, AheadBy) const {
        return [=, p = in + from, sign = sign](int64_t i) {
            Cx<T> v = load_complex(p + i * step, lanes);
            v.im = v.im * sign;
            return v;
        };
    }
};

template <class T>
void run_sense(const SenseProblem& p, const T* image, const T* csm, const void* mask, T* kspace, int threads) {
    threads = useful_threads(threads, p.batch * p.coils * p.nz * p.ny * p.nx);
    prefer_huge_pages_for(kspace, p.batch * p.coils * p.nz * p.ny * p.nx);
    if (split<T>(p, mask)) return run_split_sense(p, image, csm, mask, kspace, threads);
    const Arrays<T> at(p);
    const auto transform = transform_of<T>(p);
    const int64_t held = transform.held(p.coils), groups = ceil_div(p.coils, held);
    for_each_job(transform, p.batch * groups, threads, [&](int64_t job) {
        const int64_t b = job / groups, first = job % groups * held;
        transform.forward(
            std::min(held, p.coils - first),
            [&](int64_t i) { return CoilSource<T>{csm + at.csm(b, first + i), image + at.image(b), at}; },
            [&](int64_t) { return Weights<T>(p, mask, b); }, transform.axes.scale(),
            [&](int64_t i) { return kspace + at.kspace(b, first + i); }, threads);
    });
}

// Arrays of an adjoint call, as sum_coils wants them.
template <class T>
struct AdjointSum {
    const Arrays<T>& at;
    const SplitEncode<T>& plane;
    const ArrangedWeights<T>& weights;
    const T *kspace, *csm;
    T* image;

    int64_t planar_rows() const { return plane.planar_rows(); }
    void coils(int64_t b, int64_t, int64_t begin, int64_t end, const CoilSums<T>& sums) const {
        for (int64_t c = begin; c < end; ++c)
            with_fast(at.p.maps == 1, [&](auto single) {
                plane.template adjoint<decltype(single)::value>(kspace + at.kspace(b, c), csm + at.csm(b, c),
                                                                at.csm_map_step(), weights.of(b), sums.of(c));
            });
    }
    void write(const Cx<T>* parts, int64_t count, int64_t b, int64_t, int64_t y0, int64_t y1) const {
        plane.write(parts, count, image + at.image(b), at.image_map_step(), y0, y1);
    }
};

// The same where sums are laid out as the image is.
template <class T>
struct InterleavedAdjointSum {
    const Arrays<T>& at;
    const VolumeTransform<T>& transform;
    const void* mask;
    const T *kspace, *csm;
    T* image;

    int64_t planar_rows() const { return ceil_div(at.volume, 2 * kWidth<T>); }
    void coils(int64_t b, int64_t, int64_t begin, int64_t end, const CoilSums<T>& sums) const {
        for (int64_t c = begin; c < end; ++c) {
            const SumStep<T> step = sums.of(c);
            Cx<T>* sum = step.add ? sums.part : step.to;
            transform.adjoint(
                1, [&](int64_t) { return kspace + at.kspace(b, c); },
                [&](int64_t) { return Weights<T>(at.p, mask, b); }, transform.axes.scale(),
                [&](int64_t) {
                    return CoilSink<T>{csm + at.csm(b, c), at.csm_map_step(), values(sum), at.volume, at, !step.before};
                },
                1);
            if (!step.add) continue;
            for (int64_t i = 0; i < at.p.maps * planar_rows(); ++i) step.to[i] = step.to[i] + sum[i];
        }
    }
    void write(const Cx<T>* parts, int64_t count, int64_t b, int64_t, int64_t y0, int64_t y1) const {
        const int64_t part = 2 * kWidth<T> * at.p.maps * planar_rows(), size = (y1 - y0) * at.row_step();
        for (int64_t m = 0; m < at.p.maps; ++m) {
            const int64_t from = m * at.volume + y0 * at.row_step();
            T* to = image + at.image(b) + from;
            std::copy_n(values(parts) + from, size, to);
            for (int64_t n = 1; n < count; ++n) {
                const T* more = values(parts) + n * part + from;
                for (int64_t i = 0; i < size; ++i) to[i] += more[i];
            }
        }
    }

  private:
    static T* values(Cx<T>* sum) { return reinterpret_cast<T*>(sum); }
    static const T* values(const Cx<T>* sum) { return reinterpret_cast<const T*>(sum); }
};

template <class T>
void run_split_csm_adjoint(const SenseProblem& p, const T* kspace, const T* image, const void* mask, T* csm,
                           int threads) {
    const Arrays<T> at(p);
    const SplitEncode<T> plane(p);
    const ArrangedWeights<T> weights(p, plane, mask, threads);
    parallel_for(p.batch / p.batch_per_csm * p.coils, threads, [&](int64_t job, int) {
        const int64_t first = job / p.coils * p.batch_per_csm, c = job % p.coils;
        Cx<T>* sum = scratch<Cx<T>>(Scratch::accumulator, size_t(p.maps * plane.planar_rows()));
        for (int64_t b = first; b < first + p.batch_per_csm; ++b)
            with_fast(p.maps == 1, [&](auto single) {
                plane.template adjoint<decltype(single)::value>(kspace + at.kspace(b, c), image + at.image(b),
                                                                at.image_map_step(), weights.of(b),
                                                                {b == first ? nullptr : sum, sum, false});
            });
        plane.write(sum, 1, csm + at.csm(first, c), at.csm_map_step(), 0, p.ny);
    });
}

template <class T>
void run_sense_adjoint(const SenseProblem& p, const T* kspace, const T* csm, const void* mask, T* image, int threads) {
    threads = useful_threads(threads, p.batch * p.coils * p.nz * p.ny * p.nx);
    prefer_huge_pages_for(image, p.batch * p.maps * p.nz * p.ny * p.nx);
    if (split<T>(p, mask)) {
        const Arrays<T> arrays(p);
        const SplitEncode<T> plane(p);
        const ArrangedWeights<T> weights(p, plane, mask, threads);
        return sum_coils<T>(p, AdjointSum<T>{arrays, plane, weights, kspace, csm, image}, threads);
    }
    const Arrays<T> at(p);
    const auto transform = transform_of<T>(p);
    if (p.nz == 1) return sum_coils<T>(p, InterleavedAdjointSum<T>{at, transform, mask, kspace, csm, image}, threads);
    const int64_t held = transform.held(p.coils);
    for (int64_t b = 0; b < p.batch; ++b)
        for (int64_t c = 0; c < p.coils; c += held)
            transform.adjoint(
                std::min(held, p.coils - c), [&](int64_t i) { return kspace + at.kspace(b, c + i); },
                [&](int64_t) { return Weights<T>(p, mask, b); }, transform.axes.scale(),
                [&](int64_t i) {
                    return CoilSink<T>{csm + at.csm(b, c + i),
                                       at.csm_map_step(),
                                       image + at.image(b),
                                       at.image_map_step(),
                                       at,
                                       c + i == 0};
                },
                threads);
}

template <class T>
void run_sense_csm_adjoint(const SenseProblem& p, const T* kspace, const T* image, const void* mask, T* csm,
                           int threads) {
    threads = useful_threads(threads, p.batch * p.coils * p.nz * p.ny * p.nx);
    prefer_huge_pages_for(csm, p.batch / p.batch_per_csm * p.maps * p.coils * p.nz * p.ny * p.nx);
    if (split<T>(p, mask)) return run_split_csm_adjoint(p, kspace, image, mask, csm, threads);
    const Arrays<T> at(p);
    const auto transform = transform_of<T>(p);
    for_each_job(transform, p.batch / p.batch_per_csm * p.coils, threads, [&](int64_t job) {
        const int64_t begin = job / p.coils * p.batch_per_csm, end = begin + p.batch_per_csm, c = job % p.coils;
        const int64_t held = transform.held(p.batch_per_csm);
        for (int64_t b = begin; b < end; b += held)
            transform.adjoint(
                std::min(held, end - b), [&](int64_t i) { return kspace + at.kspace(b + i, c); },
                [&](int64_t i) { return Weights<T>(p, mask, b + i); }, transform.axes.scale(),
                [&](int64_t i) {
                    return CoilSink<T>{
                        image + at.image(b + i), at.image_map_step(), csm + at.csm(b, c), at.csm_map_step(), at,
                        b + i == begin};
                },
                threads);
    });
}

template <class T>
void run_fft(const FftProblem& f, const T* x, T* out, int threads) {
    threads = useful_threads(threads, f.batch * f.nz * f.ny * f.nx);
    prefer_huge_pages_for(out, f.batch * f.nz * f.ny * f.nx);
    const Axes<T> axes(f.nz, f.ny, f.nx, f.axes & 4, f.axes & 2, f.axes & 1);
    // The inverse is the conjugate of the transform of the conjugate.
    const VolumeTransform<T> transform(axes, f.batch, f.inverse);
    const SenseProblem p{f.batch, 1, 1, f.nz, f.ny, f.nx, 3, 1, MaskKind::none, 0, 0, 0, 0};
    const Arrays<T> at(p);
    const Weights<T> weights(p, nullptr, 0);
    for_each_job(transform, f.batch, threads, [&](int64_t b) {
        transform.forward(
            1, [&](int64_t) { return PlainSource<T>{x + b * at.volume, f.inverse ? T(-1) : T(1)}; },
            [&](int64_t) { return weights; }, axes.scale(), [&](int64_t) { return out + b * at.volume; }, threads);
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
