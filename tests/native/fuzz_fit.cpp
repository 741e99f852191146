// Random signal models and fits: value, Jacobian, jvp and vjp must agree, with differences too; and each voxel must be
// what it is alone, bit by bit, on any number of threads, whatever NaN, zero or infinity its neighbours hold. On every
// instruction set of this processor, with working memory no larger than asked for.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "core/isa.h"
#include "core/scratch.h"
#include "expect.h"
#include "spins/models_dispatch.h"

using namespace mriops;

namespace {

std::mt19937_64 generator;

int64_t integer(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(generator); }
double number(double low, double high) { return std::uniform_real_distribution<double>(low, high)(generator); }

struct Range {
    double low, high;
};

// Where parameters and designs are drawn from: one range per row, the last one for all rows that follow.
struct Ranges {
    std::vector<Range> parameters, design;
};

Ranges ranges_of(SignalModel model) {
    const Range m0{0.5, 2}, t1{0.3, 2}, t2{0.03, 0.3}, unit{0.1, 0.9}, good{0.6, 1.1}, any{-1, 1}, flip{0.05, 0.5};
    switch (model) {
        case SignalModel::mono_exponential: return {{m0, t2}, {{0, 0.2}}};
        case SignalModel::bi_exponential: return {{m0, unit, {0.01, 0.03}, {0.08, 0.2}}, {{0, 0.2}}};
        case SignalModel::stretched_exponential: return {{m0, t2, {0.5, 1.5}}, {{0.001, 0.2}}};
        case SignalModel::inversion_recovery: return {{m0, t1, good}, {{0, 3}, {3, 6}}};
        case SignalModel::saturation_recovery:
        case SignalModel::molli: return {{m0, t1, good}, {{0, 3}}};
        case SignalModel::look_locker: return {{m0, t1, good, good}, {{0, 3}, flip, {0.004, 0.02}}};
        case SignalModel::spgr: return {{m0, t1, good}, {flip, {0.004, 0.02}}};
        case SignalModel::bssfp: return {{any, any, t1, t2, {-40, 40}, good}, {flip, {0.004, 0.01}, {0, 0.004}, any}};
        case SignalModel::gradient_echo_trains: return {{m0, t1, good, good}, {unit, flip, {0.004, 0.01}, {0, 40}}};
        case SignalModel::water_fat: return {{any, any, any, any, {-90, 90}, {0, 90}}, {{0.001, 0.01}, any}};
        case SignalModel::diffusion_kurtosis: return {{m0, any}, {{0, 0.2}}};
        case SignalModel::ivim: return {{m0, unit, {5, 20}, {0.5, 2}}, {{0, 1}}};
        case SignalModel::tofts: return {{unit, unit, unit}, {{0, 9}, {0, 3}}};
        case SignalModel::phase_contrast: return {{any}, {{-2, 2}}};
        case SignalModel::asl_continuous:
        case SignalModel::asl_pulsed: return {{m0, {0.005, 0.02}, {0.2, 1}, t1, t1}, {{0.5, 4}, {0.5, 2}, {1, 1.2}}};
        default: return {{m0, {0, 1}}, {{0, 1}}};  // diffusion: numbers of order one stand for b and D
    }
}

template <class T>
struct Case {
    SignalProblem p;
    std::vector<T> parameters, design;
    int number;

    int64_t rows() const { return p.size.parameters; }
    int64_t samples() const { return p.steps * p.components(); }  // per voxel
    static Dtype dtype() { return sizeof(T) == 4 ? Dtype::complex64 : Dtype::complex128; }
    static double eps() { return std::numeric_limits<T>::epsilon(); }

    explicit Case(int n) : number(n) {
        const int64_t sizes[] = {1, 7, 17, 1300};  // the last is work for several threads
        const int model = int(integer(0, int(SignalModel::count) - 1));
        p = make_signal_problem(model, integer(0, 2) == 0, integer(1, 14), sizes[integer(0, 15) ? integer(0, 2) : 3]);
        const Ranges ranges = ranges_of(p.model);
        fill(parameters, rows(), p.voxels, ranges.parameters);
        fill(design, p.size.rows, p.steps, ranges.design);
        const auto same = [&](int64_t row) {
            std::fill_n(design.begin() + row * p.steps, p.steps, design[row * p.steps]);
        };
        if (p.model == SignalModel::tofts) std::sort(design.begin(), design.begin() + p.steps);
        if (p.model == SignalModel::look_locker) same(1), same(2);
        if (p.model == SignalModel::asl_continuous || p.model == SignalModel::asl_pulsed) same(2);
        if (p.model == SignalModel::gradient_echo_trains) {
            for (int64_t i = 3 * p.steps; i < 5 * p.steps; ++i) design[size_t(i)] = std::floor(design[size_t(i)]);
            same(5);
        }
    }
    static void fill(std::vector<T>& out, int64_t rows, int64_t columns, const std::vector<Range>& ranges) {
        out.resize(size_t(rows * columns));
        for (int64_t i = 0; i < rows * columns; ++i) {
            const Range& r = ranges[std::min(size_t(i / columns), ranges.size() - 1)];
            out[size_t(i)] = T(::number(r.low, r.high));
        }
    }

