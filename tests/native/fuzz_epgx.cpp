// Random pulse trains for two pools: forward and reverse mode must agree, <J c, g> = <c, J^T g>, and so must their
// derivatives; at double precision, on every instruction set of this processor, with working memory no larger than
// asked for.
#include <array>

#include "derivatives.h"
#include "spins/epgx_dispatch.h"

using namespace mriops;

namespace {

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

struct Call {
    Argument pulses, readouts, tissue;
    std::vector<double> grad, d_grad, out;
    EpgxArrays arrays{};

    explicit Call(const EpgxProblem& p) {
        const double turn = p.real ? 0 : 3, off = p.real ? 0 : 1;
        pulses.fill(p.batch, p.own_pulses, p.segments, {-3, -turn, 0.1, 0}, {3, turn, 0.5, 1});
        readouts.fill(p.batch, p.own_readouts, p.samples, {0, -3}, {0.1, 3});
        tissue.fill(p.batch, p.own_tissue, p.atoms, {0.5, 1, 0.5, 1, 0, 0, 0, 0.5, -off, -off, 0.5},
                    {2, 5, 2, 5, 8, 8, 1, 1.5, off, off, 2});
        append(grad, 2 * p.batch * p.samples * p.atoms, -1, 1);
        d_grad.assign(grad.size(), 0);
        out.assign(grad.size(), 0);
        arrays = {pulses.value.data(),
                  readouts.value.data(),
                  tissue.value.data(),
                  pulses.tangent.data(),
                  readouts.tangent.data(),
                  tissue.tangent.data(),
                  grad.data(),
                  d_grad.data(),
                  out.data(),
                  nullptr,
                  nullptr,
                  nullptr};
    }
    void want(std::vector<double> Argument::* target) {
        arrays.grad_pulses = (pulses.*target).data();
        arrays.grad_readouts = (readouts.*target).data();
        arrays.grad_tissue = (tissue.*target).data();
    }
    std::array<Argument*, 3> arguments() { return {&pulses, &readouts, &tissue}; }
};

void one_case(int number) {
    const EpgxProblem p = random_problem();
    if (p.samples == 0) return;
    Call call(p);
    check_derivatives(number, epgx_kernels(), p, call, int(integer(1, 3)));
}

}  // namespace

int main(int argc, char** argv) { return run_cases(argc, argv, one_case); }
