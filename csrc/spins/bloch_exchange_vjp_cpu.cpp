// Gradients of isochromats with two pools through a waveform by a reverse sweep, and their tangents.
//
// Each block is swept alone: its states are kept, if they fit in 512 KB, or else recomputed from checkpoints.
#include <cmath>
#include <vector>

#include "../core/isa_namespace.h"
#include "../core/parallel.h"
#include "../core/scratch.h"
#include "bloch_exchange_block.h"
#include "bloch_exchange_kernels.h"
#include "flush_denormals.h"

namespace mriops {
namespace MRIOPS_ISA_NAMESPACE {
namespace {

// Sums over isochromats are split in this many parts, whatever the number of threads.
constexpr int64_t most_parts = 16;

template <class R>
struct Tape {
    int64_t interval, pieces;

    explicit Tape(int64_t steps) {
        constexpr int64_t fits = (int64_t(512) << 10) / int64_t(sizeof(TwoPools<R>));
        interval =
            steps <= fits ? std::max<int64_t>(steps, 1) : std::max<int64_t>(64, int64_t(std::sqrt(double(steps))));
        pieces = (steps + interval - 1) / interval;
    }
    int64_t states() const { return interval + pieces + 1; }
};

template <class T, class R>
struct Sink {
    const ExchangeBlock<T, R>& block;
    R* rows;
    double* waveform;  // (waveform rows, steps)

    MRIOPS_LANE_INLINE void own(int64_t row, R value) { rows[row] = rows[row] + value; }
    MRIOPS_LANE_INLINE void shared(int64_t row, int64_t n, R value) {
        double sum = 0;
        for (int i = 0; i < block.lanes; ++i) sum += double(wanted(value)[i]);
        waveform[row * block.p.steps + n] += sum;
    }
};

template <class T, class R>
TwoPools<R> sweep(ExchangeBlock<T, R>& block, ExchangeGradient<T, R, Sink<T, R>>& gradient, const Tape<R>& tape,
                  TwoPools<R>* kept) {
    const BlochExchangeProblem& p = block.p;
    TwoPools<R>* const checkpoints = kept + tape.interval;
    TwoPools<R> s = block.start(), bar{};
    gradient.at.of_equilibrium[0] = gradient.at.of_equilibrium[1] = R{};
    for (int64_t i = 0; i < tape.pieces; ++i) {
        checkpoints[i] = s;
        if (i + 1 < tape.pieces)
            for (int64_t n = i * tape.interval; n < (i + 1) * tape.interval; ++n) s = block.step(s, n);
    }
    int64_t record = p.records - 1;
    const auto enter = [&](int64_t n) {
        if (record < 0 || p.record[record] != n) return;
        const TwoPools<R> g = block.load(block.a.grad, block.a.d_grad, block.record_at(record--));
        for (int i = 0; i < 6; ++i) bar.m[i / 3][i % 3] = bar.m[i / 3][i % 3] + g.m[i / 3][i % 3];
    };
    for (int64_t i = tape.pieces - 1; i >= 0; --i) {
        const int64_t from = i * tape.interval, to = std::min(from + tape.interval, p.steps);
        s = checkpoints[i];
        for (int64_t n = from; n < to; ++n) {
            kept[n - from] = s;
            if (n + 1 < to) s = block.step(s, n);
        }
        for (int64_t n = to - 1; n >= from; --n) {
            enter(n + 1);
            gradient.back(n, [&]() -> const TwoPools<R>& { return kept[n - from]; }, bar);
        }
    }
    enter(0);
    gradient.add(exchange_fraction, gradient.at.of_equilibrium[1] - gradient.at.of_equilibrium[0]);
    return bar;
}

template <class T, template <class> class Number>
void run(const BlochExchangeProblem& p, const BlochExchangeArrays& a, int threads) {
    using R = Number<T>;
    constexpr int64_t width = LaneOf<T>::width;
    const int64_t blocks = (p.spins + width - 1) / width, length = p.waveform_rows() * p.steps, rows = p.spin_rows();
    const int64_t parts = std::min(blocks, std::max<int64_t>(1, most_parts / std::max<int64_t>(1, p.batch)));
    std::vector<double> sums(size_t(p.batch * parts * length), 0.0);
    const Tape<R> tape(p.steps);
    parallel_for(p.batch * parts, threads, [&](int64_t i, int) {
        const FlushDenormals flush;
        const int64_t item = i / parts, part = i % parts;
        R* const space = scratch<R>(Scratch::rows, size_t(2 * rows));
        TwoPools<R>* const kept = scratch<TwoPools<R>>(Scratch::columns, size_t(tape.states()));
        for (int64_t b = part * blocks / parts; b < (part + 1) * blocks / parts; ++b) {
            HalfStep<T, R> half;
            ExchangeBlock<T, R> block(p, a, item, b * width, half, space);
            Sink<T, R> sink{block, space + rows, sums.data() + i * length};
            for (int64_t row = 0; row < rows; ++row) sink.rows[row] = R{};
            StepBack<R> at;
            ExchangeGradient<T, R, Sink<T, R>> gradient{block, sink, at};
            const TwoPools<R> bar = sweep(block, gradient, tape, kept);
            block.store(a.grad_magnetization, item * p.spins + b * width, bar);
            for (int64_t row = 0; row < rows; ++row)
                lane_store(static_cast<T*>(a.grad_spins) + (item * rows + row) * p.spins + b * width,
                           wanted(sink.rows[row]), block.lanes);
        }
    });
    for (int64_t item = 0; item < p.batch; ++item)
        for (int64_t at = 0; at < length; ++at) {
            double sum = 0;
            for (int64_t part = 0; part < parts; ++part) sum += sums[size_t((item * parts + part) * length + at)];
            static_cast<T*>(a.grad_waveform)[item * length + at] = T(sum);
        }
}

}  // namespace

void bloch_exchange_vjp(const BlochExchangeProblem& p, Dtype dtype, const BlochExchangeArrays& a, int threads) {
    dtype == Dtype::complex64 ? run<float, Plain>(p, a, threads) : run<double, Plain>(p, a, threads);
}
void bloch_exchange_hvp(const BlochExchangeProblem& p, Dtype dtype, const BlochExchangeArrays& a, int threads) {
    dtype == Dtype::complex64 ? run<float, Dual>(p, a, threads) : run<double, Dual>(p, a, threads);
}

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