    std::vector<T> run(SignalTask task, const std::vector<T>& at, const std::vector<T>& in, std::vector<T>* more,
                       int threads) const {
        SignalProblem q = p;
        q.voxels = int64_t(at.size()) / rows();
        const int64_t n = (task == SignalTask::vjp ? rows() : samples()) * q.voxels;
        std::vector<T> out(size_t(n), T(77));
        if (more != nullptr) more->assign(size_t(rows() * samples() * q.voxels), T(77));
        release_scratch();
        signal_kernels().signal(task, q, dtype(), at.data(), in.data(), design.data(), out.data(),
                                more ? more->data() : nullptr, threads);
        return out;
    }
    std::vector<T> value(const std::vector<T>& at, int threads = 1) const {
        return run(SignalTask::value, at, {}, nullptr, threads);
    }
};

// Sample j of voxel v: (steps, voxels, components).
int64_t place(int64_t j, int64_t v, int64_t voxels, int64_t components) {
    return (j / components * voxels + v) * components + j % components;
}

template <class T>
bool same_bits(T a, T b) {
    return std::memcmp(&a, &b, sizeof(T)) == 0 || (std::isnan(a) && std::isnan(b));
}
template <class T>
void expect_same(const std::vector<T>& a, const std::vector<T>& b, int number, const char* what) {
    EXPECT(a.size() == b.size(), "case %d: %s", number, what);
    for (size_t i = 0; i < a.size(); ++i)
        EXPECT(same_bits(a[i], b[i]), "case %d, %s, element %zu: %g and %g", number, what, i, double(a[i]),
               double(b[i]));
}

template <class T>
std::vector<T> random(size_t n) {
    std::vector<T> values(n);
    for (T& value : values) value = T(number(-1, 1));
    return values;
}

// <J t, c> = <t, J^T c> term by term: jvp and vjp against the Jacobian, the Jacobian against differences.
template <class T>
void derivatives_agree(const Case<T>& c) {
    const int64_t P = c.rows(), V = c.p.voxels, C = c.p.components(), n = c.samples();
    const std::vector<T> tangent = random<T>(c.parameters.size()), cotangent = random<T>(size_t(n * V));
    std::vector<T> jacobian;
    const std::vector<T> value = c.value(c.parameters);
    const std::vector<T> beside = c.run(SignalTask::jacobian, c.parameters, {}, &jacobian, 1);
    const std::vector<T> pushed = c.run(SignalTask::jvp, c.parameters, tangent, nullptr, 1);
    const std::vector<T> pulled = c.run(SignalTask::vjp, c.parameters, cotangent, nullptr, 1);
    // Central differences, h^2 f''' and eps / h; steps relative to the size of a parameter.
    const double h = 1e-5;
    std::vector<T> ahead = c.parameters, behind = c.parameters;
    for (size_t i = 0; i < ahead.size(); ++i) {
        const T step = T(h) * tangent[i] * c.parameters[i];
        ahead[i] += step, behind[i] -= step;
    }
    ahead = c.value(ahead), behind = c.value(behind);
    for (int64_t v = 0; v < V; ++v)
        for (int64_t j = 0; j < n; ++j) {
            const size_t at = size_t(place(j, v, V, C));
            double sum = 0, size = 0, along = 0, reach = std::abs(double(value[at]));
            for (int64_t k = 0; k < P; ++k) {
                const double g = jacobian[size_t(k * n * V) + at], t = tangent[size_t(k * V + v)];
                const double relative = g * t * double(c.parameters[size_t(k * V + v)]);
                sum += g * t, size += std::abs(g * t), along += relative, reach += std::abs(relative);
            }
            EXPECT(std::abs(beside[at] - value[at]) <= 1e4 * c.eps() * (reach + 1), "case %d, model %d: %g and %g",
                   c.number, int(c.p.model), double(beside[at]), double(value[at]));
            EXPECT(std::abs(pushed[at] - sum) <= 2. * double(P) * c.eps() * size, "case %d: %g and %g", c.number,
                   double(pushed[at]), sum);
            // Magnitudes and arriving labels have kinks: no derivative to compare with where one is between the points.
            const double bend = std::abs(double(ahead[at]) - 2 * double(value[at]) + double(behind[at])) / h;
            if (sizeof(T) == 4 || bend > 0.01 * (reach + 0.01)) continue;
            const double found = (double(ahead[at]) - double(behind[at])) / (2 * h);
            EXPECT(std::abs(found - along) <= 1e-5 * (reach + 0.01) + bend, "case %d, model %d, sample %lld: %g and %g",
                   c.number, int(c.p.model), static_cast<long long>(j), found, along);
        }
    for (int64_t k = 0; k < P; ++k)
        for (int64_t v = 0; v < V; ++v) {
            double sum = 0, size = 0;
            for (int64_t j = 0; j < n; ++j) {
                const size_t at = size_t(place(j, v, V, C));
                const double term = double(jacobian[size_t(k * n * V) + at]) * double(cotangent[at]);
                sum += term, size += std::abs(term);
            }
            EXPECT(std::abs(pulled[size_t(k * V + v)] - sum) <= 2. * double(n) * c.eps() * size, "case %d: %g and %g",
                   c.number, double(pulled[size_t(k * V + v)]), sum);
        }
}

double strange() {
    const double inf = std::numeric_limits<double>::infinity();
    const double values[] = {std::nan(""), inf, -inf, 0, -1, 1e30, -1e30, 1e-30, 1e-40};
    return values[integer(0, 8)];
}

// Column v of (rows, voxels), as a problem of one voxel.
template <class T>
std::vector<T> column(const std::vector<T>& all, int64_t rows, int64_t v) {
    const int64_t voxels = int64_t(all.size()) / rows;
    std::vector<T> one(static_cast<size_t>(rows));
    for (int64_t k = 0; k < rows; ++k) one[size_t(k)] = all[size_t(k * voxels + v)];
    return one;
}

// Strange numbers in some voxels: each voxel is what it is alone, and NaN in the first parameter is NaN in the signal.
template <class T>
void voxels_are_alone(const Case<T>& c) {
    const int64_t P = c.rows(), V = c.p.voxels, C = c.p.components(), n = c.samples();
    std::vector<T> at = c.parameters;
    for (int64_t i = 0; i < 1 + V / 3; ++i) at[size_t(integer(0, P * V - 1))] = T(strange());
    at[size_t(integer(0, V - 1))] = T(std::nan(""));
    std::vector<T> jacobian, threaded;
    const std::vector<T> value = c.value(at), both = c.run(SignalTask::jacobian, at, {}, &jacobian, 1);
    expect_same(value, c.value(at, 3), c.number, "threads, value");
    expect_same(both, c.run(SignalTask::jacobian, at, {}, &threaded, 3), c.number, "threads, value of the Jacobian");
    expect_same(jacobian, threaded, c.number, "threads, Jacobian");
    for (int64_t v = 0; v < V; v += V > 100 ? 97 : 1) {
        std::vector<T> slope;
        const std::vector<T> alone = column(at, P, v), one = c.value(alone);
        c.run(SignalTask::jacobian, alone, {}, &slope, 1);
        for (int64_t j = 0; j < n; ++j) {
            const T here = value[size_t(place(j, v, V, C))];
            EXPECT(same_bits(here, one[size_t(j)]), "case %d, model %d, voxel %lld: %g, alone %g", c.number,
                   int(c.p.model), static_cast<long long>(v), double(here), double(one[size_t(j)]));
            EXPECT(!std::isnan(alone[0]) || std::isnan(here), "case %d, model %d: %g of NaN", c.number, int(c.p.model),
                   double(here));
            for (int64_t k = 0; k < P; ++k)
                EXPECT(same_bits(jacobian[size_t(k * n * V + place(j, v, V, C))], slope[size_t(k * n + j)]),
                       "case %d, model %d, voxel %lld: Jacobian", c.number, int(c.p.model), static_cast<long long>(v));
        }
    }
}

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

template <class T>
void one_case(int number) {
    const Case<T> c(number);
    derivatives_agree(c);
    voxels_are_alone(c);
    fits_are_sound(c);
}

}  // namespace

int main(int argc, char** argv) {
    const int cases = argc > 1 ? std::atoi(argv[1]) : 300;
    generator.seed(argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
    const auto choices = isa_choices();
    for (int i = 0; i < cases; ++i) {
        set_isa(choices[size_t(i) % choices.size()]);
        if (integer(0, 2) == 0)
            one_case<float>(i);
        else
            one_case<double>(i);
    }
    std::printf("%d cases\n", cases);
    return 0;
}
