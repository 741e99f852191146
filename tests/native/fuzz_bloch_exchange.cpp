// Random waveforms for isochromats with two pools: forward and reverse mode must agree, <J c, g> = <c, J^T g>, and so
// must their derivatives; at double precision, on every instruction set of this processor, with working memory no
// larger than asked for.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "core/isa.h"
#include "core/scratch.h"
#include "expect.h"
#include "spins/bloch_exchange_dispatch.h"

using namespace mriops;

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

struct Sizes {
    BlochExchangeProblem problem;
    std::vector<int64_t> record;
};

Sizes random_problem() {
    Sizes s{};
    BlochExchangeProblem& p = s.problem;
    p.batch = integer(1, 3);
    p.spins = integer(1, 20);
    p.steps = integer(0, 9) ? integer(1, 40) : integer(700, 1500);  // more states than are kept at once
    p.b1 = integer(0, 1);
    p.channels = p.b1 ? integer(1, 3) : 1;
    p.axes = integer(0, 3);
    p.own_waveform = integer(0, 1), p.own_spins = integer(0, 1), p.own_magnetization = integer(0, 1);
    for (int64_t n = integer(0, p.steps); n <= p.steps; n += integer(1, p.steps)) s.record.push_back(n);
    return s;
}

// One array of a call: shared by the batch or not, its gradient for the full batch.
struct Argument {
    std::vector<double> value, tangent, gradient, second;
    double along(const std::vector<double>& grad) const {
        double sum = 0;
        for (size_t i = 0; i < grad.size(); ++i) sum += grad[i] * tangent[i % tangent.size()];
        return sum;
    }
};

struct Call {
    Argument waveform, spins, magnetization;
    std::vector<double> grad, d_grad, states;
    BlochExchangeArrays arrays{};

    static void fill(Argument& argument, const BlochExchangeProblem& p, bool own, int64_t n,
                     const std::vector<double>& low, const std::vector<double>& high) {
        for (int64_t item = 0; item < (own ? p.batch : 1); ++item)
            for (size_t row = 0; row < low.size(); ++row) {
                append(argument.value, n, low[row], high[row]);
                append(argument.tangent, n, -1, 1);
            }
        argument.gradient.assign(size_t(p.batch * n) * low.size(), 0);
        argument.second = argument.gradient;
    }
    explicit Call(const BlochExchangeProblem& p) {
        // Long waveforms turn and relax less per step, so that differences stay meaningful.
        const double size = 1.0 / double(p.steps);
        std::vector<double> low(size_t(p.waveform_rows()), -1), high(low.size(), 1);
        low.back() = 0.5 * size, high.back() = 1.5 * size;
        fill(waveform, p, p.own_waveform, p.steps, low, high);
        for (double& tangent : waveform.tangent) tangent *= size;
        low = {0.5, 1, 0.5, 1, 0, 0, 0, -1, -1};
        high = {2, 5, 2, 5, 8, 8, 1, 1, 1};
        low.resize(size_t(p.spin_rows()), -1);
        high.resize(size_t(p.spin_rows()), 1);
        fill(spins, p, p.own_spins, p.spins, low, high);
        fill(magnetization, p, p.own_magnetization, p.spins, std::vector<double>(6, -1), std::vector<double>(6, 1));
        append(grad, 6 * p.batch * p.records * p.spins, -1, 1);
        d_grad.assign(grad.size(), 0);
        states.assign(grad.size(), 0);
        arrays = {waveform.value.data(),
                  spins.value.data(),
                  magnetization.value.data(),
                  waveform.tangent.data(),
                  spins.tangent.data(),
                  magnetization.tangent.data(),
                  grad.data(),
                  d_grad.data(),
                  states.data(),
                  nullptr,
                  nullptr,
                  nullptr};
    }
    void want(std::vector<double> Argument::* target) {
        arrays.grad_waveform = (waveform.*target).data();
        arrays.grad_spins = (spins.*target).data();
        arrays.grad_magnetization = (magnetization.*target).data();
    }
    double along(std::vector<double> Argument::* target) const {
        return waveform.along(waveform.*target) + spins.along(spins.*target) +
               magnetization.along(magnetization.*target);
    }
};

void one_case(int number) {
    Sizes sizes = random_problem();
    sizes.problem.record = sizes.record.data();
    sizes.problem.records = int64_t(sizes.record.size());
    const BlochExchangeProblem& p = sizes.problem;
    const BlochExchangeKernels& kernels = bloch_exchange_kernels();
    Call call(p);
    const int threads = int(integer(1, 3));
    release_scratch();
    kernels.jvp(p, Dtype::complex128, call.arrays, threads);
    const double forward = dot(call.states, call.grad);
    const double size = std::sqrt(dot(call.states, call.states) * dot(call.grad, call.grad));
    call.want(&Argument::gradient);
    release_scratch();
    kernels.vjp(p, Dtype::complex128, call.arrays, threads);
    const double backward = call.along(&Argument::gradient);
    EXPECT(std::abs(forward - backward) <= 1e-11 * (size + 1e-3), "case %d: %g and %g", number, forward, backward);

    // d/dh of the gradient along the tangent, by differences: h^2 f''' and eps / h.
    call.want(&Argument::second);
    release_scratch();
    kernels.hvp(p, Dtype::complex128, call.arrays, threads);
    const double curved = call.along(&Argument::second), h = 1e-5;
    call.want(&Argument::gradient);
    double along = 0, scale = 1e-3;
    for (const double sign : {1.0, -1.0}) {
        for (Argument* argument : {&call.waveform, &call.spins, &call.magnetization})
            for (size_t j = 0; j < argument->value.size(); ++j)
                argument->value[j] += (sign > 0 ? 1 : -2) * h * argument->tangent[j];
        kernels.vjp(p, Dtype::complex128, call.arrays, threads);
        along += sign * call.along(&Argument::gradient) / (2 * h);
    }
    for (const Argument* argument : {&call.waveform, &call.spins, &call.magnetization})
        scale += std::sqrt(dot(argument->second, argument->second) * double(argument->second.size()));
    EXPECT(std::abs(along - curved) <= 1e-5 * scale, "case %d: %g and %g", number, along, curved);
}

}  // namespace

int main(int argc, char** argv) {
    const int cases = argc > 1 ? std::atoi(argv[1]) : 200;
    generator.seed(argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
    const auto choices = isa_choices();
    for (int i = 0; i < cases; ++i) {
        set_isa(choices[size_t(i) % choices.size()]);
        one_case(i);
    }
    std::printf("%d cases\n", cases);
    return 0;
}
