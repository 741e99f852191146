// Random fits: costs and deviations must be those of the parameters found, bounds hold, and each voxel must be what it
// is alone, bit by bit, on any number of threads, whatever NaN, zero or infinity its neighbours hold. With working
// memory no larger than asked for.
#include "signal_cases.h"

namespace {

// A fit of random parameters, of the signals given.
template <class T>
struct Fit {
    const Case<T>& c;
    FitProblem problem;
    std::vector<T> atoms, solve, atom_parameters, grid, grid_parameters, bounds;
    std::vector<T> parameters, deviation, cost;
    std::vector<int32_t> iterations;

    explicit Fit(const Case<T>& model) : c(model) {
        const int64_t P = c.rows(), n = c.samples(), all = (int64_t(1) << P) - 1;
        const int64_t free = integer(0, 1) ? all : integer(1, all);
        const Ranges ranges = ranges_of(c.p.model);
        for (int side = 0; side < 2; ++side)
            for (int64_t k = 0; k < P; ++k) {
                const Range& r = ranges.parameters[std::min(size_t(k), ranges.parameters.size() - 1)];
                const double margin = 0.5 * (r.high - r.low);
                bounds.push_back(T(side == 0 ? (r.low > 0 ? 0.2 * r.low : r.low - margin) : r.high + margin));
            }
        if (integer(0, 1)) bounds[0] = -std::numeric_limits<T>::infinity(), bounds[size_t(P)] = -bounds[0];
        // Most models are linear in their first parameter alone: a grid of starts for these.
        const bool grid = (free & 1) && c.p.size.components == 1 && c.p.model != SignalModel::tofts && integer(0, 1);
        const int64_t count = grid ? integer(1, 9) : 0;
        for (int64_t m = 0; m < count; ++m) {
            const Case<T> atom = point();
            const std::vector<T> signal = atom.value(atom.parameters);
            double norm = 0;
            for (const T s : signal) norm += double(s) * double(s);
            norm = std::sqrt(norm) + 1e-30;
            for (const T s : signal) atoms.push_back(T(double(s) / norm));
            solve.push_back(T(1 / norm));
            atom_parameters.insert(atom_parameters.end(), atom.parameters.begin(), atom.parameters.end());
        }
        EXPECT(int64_t(atoms.size()) == count * n, "atoms");
        const int64_t affine = grid && !c.p.magnitude ? affine_of(free) : 0;
        const int64_t points = grid && !c.p.magnitude ? make_grid(free, affine) : 0;
        problem = make_fit_problem(c.p, count, 1, points, free, count > 0 ? 1 : 0, points > 0 ? affine : 0,
                                   integer(0, 1), integer(0, 3) == 0, integer(0, 1), integer(0, 25), 1e-3);
    }
    // The bit of the parameter in which the signal is affine, where it is free.
    int64_t affine_of(int64_t free) const {
        switch (c.p.model) {
            case SignalModel::bi_exponential:
            case SignalModel::ivim: return free & 2;
            case SignalModel::inversion_recovery:
            case SignalModel::saturation_recovery: return free & 4;
            case SignalModel::look_locker: return free & 8;
            default: return 0;
        }
    }
    // Orthonormal bases for variable projection; none where more or fewer than one or two parameters are left.
    int64_t make_grid(int64_t free, int64_t affine) {
        const int others = __builtin_popcountll(static_cast<unsigned long long>(free)) - (affine != 0 ? 2 : 1);
        if (others < 1 || others > 2) return 0;
        const int64_t points = integer(1, 9), n = c.samples();
        for (int64_t m = 0; m < points; ++m) {
            const Case<T> one = point();
            std::vector<std::vector<double>> columns;
            for (int64_t side = 0; side < (affine != 0 ? 2 : 1); ++side) {
                std::vector<T> at = one.parameters;
                for (int64_t k = 0; k < c.rows(); ++k)
                    if (affine >> k & 1) at[size_t(k)] = T(side);
                const std::vector<T> signal = one.value(at);
                columns.emplace_back(signal.begin(), signal.end());
            }
            for (size_t side = 0; side < columns.size(); ++side) {
                double norm = 0, along = 0;
                for (int64_t i = 0; i < n && side > 0; ++i) along += columns[0][size_t(i)] * columns[1][size_t(i)];
                for (int64_t i = 0; i < n && side > 0; ++i) columns[1][size_t(i)] -= along * columns[0][size_t(i)];
                for (const double s : columns[side]) norm += s * s;
                for (double& s : columns[side]) s /= std::sqrt(norm) + 1e-30;
                for (const double s : columns[side]) grid.push_back(T(s));
            }
            grid_parameters.insert(grid_parameters.end(), one.parameters.begin(), one.parameters.end());
        }
        return points;
    }
    Case<T> point() const {
        Case<T> one = c;
        one.p.voxels = 1;
        Case<T>::fill(one.parameters, c.rows(), 1, ranges_of(c.p.model).parameters);
        one.parameters[0] = 1;
        return one;
    }
    void run(const std::vector<T>& signal, const std::vector<T>& start, int threads) {
        FitProblem q = problem;
        q.signal.voxels = int64_t(signal.size()) / c.samples();
        parameters.assign(size_t(c.rows() * q.signal.voxels), T(77)), deviation = parameters;
        cost.assign(size_t(q.signal.voxels), T(77)), iterations.assign(cost.size(), 77);
        const std::vector<T> one = column(start, c.rows(), 0);
        const FitArrays arrays = {signal.data(),          problem.one_start ? one.data() : start.data(),
                                  atoms.data(),           solve.data(),
                                  atom_parameters.data(), grid.data(),
                                  grid_parameters.data(), bounds.data(),
                                  c.design.data(),        parameters.data(),
                                  deviation.data(),       cost.data(),
                                  iterations.data()};
        release_scratch();
        signal_kernels().fit(q, Case<T>::dtype(), arrays, threads);
    }
    bool is_free(int64_t k) const { return problem.free >> k & 1; }
};

template <class T>
double half_squares(const Case<T>& c, const std::vector<T>& signal, const std::vector<T>& parameters, int64_t v) {
    const std::vector<T> model = c.value(column(parameters, c.rows(), v));
    double sum = 0;
    for (int64_t j = 0; j < c.samples(); ++j) {
        const double r = double(signal[size_t(place(j, v, c.p.voxels, c.p.components()))]) - double(model[size_t(j)]);
        sum += 0.5 * r * r;
    }
    return sum;
}

template <class T>
void one_voxel(const Case<T>& c, const Fit<T>& fit, const std::vector<T>& signal, const std::vector<T>& start,
               int64_t v) {
    const int64_t P = c.rows(), V = c.p.voxels, n = c.samples();
    const std::vector<T> one_start = column(start, P, v);
    std::vector<T> one_signal(static_cast<size_t>(n));
    double power = 0;
    for (int64_t j = 0; j < n; ++j) {
        one_signal[size_t(j)] = signal[size_t(place(j, v, V, c.p.components()))];
        power += double(one_signal[size_t(j)]) * double(one_signal[size_t(j)]);
    }
    Fit<T> alone = fit;
    alone.run(one_signal, one_start, 1);
    expect_same(alone.parameters, column(fit.parameters, P, v), c.number, "fit alone, parameters");
    expect_same(alone.deviation, column(fit.deviation, P, v), c.number, "fit alone, deviations");
    expect_same(alone.cost, {fit.cost[size_t(v)]}, c.number, "fit alone, cost");
    expect_same(alone.iterations, {fit.iterations[size_t(v)]}, c.number, "fit alone, iterations");
    // Half the squares that are left, also from the noise that they show.
    const int64_t freedom = n - __builtin_popcount(fit.problem.free);
    const bool shown = !fit.problem.estimate_noise || freedom > 0;
    const double left = fit.problem.estimate_noise
                            ? 0.5 * double(alone.cost[0]) * double(alone.cost[0]) * double(freedom)
                            : double(alone.cost[0]);
    const bool lost = shown ? std::isnan(left) : std::isnan(alone.parameters[size_t(__builtin_ctz(fit.problem.free))]);
    EXPECT(std::isfinite(power) || lost, "case %d, voxel %lld: cost %g of a signal that is not finite", c.number,
           static_cast<long long>(v), double(alone.cost[0]));
    EXPECT(!lost || !(alone.iterations[0] > 0), "case %d: converged without a cost", c.number);
    for (int64_t k = 0; k < P; ++k) {
        const T x = alone.parameters[size_t(k)], low = fit.bounds[size_t(k)], high = fit.bounds[size_t(P + k)];
        EXPECT(std::isnan(x) == lost || !fit.is_free(k), "case %d, parameter %lld: %g, cost %g", c.number,
               static_cast<long long>(k), double(x), double(alone.cost[0]));
        if (lost) continue;
        EXPECT(fit.is_free(k) ? x >= low && x <= high : same_bits(x, one_start[size_t(k)]),
               "case %d: parameter %lld %g", c.number, static_cast<long long>(k), double(x));
        EXPECT(fit.is_free(k) ? !shown || alone.deviation[size_t(k)] >= 0 : alone.deviation[size_t(k)] == 0,
               "case %d: deviation %g", c.number, double(alone.deviation[size_t(k)]));
    }
    if (lost) return;
    // The cost is that of the parameters, to the rounding of residuals, and no step has made it larger.
    const double found = half_squares(c, signal, fit.parameters, v), size = power + found;
    const double rounding = 1e4 * c.eps() * size + c.eps();
    // The last step of a projected fit, a tenth of a standard error at most, is counted to second order.
    const double counted = fit.problem.n_grid > 0 ? 2e-3 * found : 0;
    EXPECT(!shown || std::abs(found - left) <= rounding + counted, "case %d, model %d: cost %g, residual %g", c.number,
           int(c.p.model), left, found);
    if (fit.problem.n_atoms > 0) return;
    std::vector<T> from = start;
    for (int64_t k = 0; k < P; ++k) {
        T& x = from[size_t(k * V + v)];
        if (fit.is_free(k)) x = std::min(std::max(x, fit.bounds[size_t(k)]), fit.bounds[size_t(P + k)]);
    }
    const double before = half_squares(c, signal, from, v);
    EXPECT(found <= before + rounding + 1e4 * c.eps() * before, "case %d, model %d: cost %g before, %g after", c.number,
           int(c.p.model), before, found);
}

template <class T>
void fits_are_sound(const Case<T>& c) {
    const int64_t P = c.rows(), V = c.p.voxels;
    std::vector<T> signal = c.value(c.parameters), start = c.parameters;
    Fit<T> fit(c);
    const double noise = integer(0, 1) ? 0 : 0.02;
    for (T& s : signal) s += T(noise * number(-1, 1));
    for (int64_t k = 0; k < P; ++k)
        for (int64_t v = 0; v < V && fit.is_free(k); ++v) start[size_t(k * V + v)] *= T(number(0.7, 1.3));
    const int64_t C = c.p.components(), dark = integer(0, V - 1), bad = integer(0, V - 1);
    if (integer(0, 1))
        for (int64_t j = 0; j < c.samples(); ++j) signal[size_t(place(j, dark, V, C))] = 0;
    if (V > 1) signal[size_t(place(integer(0, c.samples() - 1), bad, V, C))] = T(integer(0, 1) ? std::nan("") : 1e300);
    if (V > 1 && integer(0, 1)) start[size_t(integer(0, P * V - 1))] = T(strange());
    if (fit.problem.one_start)
        for (int64_t k = 0; k < P; ++k) std::fill_n(start.begin() + k * V, V, start[size_t(k * V)]);
    fit.run(signal, start, 3);
    const Fit<T> threaded = fit;
    fit.run(signal, start, 1);
    expect_same(fit.parameters, threaded.parameters, c.number, "threads, fitted parameters");
    expect_same(fit.deviation, threaded.deviation, c.number, "threads, deviations");
    expect_same(fit.cost, threaded.cost, c.number, "threads, cost");
    expect_same(fit.iterations, threaded.iterations, c.number, "threads, iterations");
    for (int64_t v = 0; v < V; v += V > 100 ? 97 : 1) one_voxel(c, fit, signal, start, v);
}

}  // namespace

int main(int argc, char** argv) {
    return run_signal_cases(argc, argv, [](const auto& c) { fits_are_sound(c); });
}
