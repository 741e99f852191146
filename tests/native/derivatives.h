// What the fuzz programs of ops with a few packed arguments share: random arguments, and the test of their derivatives.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "core/dtype.h"
#include "core/isa.h"
#include "core/scratch.h"
#include "expect.h"

namespace {

std::mt19937_64 generator;

int64_t integer(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(generator); }
void append(std::vector<double>& values, int64_t n, double low, double high) {
    for (int64_t i = 0; i < n; ++i) values.push_back(std::uniform_real_distribution<double>(low, high)(generator));
}
double dot(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
}

// One array of a call: shared by the batch or not, its gradient for the full batch.
struct Argument {
    std::vector<double> value, tangent, gradient, second;

    // Rows of `n` numbers between `low` and `high`; a row without room between them is given no tangent.
    void fill(int64_t batch, bool own, int64_t n, const std::vector<double>& low, const std::vector<double>& high) {
        for (int64_t item = 0; item < (own ? batch : 1); ++item)
            for (size_t row = 0; row < low.size(); ++row) {
                const double wide = low[row] == high[row] ? 0 : 1;
                append(value, n, low[row], high[row]);
                append(tangent, n, -wide, wide);
            }
        gradient.assign(size_t(batch * n) * low.size(), 0);
        second = gradient;
    }
    double along(const std::vector<double>& grad) const {
        double sum = 0;
        for (size_t i = 0; i < grad.size(); ++i) sum += grad[i] * tangent[i % tangent.size()];
        return sum;
    }
};

// Forward and reverse mode agree, <J c, g> = <c, J^T g>, and so do their derivatives. A call has its arrays,
// arguments(), the cotangent `grad`, the result `out`, and want(target), which says where gradients go.
template <class Kernels, class Problem, class Call>
void check_derivatives(int number, const Kernels& kernels, const Problem& p, Call& call, int threads) {
    using mriops::Dtype;
    const auto arguments = call.arguments();
    const auto along = [&](std::vector<double> Argument::* target) {
        double sum = 0;
        for (const Argument* argument : arguments) sum += argument->along(argument->*target);
        return sum;
    };
    mriops::release_scratch();
    kernels.jvp(p, Dtype::complex128, call.arrays, threads);
    const double forward = dot(call.out, call.grad);
    const double size = std::sqrt(dot(call.out, call.out) * dot(call.grad, call.grad));
    call.want(&Argument::gradient);
    mriops::release_scratch();
    kernels.vjp(p, Dtype::complex128, call.arrays, threads);
    const double backward = along(&Argument::gradient);
    EXPECT(std::abs(forward - backward) <= 1e-11 * (size + 1e-3), "case %d: %g and %g", number, forward, backward);

    // d/dh of the gradient along the tangent, by differences: h^2 f''' and eps / h.
    call.want(&Argument::second);
    mriops::release_scratch();
    kernels.hvp(p, Dtype::complex128, call.arrays, threads);
    const double curved = along(&Argument::second), h = 1e-5;
    call.want(&Argument::gradient);
    double differences = 0, scale = 1e-3;
    for (const double sign : {1.0, -1.0}) {
        for (Argument* argument : arguments)
            for (size_t j = 0; j < argument->value.size(); ++j)
                argument->value[j] += (sign > 0 ? 1 : -2) * h * argument->tangent[j];
        kernels.vjp(p, Dtype::complex128, call.arrays, threads);
        differences += sign * along(&Argument::gradient) / (2 * h);
    }
    for (const Argument* argument : arguments)
        scale += std::sqrt(dot(argument->second, argument->second) * double(argument->second.size()));
    EXPECT(std::abs(differences - curved) <= 1e-5 * scale, "case %d: %g and %g", number, differences, curved);
}

// main(): [cases] [seed], the instruction sets of this processor in turn.
int run_cases(int argc, char** argv, void (*one_case)(int number)) {
    const int cases = argc > 1 ? std::atoi(argv[1]) : 200;
    generator.seed(argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
    const auto choices = mriops::isa_choices();
    for (int i = 0; i < cases; ++i) {
        mriops::set_isa(choices[size_t(i) % choices.size()]);
        one_case(i);
    }
    std::printf("%d cases\n", cases);
    return 0;
}

}  // namespace
