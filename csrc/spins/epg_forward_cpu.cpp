// Signals of all atoms, and their derivatives along given tangents.
#include "../core/isa_namespace.h"
#include "../core/parallel.h"
#include "../core/scratch.h"
#include "epg_block.h"
#include "epg_kernels.h"
#include "flush_denormals.h"

namespace mriops {
namespace MRIOPS_ISA_NAMESPACE {
namespace {

template <class T, class S>
void run_block(const EpgProblem& p, const EpgTrain& train, const EpgArrays& arrays, int64_t index, T* signal,
               bool stream) {
    using R = typename StateOf<S>::Real;
    Block<T, S> block(p, train, arrays, index);
    const StateSize size{block.orders, std::max(train.widest_shift, 1) + 1};
    S* memory = scratch<S>(Scratch::work, size_t(2 * size.entries() + block.table_entries(block.damped, size)));
    States<S> now = states_at(memory, size), next = states_at(memory + size.entries(), size);
    block.set_tables(memory + 2 * size.entries(), size);
    const auto sample = [&](int64_t n, States<S> x) {
        const EpgSegment& segment = train.segments[n];
        for (int64_t j = segment.first_sample; j < segment.first_sample + segment.samples; ++j) {
            const Pair<R> factor = block.sample_factor(n, j);
            const Pair<R> y = block.times(factor, block.state_of(x, n, train.offsets[j]));
            T* to = signal + (j * p.atoms + block.first) * (train.real_signal ? 1 : 2);
            block.store_sample(to, scaled(block.m0, y), stream);
        }
    };
    if (train.segments.empty()) return;
    block.start(now);
    sample(0, now);
    for (int64_t n = 1; n < int64_t(train.segments.size()); ++n) {
        if constexpr (!StateOf<S>::complex) {
            if (block.goes_twice(n)) {
                S u, v;
                const States<S> middle{&u, &v, nullptr};
                const Step<S> first = block.step(n);
                advance_twice(now, block.live(n - 1), middle, now, block.most_live(n), first, block.step(n + 1));
                sample(n, middle);
                sample(++n, now);
                continue;
            }
        }
        block.advance(n, now, next);
        sample(n, next);
        std::swap(now, next);
    }
}

template <class T, class S>
void run(const EpgProblem& p, const EpgTrain& train, const EpgArrays& arrays, int threads) {
    const int64_t blocks = block_count<T>(p);
    const bool stream = stream_signal<T>(p, train, arrays, 1);
    parallel_for((blocks + blocks_together - 1) / blocks_together, threads, [&](int64_t i, int) {
        const FlushDenormals flush;
        for (int64_t b = i * blocks_together; b < std::min(blocks, (i + 1) * blocks_together); ++b)
            run_block<T, S>(p, train, arrays, b, static_cast<T*>(arrays.signal), stream);
        if (stream) lane_fence();
    });
}

template <template <class> class Number>
void run_any(const EpgProblem& p, Dtype dtype, const EpgArrays& arrays, int threads) {
    const EpgTrain train = epg_train(p);
    const bool real = real_states(p, dtype, arrays);
    check_axes(train, real);
    if (dtype == Dtype::complex64) {
        if (real)
            run<float, Number<float>>(p, train, arrays, threads);
        else
            run<float, Pair<Number<float>>>(p, train, arrays, threads);
    } else {
        if (real)
            run<double, Number<double>>(p, train, arrays, threads);
        else
            run<double, Pair<Number<double>>>(p, train, arrays, threads);
    }
}

}  // namespace

void epg_forward(const EpgProblem& p, Dtype dtype, const EpgArrays& arrays, int threads) {
    run_any<Plain>(p, dtype, arrays, threads);
}
void epg_jvp(const EpgProblem& p, Dtype dtype, const EpgArrays& arrays, int threads) {
    run_any<Dual>(p, dtype, arrays, threads);
}

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
