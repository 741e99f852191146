// Gradients of all arguments: a reverse sweep over states that are recomputed in blocks from kept ones.
#include <vector>

#include "../core/isa_namespace.h"
#include "../core/parallel.h"
#include "../core/scratch.h"
#include "epg_block.h"
#include "epg_kernels.h"
#include "flush_denormals.h"

namespace mriops {
namespace MRIOPS_ISA_NAMESPACE {
namespace {

// Every 32nd state is kept, and 32 at a time are recomputed: 0.26 MB for 1000 segments of 20 orders.
constexpr int64_t tape_length = 32;
// Sums over atoms are split in this many parts, whatever the number of threads.
constexpr int64_t most_parts = 64;

// Sum over lanes: pairs in T, then in double.
template <class T>
MRIOPS_LANE_INLINE double total(LaneVec<T> v) {
    constexpr int W = LaneOf<T>::width;
    double a = 0, b = 0;
    for (int i = 0; i < W / 2; i += 2) {
        a += double(v[i] + v[i + W / 2]);
        if constexpr (W > 2) b += double(v[i + 1] + v[i + 1 + W / 2]);
    }
    return a + b;
}

// Where the gradients of the sequence are summed up, in double.
template <class T>
struct SequenceSums {
    double* at[epg_sequence_arguments] = {};
    LaneVec<T> used;  // 1 in lanes that are atoms

    template <class R>
    MRIOPS_LANE_INLINE void add(EpgArgument which, int64_t i, R value) {
        if (at[which]) at[which][i] += total<T>(select(wanted(value)));
    }
    MRIOPS_LANE_INLINE LaneVec<T> select(LaneVec<T> v) const { return used > T(0) ? v : LaneVec<T>{}; }
};

template <class T, class S>
struct Reverse {
    using R = typename StateOf<S>::Real;

    const EpgProblem& p;
    const EpgTrain& train;
    const EpgArrays& arrays;
    Block<T, S> block;
    SequenceSums<T>& sums;
    bool sequence;
    R g1{}, g2{}, gb1{}, gomega{}, gm0{}, gdiffusion{}, ginversion{};

    Reverse(const EpgProblem& problem, const EpgTrain& t, const EpgArrays& a, int64_t index, SequenceSums<T>& s)
        : p(problem), train(t), arrays(a), block(problem, t, a, index), sums(s) {
        sums.used = LaneVec<T>{};
        for (int i = 0; i < block.lanes; ++i) sums.used[i] = 1;
        sequence = false;
        for (double* sum : sums.at) sequence = sequence || sum;
    }

    MRIOPS_LANE_INLINE Pair<R> cotangent(int64_t j) const {
        const T* from = static_cast<const T*>(arrays.cotangent);
        const int64_t at = j * p.atoms + block.first;
        Pair<R> g{};
        if (train.real_signal)
            g.re.v = lane_load(from + at, block.lanes);
        else
            load_interleaved(from + 2 * at, g.re.v, g.im.v, block.lanes);
        return g;
    }

    // The samples of segment n: their part of the gradient of its states, and of everything in their factors.
    MRIOPS_LANE_INLINE void pull_samples(int64_t n, States<S> x, States<S> grad) {
        const EpgSegment& segment = train.segments[n];
        for (int64_t j = segment.first_sample; j < segment.first_sample + segment.samples; ++j) {
            const int offset = train.offsets[j];
            const Pair<R> g = cotangent(j), factor = block.sample_factor(n, j);
            const S state = block.state_of(x, n, offset);
            const Pair<R> y = block.times(factor, state);
            const R along = real_product(g, y), decay = block.m0 * along;
            gm0 = gm0 + along;
            const R time = block.arguments.shared(epg_sample_time, j);
            g2 = g2 - time * decay;
            R later = -(block.sample_rate(j) * decay);
            if (block.damped) gdiffusion = gdiffusion - time * block.sample_area(j) * decay;
            if (!train.real_signal) {
                const R turn = -(block.m0 * imaginary_product(g, y));
                if constexpr (StateOf<S>::complex) {
                    gomega = gomega - time * turn;
                    later = later - block.omega * turn;
                    if (sequence) sums.add(epg_phase, n, turn);
                }
                if (sequence) sums.add(epg_receiver_phase, j, -turn);
            }
            if (sequence) sums.add(epg_sample_time, j, later);
            const Pair<R> back = scaled(block.m0, conjugate(factor) * g);
            if constexpr (StateOf<S>::complex)
                block.add_to_state(grad, n, offset, back);
            else
                block.add_to_state(grad, n, offset, back.re);
        }
    }

    MRIOPS_LANE_INLINE void pull_flip(int64_t n, R g) {
        const bool adiabatic = train.segments[n].adiabatic;
        if (!adiabatic) gb1 = gb1 + block.arguments.shared(epg_flip_angle, n) * g;
        if (sequence) sums.add(epg_flip_angle, n, adiabatic ? g : g * block.b1);
    }

    MRIOPS_LANE_INLINE void pull_step(int64_t n, const StepGradient<R>& g) {
        pull_flip(n, g.flip);
        const R duration = block.arguments.shared(epg_duration, n - 1);
        g2 = g2 - duration * g.decay;
        g1 = g1 - duration * g.recovery;
        R longer = -(block.r2 * g.decay) - block.r1 * g.recovery;
        if (block.damped) {
            gdiffusion = gdiffusion - duration * g.spread;
            longer = longer - block.diffusion * g.spread;
        }
        if constexpr (StateOf<S>::complex) {
            gomega = gomega - duration * g.turn;
            longer = longer - block.omega * g.turn;
            if (sequence) {
                sums.add(epg_phase, n, -g.turn);
                sums.add(epg_phase, n - 1, g.turn);
            }
        }
        if (sequence) sums.add(epg_duration, n - 1, longer);
    }

