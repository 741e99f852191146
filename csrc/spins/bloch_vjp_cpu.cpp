// Gradients of isochromats through a waveform by a reverse sweep, and their tangents (Hessian times vector).
//
// Each block of one vector is swept alone: its states are kept, if they fit in 512 KB, or else recomputed from
// checkpoints, so that memory does not grow with the number of isochromats times the number of steps.
#include <cmath>
#include <memory>

#include "../core/by_dtype.h"
#include "../core/parallel.h"
#include "bloch_gradients.h"
#include "bloch_kernels.h"
#include "bloch_receive.h"
#include "bloch_walk.h"

namespace mriops {
namespace {

template <class N>
struct Gradients {
    using Vec = typename N::Vec;
    Vec* spins;    // rows of `spins`
    Vec* receive;  // (coils, 2)
};

// The cotangent that enters a block's state at record j, and what the coils' own gradients gain.
template <class N>
class Source {
    using T = typename N::Real;
    using Vec = typename N::Vec;

  public:
    Source(const BlochProblem& p, const BlochArrays& a, int64_t b, int64_t from, int lanes, const Coils<N>& coils)
        : p_(p), a_(a), b_(b), from_(from), lanes_(lanes), coils_(coils) {}

    MRIOPS_LANE_INLINE Triple<Vec> cotangent(int64_t j, const Triple<Vec>& m, Vec* receive) const {
        if (!p_.coils) {
            LaneVec<T> v[3], d[3] = {};
            const int64_t at = 3 * ((b_ * p_.records + j) * p_.spins + from_);
            load_triple<T>(static_cast<const T*>(a_.grad) + at, lanes_, v);
            if constexpr (N::dual) load_triple<T>(static_cast<const T*>(a_.d_grad) + at, lanes_, d);
            return {N::lanes(v[0], d[0]), N::lanes(v[1], d[1]), N::lanes(v[2], d[2])};
        }
        Triple<Vec> bar{};
        for (int64_t c = 0; c < p_.coils; ++c) {
            const typename N::Scalar gr = grad(c, j, 0), gi = grad(c, j, 1);
            const Vec re = coils_.parts[2 * c], im = coils_.parts[2 * c + 1];
            bar.x = bar.x + (re * gr + im * gi);
            bar.y = bar.y + (re * gi - im * gr);
            receive[2 * c] = receive[2 * c] + (m.x * gr + m.y * gi);
            receive[2 * c + 1] = receive[2 * c + 1] + (m.x * gi - m.y * gr);
        }
        return bar;
    }

  private:
    typename N::Scalar grad(int64_t c, int64_t j, int part) const {
        const int64_t at = 2 * ((b_ * p_.coils + c) * p_.records + j) + part;
        return N::scalar(static_cast<const T*>(a_.grad)[at], N::dual ? static_cast<const T*>(a_.d_grad)[at] : T(0));
    }

    const BlochProblem& p_;
    const BlochArrays& a_;
    const int64_t b_, from_;
    const int lanes_;
    const Coils<N>& coils_;
};

template <class N>
class Sweep {
    using T = typename N::Real;
    using Vec = typename N::Vec;
    using Scalar = typename N::Scalar;

  public:
    Sweep(const BlochProblem& p, const BlochTable<N>& table, const Isochromats<N>& spins, const Source<N>& source,
          const TableGradient<N>& shared, const Gradients<N>& own)
        : p_(p),
          table_(table),
          spins_(spins),
          source_(source),
          shared_(shared),
          own_(own),
          field_{table, spins, shared, own.spins},
          walk_(p, table, spins) {}

    // States kept: all, or every `interval`-th and those of one interval.
    static int64_t interval(const BlochProblem& p) {
        constexpr int64_t fits = (int64_t(512) << 10) / int64_t(3 * sizeof(Vec));
        return p.steps <= fits ? std::max<int64_t>(p.steps, 1) : std::max<int64_t>(64, int64_t(std::sqrt(p.steps)));
    }
    static int64_t states(const BlochProblem& p) { return interval(p) + p.steps / interval(p) + 1; }

