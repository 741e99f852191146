// Signals of all atoms with their derivatives along several directions of what each atom has, in one sweep: relaxation
// factors, sines and the states themselves are computed once for all directions.
#include <vector>

#include "../core/huge_pages.h"
#include "../core/isa_namespace.h"
#include "../core/parallel.h"
#include "../core/scratch.h"
#include "epg_block.h"
#include "epg_kernels.h"
#include "epg_tangents.h"
#include "flush_denormals.h"

namespace mriops {
namespace MRIOPS_ISA_NAMESPACE {
namespace {

// One direction for a block of atoms: what it changes their numbers by, and the states' tangent.
template <class T, class S>
struct Direction {
    using R = typename StateOf<S>::Real;

    R r1, r2, b1, omega, m0, diffusion, inversion;
    bool longitudinal, transverse, flip, spread, start_only;
    States<S> now, next;

    Direction(const Block<T, S>& block, const EpgArrays& arrays, int64_t row, int64_t atoms) {
        const auto along = [&](EpgArgument which) {
            R r{};
            if (arrays.tangent[which])
                r.v = lane_load(static_cast<const T*>(arrays.tangent[which]) + row * atoms + block.first, block.lanes);
            return r;
        };
        r1 = -(block.r1 * block.r1 * along(epg_t1));
        r2 = -(block.r2 * block.r2 * along(epg_t2));
        b1 = along(epg_b1);
        omega = number<R>(T(2 * epg_pi)) * along(epg_off_resonance);
        m0 = along(epg_m0);
        longitudinal = any(r1);
        transverse = any(r2) || any(omega);
        diffusion = along(epg_diffusion);
        inversion = along(epg_inversion);
        flip = any(b1);
        spread = any(diffusion);
        start_only = any(inversion);
    }
    static bool any(R r) {
        bool found = false;
        for (int i = 0; i < LaneOf<T>::width; ++i) found = found || r.v[i] != T(0);  // also where it is not a number
        return found;
    }
    bool moves() const { return longitudinal || transverse || flip || spread || start_only; }
    R flip_rate(const Block<T, S>& block, int64_t n) const {
        return block.train.segments[n].adiabatic ? R{} : block.arguments.shared(epg_flip_angle, n) * b1;
    }