    void store(EpgArgument which, R value) {
        T* to = static_cast<T*>(arrays.gradient[which]);
        if (to) lane_store(to + block.first, wanted(value), block.lanes);
    }

    void run() {
        const int64_t count = int64_t(train.segments.size());
        const int64_t kept = (count + tape_length - 1) / tape_length;
        const StateSize size{block.orders, std::max(train.widest_shift, 1) + 1};
        const int64_t entries = size.entries();
        const int64_t tables = block.table_entries(block.damped, size);
        S* memory = scratch<S>(Scratch::work, size_t((tape_length + 1 + kept + 2) * entries + tables));
        S *tape = memory, *keep = tape + (tape_length + 1) * entries, *other = keep + kept * entries;
        States<S> grad = states_at(other, size), before = states_at(other + entries, size);
        block.set_tables(other + 2 * entries, size);
        const auto slot = [&](int64_t i) { return states_at(tape + i * entries, size); };

        for (int64_t n = 0; n < count; ++n) {
            if (n == 0)
                block.start(slot(0));
            else
                block.advance(n, slot((n - 1) % 2), slot(n % 2));
            if (n % tape_length == 0)
                std::copy(tape + (n % 2) * entries, tape + (n % 2 + 1) * entries, keep + n / tape_length * entries);
        }
        const int64_t last = block.live(count - 1);
        for (int64_t k = 0; k < last; ++k) grad.u[k] = grad.v[k] = grad.w[k] = S{};
        for (int64_t part = kept - 1; part >= 0; --part) {
            const int64_t from = part * tape_length, to = std::min(count - 1, from + tape_length);
            std::copy(keep + part * entries, keep + (part + 1) * entries, tape);
            for (int64_t n = from + 1; n <= to; ++n) block.advance(n, slot(n - from - 1), slot(n - from));
            for (int64_t n = to; n > from; --n) {
                const States<S> x = slot(n - from), old = slot(n - from - 1);
                pull_samples(n, x, grad);
                const Step<S> step = block.step(n);
                const int64_t live = block.live(n), old_live = block.live(n - 1);
                pull_step(n, block.damped ? retreat<true>(grad, x, live, before, old, old_live, step)
                                          : retreat<false>(grad, x, live, before, old, old_live, step));
                std::swap(grad, before);
            }
        }
        const States<S> x = slot(0);
        pull_samples(0, x, grad);
        block.set_flip(0);
        if (train.inverts) {
            if constexpr (StateOf<S>::complex)
                ginversion = -grad.w[0].re;
            else
                ginversion = -grad.w[0];
        } else if (train.odd_orders) {
            R g;
            if constexpr (StateOf<S>::complex)
                g = grad.u[0].re;
            else
                g = grad.u[0];
            pull_flip(0, g * block.cosine);
        } else {
            pull_flip(0, flip_gradient(grad, x, 1));
        }
        store(epg_t1, -(block.r1 * block.r1 * g1));
        store(epg_t2, -(block.r2 * block.r2 * g2));
        store(epg_b1, gb1);
        store(epg_off_resonance, number<R>(T(2 * epg_pi)) * gomega);
        store(epg_m0, gm0);
        store(epg_diffusion, gdiffusion);
        store(epg_inversion, ginversion);
    }
};

template <class T, class S>
void run(const EpgProblem& p, const EpgTrain& train, const EpgArrays& arrays, int threads) {
    int64_t sizes[epg_sequence_arguments] = {p.segments, p.segments, p.segments, p.samples, p.samples}, length = 0;
    int64_t offsets[epg_sequence_arguments];
    for (int i = 0; i < epg_sequence_arguments; ++i) {
        offsets[i] = length;
        if (arrays.gradient[i]) length += sizes[i];
    }
    const int64_t blocks = block_count<T>(p), parts = std::min(blocks, most_parts);
    std::vector<double> totals(size_t(parts * length), 0.0);
    parallel_for(parts, threads, [&](int64_t part, int) {
        const FlushDenormals flush;
        SequenceSums<T> sums;
        for (int i = 0; i < epg_sequence_arguments; ++i)
            if (arrays.gradient[i]) sums.at[i] = totals.data() + part * length + offsets[i];
        for (int64_t b = part * blocks / parts; b < (part + 1) * blocks / parts; ++b)
            Reverse<T, S>(p, train, arrays, b, sums).run();
    });
    for (int i = 0; i < epg_sequence_arguments; ++i) {
        T* to = static_cast<T*>(arrays.gradient[i]);
        for (int64_t n = 0; to && n < sizes[i]; ++n) {
            double sum = 0;
            for (int64_t part = 0; part < parts; ++part) sum += totals[size_t(part * length + offsets[i] + n)];
            to[n] = T(sum);
        }
    }
}

template <template <class> class Number>
void run_any(const EpgProblem& p, Dtype dtype, const EpgArrays& arrays, int threads) {
    EpgTrain train = epg_train(p);
    const bool real = real_states(p, dtype, arrays);
    check_axes(train, real);
    if (train.segments.empty()) {  // nothing is sampled
        train = EpgTrain();
        train.segments.push_back({0, false, false, 0, 0, 1, 1});
    }
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

void epg_vjp(const EpgProblem& p, Dtype dtype, const EpgArrays& arrays, int threads) {
    run_any<Plain>(p, dtype, arrays, threads);
}
void epg_hvp(const EpgProblem& p, Dtype dtype, const EpgArrays& arrays, int threads) {
    run_any<Dual>(p, dtype, arrays, threads);
}

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