    // Returns the gradient of the first state. `kept` has room for states(p).
    Triple<Vec> run(Triple<Vec> m, Triple<Vec>* kept) {
        const int64_t size = interval(p_), count = (p_.steps + size - 1) / size;
        Triple<Vec>* const checkpoints = kept + size;
        const Triple<Vec> first = m;
        for (int64_t i = 0; i + 1 < count; ++i) {
            checkpoints[i] = m;
            for (int64_t n = i * size; n < (i + 1) * size; ++n) m = walk_.turn(walk_.relaxed(m, n), n);
        }
        Triple<Vec> bar{};
        int64_t record = p_.records - 1;
        for (int64_t i = count - 1; i >= 0; --i) {
            const int64_t from = i * size, to = std::min(from + size, p_.steps);
            if (i < count - 1) m = checkpoints[i];
            for (int64_t n = from; n < to; ++n) {
                kept[n - from] = walk_.relaxed(m, n);
                m = walk_.turn(kept[n - from], n);
            }
            for (int64_t n = to - 1; n >= from; --n) {
                if (record >= 0 && p_.record[record] == n + 1) enter(record--, n, walk_.turn(kept[n - from], n), bar);
                back(n, kept[n - from], bar);
            }
        }
        if (record >= 0) {
            const Triple<Vec> g = source_.cotangent(record, first, own_.receive);
            bar = {bar.x + g.x, bar.y + g.y, bar.z + g.z};
        }
        return bar;
    }

  private:
    // Through Relaxation::apply, with the states after it: returns the gradient of the time.
    MRIOPS_LANE_INLINE Vec relaxation_back(const Triple<Vec>& after, Triple<Vec>& bar, Relaxation<N>& relaxation,
                                           Scalar h) {
        const Vec g1 = (T(1) - after.z) * bar.z, g2 = -(after.x * bar.x + after.y * bar.y);
        own_.spins[0] = own_.spins[0] + g1 * h;
        own_.spins[1] = own_.spins[1] + g2 * h;
        relaxation.over(spins_, h);
        bar = relaxation.back(bar);
        return g1 * spins_.r1() + g2 * spins_.r2();
    }
    // Record j, taken after step n from the state m in the middle of it.
    void enter(int64_t j, int64_t n, const Triple<Vec>& m, Triple<Vec>& bar) {
        const Scalar* rest = table_.half(n);
        LaneVec<T>* const gradient = shared_.halves + j * table_.half_width;
        walk_.half_relaxation.over(spins_, rest[table_.axes + 1]);
        const Triple<Vec> relaxed = walk_.half_relaxation.apply(m);
        Triple<Vec> seen = relaxed, w{};
        if (p_.split) {
            w.z = spins_.precession(rest, table_.axes);
            seen = turned<N>(relaxed, w);
        }
        Triple<Vec> g = source_.cotangent(j, seen, own_.receive);
        if (p_.split) field_.precession_back(turned_back<N>(relaxed, w, g).z, rest, gradient);
        const Vec time = relaxation_back(relaxed, g, walk_.half_relaxation, rest[table_.axes + 1]);
        if (shared_.wanted) shared_.add(gradient + table_.axes + 1, time);
        bar = {bar.x + g.x, bar.y + g.y, bar.z + g.z};
    }

    // Through step n, which turned the state m.
    MRIOPS_LANE_INLINE void back(int64_t n, const Triple<Vec>& m, Triple<Vec>& bar) {
        const Scalar *row = table_.step(n), *rest = row + 2 * table_.channels;
        LaneVec<T>* const gradient = shared_.steps + n * table_.step_width;
        LaneVec<T>* const rest_gradient = gradient + 2 * table_.channels;
        Triple<Vec> w = walk_.vector(n), g;
        if (p_.split) {
            const Triple<Vec> z{Vec{}, Vec{}, w.z};
            w.z = Vec{};
            g = turned_back<N>(turned<N>(m, z), w, bar);
            g.z = turned_back<N>(m, z, bar).z;
        } else {
            g = turned_back<N>(m, w, bar);
        }
        field_.nutation_back(g.x, g.y, row, gradient);
        field_.precession_back(g.z, rest, rest_gradient);
        const Vec time = relaxation_back(m, bar, walk_.relaxation, rest[table_.axes + 1]);
        if (shared_.wanted) shared_.add(rest_gradient + table_.axes + 1, time);
    }

