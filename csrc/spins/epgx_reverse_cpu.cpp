// Gradients of all arguments of two pools, and their derivatives along given tangents.
#include <algorithm>
#include <vector>

#include "../core/isa_namespace.h"
#include "../core/parallel.h"
#include "../core/scratch.h"
#include "epgx_kernels.h"
#include "epgx_problem.h"
#include "epgx_reverse.h"
#include "flush_denormals.h"

namespace mriops {
namespace MRIOPS_ISA_NAMESPACE {
namespace {

// Sums over atoms are split in this many parts, whatever the number of threads.
constexpr int64_t most_parts = 64;

template <class T, class R>
struct Sink {
    const T *grad, *d_grad;
    T* of_tissue;
    double *pulses, *readouts;  // sums over atoms, (rows, segments) and (rows, samples)
    int64_t segments, samples, atoms, first;
    int lanes;
    LaneVec<T> used;  // 1 in lanes that are atoms

    MRIOPS_LANE_INLINE Pair<R> cotangent(int64_t j, int n) const {
        Pair<R> g{};
        const int64_t at = 2 * (j * atoms + first);
        load_interleaved(grad + at, g.re.v, g.im.v, n);
        if constexpr (Parts<R>::dual) load_interleaved(d_grad + at, g.re.d, g.im.d, n);
        return g;
    }
    // In double, in a fixed order; lanes beyond the last atom repeat another, and do not count.
    MRIOPS_LANE_INLINE double total(R value) const {
        const LaneVec<T> v = used > T(0) ? wanted(value) : LaneVec<T>{};
        double a = 0, b = 0;
        for (int i = 0; i < LaneOf<T>::width; i += 2) {
            a += double(v[i]);
            b += double(v[i + 1]);
        }
        return a + b;
    }
    MRIOPS_LANE_INLINE void pulse(EpgxPulse row, int64_t n, R value) { pulses[row * segments + n] += total(value); }
    MRIOPS_LANE_INLINE void readout(EpgxReadout row, int64_t j, R value) {
        readouts[row * samples + j] += total(value);
    }
    MRIOPS_LANE_INLINE void tissue(EpgxTissue row, R value) {
        lane_store(of_tissue + row * atoms + first, wanted(value), lanes);
    }
};

template <class T, class S, bool Both>
void run_block(const EpgxProblem& p, const PoolTrain& train, const EpgxArrays& a, int64_t item, int64_t first,
               double* sums) {
    using R = typename StateOf<S>::Real;
    const int lanes = int(std::min<int64_t>(LaneOf<T>::width, p.atoms - first));
    const int64_t signal = 2 * item * p.samples * p.atoms;
    Sink<T, R> sink{static_cast<const T*>(a.grad) + signal,
                    Parts<R>::dual ? static_cast<const T*>(a.d_grad) + signal : nullptr,
                    static_cast<T*>(a.grad_tissue) + item * epgx_tissue_rows * p.atoms,
                    sums,
                    sums + epgx_pulse_rows * p.segments,
                    p.segments,
                    p.samples,
                    p.atoms,
                    first,
                    lanes,
                    LaneVec<T>{}};
    for (int i = 0; i < lanes; ++i) sink.used[i] = 1;
    PoolBlock<T, S, Both> block(train, pool_arrays<T>(p, a, item), first, lanes);
    if (!train.orders) block.drop_orders(block.slowest_decay(), block.shortest_move(train, block.arrays, 0, 1));
    using Reverse = PoolReverse<T, S, Both, Sink<T, R>>;
    Reverse(block, sink).run(scratch<S>(Scratch::work, size_t(Reverse::moments(train.count) * block.size().entries())));
}

template <class T, class S, bool Both>
void run(const EpgxProblem& p, const EpgxArrays& a, int threads) {
    constexpr int64_t width = LaneOf<T>::width;
    const EpgTrain unrolled = epgx_train(p);
    const PoolTrain train = pool_train(p, unrolled);
    const int64_t blocks = (p.atoms + width - 1) / width;
    const int64_t parts = std::min(blocks, std::max<int64_t>(1, most_parts / std::max<int64_t>(1, p.batch)));
    const int64_t of_pulses = epgx_pulse_rows * p.segments, length = of_pulses + epgx_readout_rows * p.samples;
    std::vector<double> sums(size_t(p.batch * parts * length), 0.0);
    parallel_for(p.batch * parts, threads, [&](int64_t i, int) {
        const FlushDenormals flush;
        const int64_t item = i / parts, part = i % parts;
        for (int64_t b = part * blocks / parts; b < (part + 1) * blocks / parts; ++b)
            run_block<T, S, Both>(p, train, a, item, b * width, sums.data() + i * length);
    });
    for (int64_t item = 0; item < p.batch; ++item)
        for (int64_t at = 0; at < length; ++at) {
            double sum = 0;
            for (int64_t part = 0; part < parts; ++part) sum += sums[size_t((item * parts + part) * length + at)];
            if (at < of_pulses)
                static_cast<T*>(a.grad_pulses)[item * of_pulses + at] = T(sum);
            else
                static_cast<T*>(a.grad_readouts)[item * (length - of_pulses) + at - of_pulses] = T(sum);
        }
}

template <class T, template <class> class Number>
void run_any(const EpgxProblem& p, const EpgxArrays& a, int threads) {
    if (p.transverse)
        run<T, Pair<Number<T>>, true>(p, a, threads);
    else if (p.real)
        run<T, Number<T>, false>(p, a, threads);
    else
        run<T, Pair<Number<T>>, false>(p, a, threads);
}

}  // namespace

void epgx_vjp(const EpgxProblem& p, Dtype dtype, const EpgxArrays& a, int threads) {
    dtype == Dtype::complex64 ? run_any<float, Plain>(p, a, threads) : run_any<double, Plain>(p, a, threads);
}
void epgx_hvp(const EpgxProblem& p, Dtype dtype, const EpgxArrays& a, int threads) {
    dtype == Dtype::complex64 ? run_any<float, Dual>(p, a, threads) : run_any<double, Dual>(p, a, threads);
}

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
