// Isochromats through a waveform: their states at chosen steps or the signal of coils, and the tangents of both.
#include <memory>

#include "../core/by_dtype.h"
#include "../core/parallel.h"
#include "bloch_kernels.h"
#include "bloch_receive.h"
#include "bloch_split.h"
#include "bloch_walk.h"

namespace mriops {
namespace {

// What becomes of the states of one block.
template <class N>
struct Sink {
    using T = typename N::Real;
    using Vec = typename N::Vec;

    MRIOPS_LANE_INLINE void take(int64_t j, const Triple<Vec>& m) {
        if (coils)
            coils->see(m, signal + 2 * j * coils->coils);
        else
            store_triple<T>(states + 3 * j * spins, lanes, N::result(m.x), N::result(m.y), N::result(m.z));
    }

    const Coils<N>* coils;
    double* signal;
    T* states;
    int64_t spins;
    int lanes;
};

// One vector of isochromats with all that belongs to it.
template <class N>
struct Block {
    using T = typename N::Real;
    using Vec = typename N::Vec;

    Block(const BlochProblem& p, const BlochArrays& a, int64_t b, int64_t from, double* signal, Vec* rows)
        : lanes(int(std::min<int64_t>(LaneOf<T>::width, p.spins - from))),
          spins(p, a, b, from, lanes, rows),
          coils(p, a, b, from, lanes, rows + p.spin_rows()),
          sink{p.coils ? &coils : nullptr, signal, static_cast<T*>(a.out) + 3 * (b * p.records * p.spins + from),
               p.spins, lanes} {
        const int64_t at = 3 * ((p.own_magnetization ? b * p.spins : 0) + from);
        LaneVec<T> v[3], d[3] = {};
        load_triple<T>(static_cast<const T*>(a.magnetization) + at, lanes, v);
        if constexpr (N::dual) load_triple<T>(static_cast<const T*>(a.d_magnetization) + at, lanes, d);
        start = {N::lanes(v[0], d[0]), N::lanes(v[1], d[1]), N::lanes(v[2], d[2])};
    }
    Block(const Block&) = delete;  // the sink points to the coils

    int lanes;
    Isochromats<N> spins;
    Coils<N> coils;
    Sink<N> sink;
    Triple<Vec> start;
};

template <class N>
void walk_block(const BlochProblem& p, const BlochTable<N>& table, Block<N>& block) {
    Walk<N> walk(p, table, block.spins);
    Triple<typename N::Vec> m = block.start;
    int64_t n = 0;
    for (int64_t j = 0; j < p.records; ++j) {
        for (; n < p.record[j]; ++n) m = walk.turn(walk.relaxed(m, n), n);
        block.sink.take(j, n > 0 ? walk.completed(m, n - 1) : m);
    }
}

template <class N>
void run(const BlochProblem& p, const BlochArrays& a, int threads) {
    using T = typename N::Real;
    using Vec = typename N::Vec;
    constexpr int W = LaneOf<T>::width;
    // A signal is summed per chunk: few of them where it is long.
    const int64_t values = 2 * p.records * p.coils;
    const int64_t most = p.coils ? std::max<int64_t>(1, std::min<int64_t>(16, (int64_t(1) << 25) / (values + 1))) : 64;
    const BlochJobs jobs(p, W, most);
    const std::unique_ptr<double[]> partial(p.coils ? new double[size_t(p.batch * jobs.chunks * values)]() : nullptr);
    parallel_for(p.batch * jobs.chunks, useful_threads(p, threads), [&](int64_t job, int) {
        const int64_t b = job / jobs.chunks, chunk = job % jobs.chunks;
        const BlochTable<N> table(p, a, b);
        constexpr int group = 4;
        const int64_t stride = p.spin_rows() + 2 * p.coils;
        Vec* const rows = scratch<Vec>(Scratch::rows, size_t(group * stride));
        double* const signal = partial.get() + job * values;
        SplitPlan<N> plan(p, table);
        int64_t i = jobs.first(chunk);
        const int64_t end = jobs.first(chunk + 1);
        for (; plan.quick() && i + group <= end; i += group) {
            Block<N> blocks[group] = {{p, a, b, i * W, signal, rows},
                                      {p, a, b, (i + 1) * W, signal, rows + stride},
                                      {p, a, b, (i + 2) * W, signal, rows + 2 * stride},
                                      {p, a, b, (i + 3) * W, signal, rows + 3 * stride}};
            plan.template walk<group>(p, blocks);
        }
        for (; i < end; ++i) {
            Block<N> block(p, a, b, i * W, signal, rows);
            if (plan.quick())
                plan.template walk<1>(p, &block);
            else
                walk_block<N>(p, table, block);
        }
    });
    if (!p.coils) return;
    parallel_for(p.batch, useful_threads(p, threads), [&](int64_t b, int) {
        T* const out = static_cast<T*>(a.out) + b * values;
        for (int64_t j = 0; j < p.records; ++j)
            for (int64_t c = 0; c < p.coils; ++c)
                for (int part = 0; part < 2; ++part) {
                    double total = 0;
                    for (int64_t k = 0; k < jobs.chunks; ++k)
                        total += partial[(b * jobs.chunks + k) * values + 2 * (j * p.coils + c) + part];
                    out[2 * (c * p.records + j) + part] = T(total);
                }
    });
}

}  // namespace

namespace MRIOPS_ISA_NAMESPACE {

void bloch_forward(const BlochProblem& p, Dtype dtype, const BlochArrays& a, int threads) {
    MRIOPS_BY_DTYPE(run<Values<T>>, p, a, threads)
}
void bloch_jvp(const BlochProblem& p, Dtype dtype, const BlochArrays& a, int threads) {
    MRIOPS_BY_DTYPE(run<Tangents<T>>, p, a, threads)
}

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
