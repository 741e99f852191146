// Random pulse trains: forward and reverse mode must agree, <J c, g> = <c, J^T g>, and so must their derivatives; at
// double precision, on every instruction set of this processor, with working memory no larger than asked for.
#include <algorithm>

#include "derivatives.h"
#include "spins/epg_dispatch.h"

using namespace mriops;

namespace {

std::vector<double> numbers(int64_t n, double low, double high) {
    std::vector<double> values;
    append(values, n, low, high);
    return values;
}

EpgProblem random_problem() {
    EpgProblem p{0, 0, integer(1, 40), integer(0, 3) ? 0 : integer(1, 12), {}};
    const bool odd = integer(0, 2) == 0;
    p.program = {odd ? int64_t(epg_odd_orders) + integer(0, 1) * int64_t(epg_real_signal) : 0};
    if (odd) {
        p.program.insert(p.program.end(), {1, 0, 0, 0});
        p.segments = 1;
    } else if (integer(0, 1)) {
        p.program.insert(p.program.end(), {1, 0, int64_t(epg_inverts), 1, 0});
        p.segments = p.samples = 1;
    }
    for (int64_t run = integer(1, 4); run > 0; --run) {
        const int64_t count = integer(1, 45), samples = integer(0, 2);
        p.program.insert(p.program.end(), {count, odd ? integer(0, 2) : integer(-2, 3), integer(0, 3), samples});
        for (int64_t i = 0; i < samples; ++i) p.program.push_back(odd ? integer(0, 1) : integer(-3, 3));
        p.segments += count;
        p.samples += count * samples;
    }
    return p;
}

// Every array of a call; gradients of everything that is there.
struct Call {
    std::vector<double> value[epg_arguments], tangent[epg_arguments], gradient[epg_arguments], second[epg_arguments];
    std::vector<double> cotangent, signal;
    EpgArrays arrays{};

    explicit Call(const EpgProblem& p) {
        const bool real = p.program[0] & epg_real_signal;
        const double low[epg_arguments] = {-3, -3, 0.1, 0, -3, 0.5, 0.2, 0.5, -1, 0.5, 0.01, 0};
        const double high[epg_arguments] = {3, 3, 0.5, 0.1, 3, 2, 1, 1.5, 1, 2, 1, 1};
        for (int i = 0; i < epg_arguments; ++i) {
            const bool optional = i == epg_phase || i == epg_receiver_phase || i > epg_t2;
            if (optional && (integer(0, 1) || (real && (i == epg_phase || i == epg_off_resonance)))) continue;
            const int64_t n = i >= epg_t1                                       ? p.atoms
                              : i == epg_sample_time || i == epg_receiver_phase ? p.samples
                                                                                : p.segments;
            value[i] = numbers(n, low[i], high[i]);
            tangent[i] = numbers(n, -1, 1);
            gradient[i].assign(static_cast<size_t>(n), 0);
            second[i].assign(static_cast<size_t>(n), 0);
            arrays.value[i] = value[i].data();
            arrays.tangent[i] = tangent[i].data();
        }
        const int64_t n = p.samples * p.atoms * (real ? 1 : 2);
        cotangent = numbers(n, -1, 1);
        signal.assign(static_cast<size_t>(n), 0);
        arrays.cotangent = cotangent.data();
        arrays.signal = signal.data();
    }
    void want(std::vector<double> (&target)[epg_arguments]) {
        for (int i = 0; i < epg_arguments; ++i) arrays.gradient[i] = value[i].empty() ? nullptr : target[i].data();
    }
};

void one_case(int number) {
    const EpgProblem p = random_problem();
    const EpgKernels& kernels = epg_kernels();
    Call call(p);
    const int threads = int(integer(1, 3));
    release_scratch();
    kernels.jvp(p, Dtype::complex128, call.arrays, threads);
    const double forward = dot(call.signal, call.cotangent);
    const double size = std::sqrt(dot(call.signal, call.signal) * dot(call.cotangent, call.cotangent));
    call.want(call.gradient);
    release_scratch();
    kernels.vjp(p, Dtype::complex128, call.arrays, threads);
    double backward = 0;
    for (int i = 0; i < epg_arguments; ++i) backward += dot(call.gradient[i], call.tangent[i]);
    EXPECT(std::abs(forward - backward) <= 1e-11 * (size + 1e-3), "case %d: %g and %g", number, forward, backward);

    // Two directions of the atoms in one sweep, the second one nothing: the first is what the sweep for one gives.
    std::vector<double> doubled[epg_arguments];
    EpgArrays both = call.arrays;
    for (int i = 0; i < epg_arguments; ++i) {
        if (i < epg_sequence_arguments) call.arrays.tangent[i] = nullptr;
        doubled[i] = call.tangent[i];
        doubled[i].resize(2 * doubled[i].size(), 0.0);
        both.tangent[i] = i < epg_sequence_arguments || doubled[i].empty() ? nullptr : doubled[i].data();
    }
    const size_t n = call.signal.size();
    std::vector<double> rows(3 * n, 0.0), value(n, 0.0);
    both.signal = rows.data();
    release_scratch();
    kernels.jacobian(p, Dtype::complex128, both, {2, true}, threads);
    kernels.jvp(p, Dtype::complex128, call.arrays, threads);
    EpgArrays plain = call.arrays;
    plain.signal = value.data();
    kernels.forward(p, Dtype::complex128, plain, threads);
    double worst = 0, most = 1e-3;
    for (size_t i = 0; i < n; ++i) {
        const double differences[] = {rows[i] - value[i], rows[n + i] - call.signal[i], rows[2 * n + i]};
        for (const double difference : differences) worst = std::max(worst, std::abs(difference));
        most = std::max({most, std::abs(value[i]), std::abs(call.signal[i])});
    }
    EXPECT(worst <= 1e-12 * most, "case %d: differs by %g of %g", number, worst, most);
    for (int i = 0; i < epg_sequence_arguments; ++i)
        call.arrays.tangent[i] = call.tangent[i].empty() ? nullptr : call.tangent[i].data();

    // d/dh of the gradient along the tangent, by differences: h^2 f''' and eps / h.
    call.want(call.second);
    release_scratch();
    kernels.hvp(p, Dtype::complex128, call.arrays, threads);
    double along = 0, scale = 1e-3, curved = 0;
    for (int i = 0; i < epg_arguments; ++i) curved += dot(call.second[i], call.tangent[i]);
    call.want(call.gradient);
    const double h = 1e-5;
    for (const double sign : {1.0, -1.0}) {
        for (int i = 0; i < epg_arguments; ++i)
            for (size_t j = 0; j < call.value[i].size(); ++j)
                call.value[i][j] += (sign > 0 ? 1 : -2) * h * call.tangent[i][j];
        kernels.vjp(p, Dtype::complex128, call.arrays, threads);
        for (int i = 0; i < epg_arguments; ++i) {
            along += sign * dot(call.gradient[i], call.tangent[i]) / (2 * h);
            scale += std::sqrt(dot(call.second[i], call.second[i]) * dot(call.tangent[i], call.tangent[i]));
        }
    }
    EXPECT(std::abs(along - curved) <= 1e-5 * scale, "case %d: %g and %g", number, along, curved);
}

}  // namespace

int main(int argc, char** argv) { return run_cases(argc, argv, one_case); }
