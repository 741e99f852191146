// Random pulse trains for two pools: forward and reverse mode must agree, <J c, g> = <c, J^T g>, and so must their
// derivatives; at double precision, on every instruction set of this processor, with working memory no larger than
// asked for.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "core/isa.h"
#include "core/scratch.h"
#include "expect.h"
#include "spins/epgx_dispatch.h"

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

EpgxProblem random_problem() {
    EpgxProblem p{};
    p.batch = integer(1, 3);
    p.atoms = integer(1, 20);
    p.orders = integer(0, 3) ? 0 : integer(1, 12);
    p.transverse = integer(0, 1);
    p.real = !p.transverse && integer(0, 1);
    p.own_pulses = integer(0, 1), p.own_readouts = integer(0, 1), p.own_tissue = integer(0, 1);
    p.program = {0};
    for (int64_t run = integer(1, 4); run > 0; --run) {
        const int64_t count = integer(1, 30), samples = integer(0, 2);
        p.program.insert(p.program.end(), {count, integer(-2, 3), integer(0, 3), samples});
        for (int64_t i = 0; i < samples; ++i) p.program.push_back(integer(-3, 3));
        p.segments += count;
        p.samples += count * samples;
    }
    return p;
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
    Argument pulses, readouts, tissue;
    std::vector<double> grad, d_grad, signal;
    EpgxArrays arrays{};

    static void fill(Argument& argument, const EpgxProblem& p, bool own, int64_t n, const std::vector<double>& low,
                     const std::vector<double>& high) {
        for (int64_t item = 0; item < (own ? p.batch : 1); ++item)
            for (size_t row = 0; row < low.size(); ++row) {
                append(argument.value, n, low[row], high[row]);
                // Rows that have no derivative where states are real are 0.
                append(argument.tangent, n, low[row] == high[row] ? 0 : -1, low[row] == high[row] ? 0 : 1);
            }
        argument.gradient.assign(size_t(p.batch * n) * low.size(), 0);
        argument.second = argument.gradient;
    }
    explicit Call(const EpgxProblem& p) {
        const double turn = p.real ? 0 : 3, off = p.real ? 0 : 1;
        fill(pulses, p, p.own_pulses, p.segments, {-3, -turn, 0.1, 0}, {3, turn, 0.5, 1});
        fill(readouts, p, p.own_readouts, p.samples, {0, -3}, {0.1, 3});
        fill(tissue, p, p.own_tissue, p.atoms, {0.5, 1, 0.5, 1, 0, 0, 0, 0.5, -off, -off, 0.5},
             {2, 5, 2, 5, 8, 8, 1, 1.5, off, off, 2});
        append(grad, 2 * p.batch * p.samples * p.atoms, -1, 1);
        d_grad.assign(grad.size(), 0);
        signal.assign(grad.size(), 0);
        arrays = {pulses.value.data(),
                  readouts.value.data(),
                  tissue.value.data(),
                  pulses.tangent.data(),
                  readouts.tangent.data(),
                  tissue.tangent.data(),
                  grad.data(),
                  d_grad.data(),
                  signal.data(),
                  nullptr,
                  nullptr,
                  nullptr};
    }
    void want(std::vector<double> Argument::* target) {
        arrays.grad_pulses = (pulses.*target).data();
        arrays.grad_readouts = (readouts.*target).data();
        arrays.grad_tissue = (tissue.*target).data();
    }
    double along(std::vector<double> Argument::* target) const {
        return pulses.along(pulses.*target) + readouts.along(readouts.*target) + tissue.along(tissue.*target);
    }
};

void one_case(int number) {
    const EpgxProblem p = random_problem();
    if (p.samples == 0) return;
    const EpgxKernels& kernels = epgx_kernels();
    Call call(p);
    const int threads = int(integer(1, 3));
    release_scratch();
    kernels.jvp(p, Dtype::complex128, call.arrays, threads);
    const double forward = dot(call.signal, call.grad);
    const double size = std::sqrt(dot(call.signal, call.signal) * dot(call.grad, call.grad));
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
        for (Argument* argument : {&call.pulses, &call.readouts, &call.tissue})
            for (size_t j = 0; j < argument->value.size(); ++j)
                argument->value[j] += (sign > 0 ? 1 : -2) * h * argument->tangent[j];
        kernels.vjp(p, Dtype::complex128, call.arrays, threads);
        along += sign * call.along(&Argument::gradient) / (2 * h);
    }
    for (const Argument* argument : {&call.pulses, &call.readouts, &call.tissue})
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
