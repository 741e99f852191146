// Random signal models with parameters and designs to draw from, and what programs about them share.
#pragma once
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

// check(case) for random cases, by turns on every instruction set of this processor. Arguments: their number, a seed.
template <class Check>
int run_signal_cases(int argc, char** argv, const Check& check) {
    const int cases = argc > 1 ? std::atoi(argv[1]) : 300;
    generator.seed(argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
    const auto choices = isa_choices();
    for (int i = 0; i < cases; ++i) {
        set_isa(choices[size_t(i) % choices.size()]);
        if (integer(0, 2) == 0)
            check(Case<float>(i));
        else
            check(Case<double>(i));
    }
    std::printf("%d cases\n", cases);
    return 0;
}

}  // namespace