    void start(const Block<T, S>& block) {
        const R rate = flip_rate(block, 0);
        now.u[0] = now.v[0] = now.w[0] = S{};
        if (block.train.inverts) {
            add_real(now.w[0], -inversion);
            return;
        }
        add_real(now.u[0], rate * block.cosine);
        if (block.train.odd_orders) return;
        add_real(now.v[0], rate * block.cosine);
        add_real(now.w[0], -(rate * block.sine));
    }
    MRIOPS_LANE_INLINE void advance(const Block<T, S>& block, int64_t n, States<S> x, States<S> out,
                                    const Step<S>& step) {
        const R duration = block.arguments.shared(epg_duration, n - 1);
        const StepRates<R> rates{-(duration * r1), -(duration * r2), duration * omega, flip_rate(block, n),
                                 -(duration * diffusion)};
        const int64_t live = block.live(n - 1), next_live = block.live(n);
        if (block.damped)
            advance_as<true>(x, live, out, next_live, step, rates);
        else
            advance_as<false>(x, live, out, next_live, step, rates);
        std::swap(now, next);
    }
    template <bool Damped>
    MRIOPS_LANE_INLINE void advance_as(States<S> x, int64_t live, States<S> out, int64_t next_live, const Step<S>& step,
                                       const StepRates<R>& rates) {
        if (spread || longitudinal + transverse + flip > 1)
            advance_tangent<true, true, true, Damped>(x, now, live, out, next, next_live, step, rates);
        else if (flip)
            advance_tangent<false, false, true, Damped>(x, now, live, out, next, next_live, step, rates);
        else if (transverse)
            advance_tangent<false, true, false, Damped>(x, now, live, out, next, next_live, step, rates);
        else
            advance_tangent<true, false, false, Damped>(x, now, live, out, next, next_live, step, rates);
    }
    // Of the sample y / m0 of segment n at `time`, which reads `state` with `factor`.
    MRIOPS_LANE_INLINE Pair<R> sample(const Block<T, S>& block, int64_t n, int offset, R time, R area, Pair<R> factor,
                                      Pair<R> y) const {
        Pair<R> d{};
        if (moves()) {
            d = block.times(factor, block.state_of(now, n, offset));
            R faster = r2;
            if (block.damped) faster = faster + diffusion * area;
            d = d - scaled(time * faster, y);
            if constexpr (StateOf<S>::complex) {
                const R turn = time * omega;
                d = d + Pair<R>{turn * y.im, -(turn * y.re)};
            }
        }
        return scaled(block.m0, d) + scaled(m0, y);
    }
};

template <class T, class S>
void run_block(const EpgProblem& p, const EpgTrain& train, const EpgArrays& arrays, const EpgDirections& directions,
               int64_t index, std::vector<Direction<T, S>>& along, bool stream) {
    using R = typename StateOf<S>::Real;
    Block<T, S> block(p, train, arrays, index);
    const StateSize size{block.orders, std::max(train.widest_shift, 1) + 1};
    const int64_t entries = size.entries();
    S* memory = scratch<S>(Scratch::work,
                           size_t(2 * (1 + directions.count) * entries + block.table_entries(block.damped, size)));
    const auto take = [&] {
        const States<S> states = states_at(memory, size);
        memory += entries;
        return states;
    };
    States<S> now = take(), next = take();
    along.clear();
    for (int64_t i = 0; i < directions.count; ++i) {
        along.emplace_back(block, arrays, i, p.atoms);
        along.back().now = take();
        along.back().next = take();
    }
    block.set_tables(memory, size);
    const int64_t parts = train.real_signal ? 1 : 2, row = p.samples * p.atoms * parts;
    for (int64_t n = 0; n < int64_t(train.segments.size()); ++n) {
        if (n == 0) {
            block.start(now);
            for (auto& direction : along) direction.start(block);
        } else {
            const Step<S> step = block.advance(n, now, next);
            for (auto& direction : along)
                if (direction.moves()) direction.advance(block, n, now, next, step);
            std::swap(now, next);
        }
        const EpgSegment& segment = train.segments[n];
        for (int64_t j = segment.first_sample; j < segment.first_sample + segment.samples; ++j) {
            const Pair<R> factor = block.sample_factor(n, j);
            const Pair<R> y = block.times(factor, block.state_of(now, n, train.offsets[j]));
            const R time = block.arguments.shared(epg_sample_time, j);
            T* to = static_cast<T*>(arrays.signal) + (j * p.atoms + block.first) * parts;
            if (directions.value) {
                block.store_sample(to, scaled(block.m0, y), stream);
                to += row;
            }
            for (const auto& direction : along) {
                block.store_sample(
                    to, direction.sample(block, n, train.offsets[j], time, block.sample_area(j), factor, y), stream);
                to += row;
            }
        }
    }
}

template <class T, class S>
void run(const EpgProblem& p, const EpgTrain& train, const EpgArrays& arrays, const EpgDirections& directions,
         int threads) {
    const int64_t blocks = block_count<T>(p), rows = directions.count + (directions.value ? 1 : 0);
    const bool stream = stream_signal<T>(p, train, arrays, rows);
    parallel_for((blocks + blocks_together - 1) / blocks_together, threads, [&](int64_t i, int) {
        const FlushDenormals flush;
        std::vector<Direction<T, S>> along;
        along.reserve(size_t(directions.count));
        for (int64_t b = i * blocks_together; b < std::min(blocks, (i + 1) * blocks_together); ++b)
            run_block<T, S>(p, train, arrays, directions, b, along, stream);
        if (stream) lane_fence();
    });
}

}  // namespace

void epg_jacobian(const EpgProblem& p, Dtype dtype, const EpgArrays& arrays, const EpgDirections& directions,
                  int threads) {
    check_directions(p, directions);
    const EpgTrain train = epg_train(p);
    const bool real = real_states(p, dtype, arrays);
    check_axes(train, real);
    if (dtype == Dtype::complex64) {
        if (real)
            run<float, Plain<float>>(p, train, arrays, directions, threads);
        else
            run<float, Pair<Plain<float>>>(p, train, arrays, directions, threads);
    } else {
        if (real)
            run<double, Plain<double>>(p, train, arrays, directions, threads);
        else
            run<double, Pair<Plain<double>>>(p, train, arrays, directions, threads);
    }
}

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
