// Signals of two pools for all atoms, and their derivatives along given tangents.
#include <algorithm>

#include "../core/isa_namespace.h"
#include "../core/parallel.h"
#include "../core/scratch.h"
#include "epgx_kernels.h"
#include "epgx_problem.h"
#include "flush_denormals.h"

namespace mriops {
namespace MRIOPS_ISA_NAMESPACE {
namespace {

template <class T, class S, bool Both>
void run_block(const PoolTrain& train, const PoolArrays<T>& arrays, int64_t first, T* signal) {
    using R = typename StateOf<S>::Real;
    PoolBlock<T, S, Both> block(train, arrays, first, int(std::min<int64_t>(LaneOf<T>::width, train.atoms - first)));
    if (!train.orders) block.drop_orders(block.slowest_decay(), block.shortest_move(train, block.arrays, 0, 1));
    const PoolSize size = block.size();
    S* memory = scratch<S>(Scratch::work, size_t(2 * size.entries()));
    PoolStates<S> now = pool_states_at(memory, size), next = pool_states_at(memory + size.entries(), size);
    for (int64_t n = 0; n < train.count; ++n) {
        if (n == 0) {
            block.start(now);
        } else {
            advance<Both>(now, block.live(n - 1), next, block.live(n), block.step(n));
            std::swap(now, next);
        }
        const EpgSegment& segment = train.segments[n];
        for (int64_t j = segment.first_sample; j < segment.first_sample + segment.samples; ++j) {
            const Pair<R> y = scaled(block.tissue[epgx_m0], block.sample(now, n, j));
            store_interleaved(signal + 2 * (j * train.atoms + first), wanted(y.re), wanted(y.im), block.lanes, false);
        }
    }
}

template <class T, class S, bool Both>
void run(const EpgxProblem& p, const EpgxArrays& a, int threads) {
    // Neighbouring blocks go to one thread: each row of the signal is then written in longer pieces.
    constexpr int64_t together = 4 * LaneOf<T>::width;
    const EpgTrain unrolled = epgx_train(p);
    const PoolTrain train = pool_train(p, unrolled);
    const int64_t pieces = (p.atoms + together - 1) / together;
    parallel_for(p.batch * pieces, threads, [&](int64_t i, int) {
        const FlushDenormals flush;
        const int64_t item = i / pieces, from = i % pieces * together;
        T* signal = static_cast<T*>(a.signal) + 2 * item * p.samples * p.atoms;
        for (int64_t first = from; first < std::min(p.atoms, from + together); first += LaneOf<T>::width)
            run_block<T, S, Both>(train, pool_arrays<T>(p, a, item), first, signal);
    });
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

void epgx_forward(const EpgxProblem& p, Dtype dtype, const EpgxArrays& a, int threads) {
    dtype == Dtype::complex64 ? run_any<float, Plain>(p, a, threads) : run_any<double, Plain>(p, a, threads);
}
void epgx_jvp(const EpgxProblem& p, Dtype dtype, const EpgxArrays& a, int threads) {
    dtype == Dtype::complex64 ? run_any<float, Dual>(p, a, threads) : run_any<double, Dual>(p, a, threads);
}

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