    const BlochProblem& p_;
    const BlochTable<N>& table_;
    const Isochromats<N>& spins_;
    const Source<N>& source_;
    const TableGradient<N>& shared_;
    const Gradients<N>& own_;
    FieldGradient<N> field_;
    Walk<N> walk_;
};

template <class N>
void run(const BlochProblem& p, const BlochArrays& a, int threads) {
    using T = typename N::Real;
    using Vec = typename N::Vec;
    constexpr int W = LaneOf<T>::width;
    const int64_t axes = p.axes, width = 2 * p.channels + axes + 2, half_width = axes + 2;
    const int64_t rows = p.steps * width + p.records * half_width;
    const bool wanted = a.grad_waveform != nullptr;
    const BlochJobs jobs(p, W, std::max<int64_t>(1, std::min<int64_t>(16, (int64_t(1) << 23) / (rows + 1))));
    // With tangents the sums of the values are needed too: two sets of rows.
    constexpr int sets = N::dual ? 2 : 1;
    const int64_t values = wanted ? rows * sets : 0;
    const std::unique_ptr<double[]> partial(new double[size_t(p.batch * jobs.chunks * values + 1)]());
    parallel_for(p.batch * jobs.chunks, useful_threads(p, threads), [&](int64_t job, int) {
        const int64_t b = job / jobs.chunks, chunk = job % jobs.chunks, n_rows = p.spin_rows();
        const BlochTable<N> table(p, a, b);
        Vec* const space = scratch<Vec>(Scratch::rows, size_t(2 * n_rows + 4 * p.coils));
        Triple<Vec>* const kept = scratch<Triple<Vec>>(Scratch::columns, size_t(Sweep<N>::states(p)));
        LaneVec<T>* const sums = scratch<LaneVec<T>>(Scratch::accumulator, size_t(values + 1));
        std::fill_n(sums, values, LaneVec<T>{});
        const TableGradient<N> shared{sums, sums + p.steps * width, rows, wanted};
        for (int64_t block = jobs.first(chunk); block < jobs.first(chunk + 1); ++block) {
            const int64_t from = block * W;
            const int lanes = int(std::min<int64_t>(W, p.spins - from));
            const Isochromats<N> spins(p, a, b, from, lanes, space);
            const Coils<N> coils(p, a, b, from, lanes, space + 2 * n_rows);
            const Gradients<N> own{space + n_rows, space + 2 * n_rows + 2 * p.coils};
            std::fill_n(own.spins, n_rows, Vec{});
            std::fill_n(own.receive, 2 * p.coils, Vec{});
            const int64_t start = 3 * ((p.own_magnetization ? b * p.spins : 0) + from);
            LaneVec<T> v[3], d[3] = {};
            load_triple<T>(static_cast<const T*>(a.magnetization) + start, lanes, v);
            if constexpr (N::dual) load_triple<T>(static_cast<const T*>(a.d_magnetization) + start, lanes, d);
            const Triple<Vec> m{N::lanes(v[0], d[0]), N::lanes(v[1], d[1]), N::lanes(v[2], d[2])};
            const Source<N> source(p, a, b, from, lanes, coils);
            const Triple<Vec> bar = Sweep<N>(p, table, spins, source, shared, own).run(m, kept);
            store_triple<T>(static_cast<T*>(a.grad_magnetization) + 3 * (b * p.spins + from), lanes, N::result(bar.x),
                            N::result(bar.y), N::result(bar.z));
            for (int64_t i = 0; i < n_rows; ++i)
                lane_store<T>(static_cast<T*>(a.grad_spins) + (b * n_rows + i) * p.spins + from,
                              N::result(own.spins[i]), lanes);
            for (int64_t c = 0; c < p.coils; ++c)
                for (int part = 0; part < 2; ++part)
                    for (int i = 0; i < lanes; ++i)
                        static_cast<T*>(a.grad_receive)[2 * ((b * p.coils + c) * p.spins + from + i) + part] =
                            N::result(own.receive[2 * c + part])[i];
        }
        for (int64_t i = 0; i < values; ++i) partial[job * values + i] = lane_sum<T>(sums[i]);
    });
    if (!wanted) return;
    parallel_for(p.batch, useful_threads(p, threads), [&](int64_t b, int) {
        double* const total = partial.get() + b * jobs.chunks * values;
        for (int64_t k = 1; k < jobs.chunks; ++k)
            for (int64_t i = 0; i < values; ++i) total[i] += total[k * values + i];
        waveform_gradient<N>(p, a, b, total, total + rows,
                             static_cast<T*>(a.grad_waveform) + b * p.waveform_rows() * p.steps);
    });
}

}  // namespace

namespace MRIOPS_ISA_NAMESPACE {

void bloch_vjp(const BlochProblem& p, Dtype dtype, const BlochArrays& a, int threads) {
    MRIOPS_BY_DTYPE(run<Values<T>>, p, a, threads)
}
void bloch_hvp(const BlochProblem& p, Dtype dtype, const BlochArrays& a, int threads) {
    MRIOPS_BY_DTYPE(run<Tangents<T>>, p, a, threads)
}

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
