// Isochromats with two pools through a waveform: their states at chosen steps, and the tangents of these.
#include "../core/isa_namespace.h"
#include "../core/parallel.h"
#include "../core/scratch.h"
#include "bloch_exchange_block.h"
#include "bloch_exchange_kernels.h"
#include "flush_denormals.h"

namespace mriops {
namespace MRIOPS_ISA_NAMESPACE {
namespace {

template <class T, template <class> class Number>
void run(const BlochExchangeProblem& p, const BlochExchangeArrays& a, int threads) {
    using R = Number<T>;
    constexpr int64_t together = 4 * LaneOf<T>::width;
    const int64_t pieces = (p.spins + together - 1) / together;
    parallel_for(p.batch * pieces, threads, [&](int64_t i, int) {
        const FlushDenormals flush;
        const int64_t item = i / pieces, first = i % pieces * together;
        R* const space = scratch<R>(Scratch::rows, size_t(p.spin_rows()));
        for (int64_t from = first; from < std::min(p.spins, first + together); from += LaneOf<T>::width) {
            HalfStep<T, R> half;
            ExchangeBlock<T, R> block(p, a, item, from, half, space);
            TwoPools<R> s = block.start();
            int64_t n = 0;
            for (int64_t j = 0; j < p.records; ++j) {
                for (; n < p.record[j]; ++n) s = block.step(s, n);
                block.store(a.out, block.record_at(j), s);
            }
        }
    });
}

}  // namespace

void bloch_exchange_forward(const BlochExchangeProblem& p, Dtype dtype, const BlochExchangeArrays& a, int threads) {
    dtype == Dtype::complex64 ? run<float, Plain>(p, a, threads) : run<double, Plain>(p, a, threads);
}
void bloch_exchange_jvp(const BlochExchangeProblem& p, Dtype dtype, const BlochExchangeArrays& a, int threads) {
    dtype == Dtype::complex64 ? run<float, Dual>(p, a, threads) : run<double, Dual>(p, a, threads);
}

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
