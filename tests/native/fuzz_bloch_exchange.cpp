// Random waveforms for isochromats with two pools: forward and reverse mode must agree, <J c, g> = <c, J^T g>, and so
// must their derivatives; at double precision, on every instruction set of this processor, with working memory no
// larger than asked for.
#include <array>

#include "derivatives.h"
#include "spins/bloch_exchange_dispatch.h"

using namespace mriops;

namespace {

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

struct Call {
    Argument waveform, spins, magnetization;
    std::vector<double> grad, d_grad, out;
    BlochExchangeArrays arrays{};

    explicit Call(const BlochExchangeProblem& p) {
        // Long waveforms turn and relax less per step, so that differences stay meaningful.
        const double size = 1.0 / double(p.steps);
        std::vector<double> low(size_t(p.waveform_rows()), -1), high(low.size(), 1);
        low.back() = 0.5 * size, high.back() = 1.5 * size;
        waveform.fill(p.batch, p.own_waveform, p.steps, low, high);
        for (double& tangent : waveform.tangent) tangent *= size;
        low = {0.5, 1, 0.5, 1, 0, 0, 0, -1, -1};
        high = {2, 5, 2, 5, 8, 8, 1, 1, 1};
        low.resize(size_t(p.spin_rows()), -1);
        high.resize(size_t(p.spin_rows()), 1);
        spins.fill(p.batch, p.own_spins, p.spins, low, high);
        magnetization.fill(p.batch, p.own_magnetization, p.spins, std::vector<double>(6, -1),
                           std::vector<double>(6, 1));
        append(grad, 6 * p.batch * p.records * p.spins, -1, 1);
        d_grad.assign(grad.size(), 0);
        out.assign(grad.size(), 0);
        arrays = {waveform.value.data(),
                  spins.value.data(),
                  magnetization.value.data(),
                  waveform.tangent.data(),
                  spins.tangent.data(),
                  magnetization.tangent.data(),
                  grad.data(),
                  d_grad.data(),
                  out.data(),
                  nullptr,
                  nullptr,
                  nullptr};
    }
    void want(std::vector<double> Argument::* target) {
        arrays.grad_waveform = (waveform.*target).data();
        arrays.grad_spins = (spins.*target).data();
        arrays.grad_magnetization = (magnetization.*target).data();
    }
    std::array<Argument*, 3> arguments() { return {&waveform, &spins, &magnetization}; }
};

void one_case(int number) {
    Sizes sizes = random_problem();
    sizes.problem.record = sizes.record.data();
    sizes.problem.records = int64_t(sizes.record.size());
    const BlochExchangeProblem& p = sizes.problem;
    Call call(p);
    check_derivatives(number, bloch_exchange_kernels(), p, call, int(integer(1, 3)));
}

}  // namespace

int main(int argc, char** argv) { return run_cases(argc, argv, one_case); }
