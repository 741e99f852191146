// Random problems against the Bloch kernels: fuzz_bloch [cases] [seed].
//
// Each case runs every instruction set of this processor, on one thread and on several: both must agree bit for bit,
// and tangents and gradients must be each other's transposes, <g, J d> = <J^T g, d>, for states, signals and spinors.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/isa.h"
#include "spins/bloch_dispatch.h"
#include "spins/bloch_problem.h"

namespace {

using namespace mriops;

std::mt19937_64 random_bits;

int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_bits() % static_cast<uint64_t>(high - low + 1));
}

template <class T>
std::vector<T> random_reals(int64_t n) {
    std::normal_distribution<double> normal;
    std::vector<T> x(static_cast<size_t>(n));
    for (auto& v : x) v = static_cast<T>(0.3 * normal(random_bits));
    return x;
}

template <class T>
double inner(const std::vector<T>& a, const std::vector<T>& b) {
    double total = 0;
    for (size_t i = 0; i < a.size(); ++i) total += double(a[i]) * double(b[i % b.size()]);
    return total;
}

// Inputs of one problem, their tangents, the cotangent, and the results. Gradients have the whole batch.
template <class T>
struct Data {
    Data(const BlochProblem& p, bool spinor) {
        const int64_t sizes[] = {p.waveform_rows() * p.steps, p.spin_rows() * p.spins, 3 * p.spins,
                                 2 * p.coils * p.spins};
        const bool own[] = {p.own_waveform, p.own_spins, p.own_magnetization, p.own_receive};
        for (int i = 0; i < 4; ++i) {
            x[i] = random_reals<T>((own[i] ? p.batch : 1) * sizes[i] + 1);
            x[i].pop_back();
            d[i] = random_reals<T>(static_cast<int64_t>(x[i].size()));
            gradient[i].assign(static_cast<size_t>(p.batch * sizes[i]), T(NAN));
        }
        // Times and rates are positive, and all steps together take about a second.
        for (int64_t b = 0; b < (p.own_waveform ? p.batch : 1); ++b)
            for (int64_t n = 0; n < p.steps; ++n) {
                T& dt = x[0][static_cast<size_t>((b + 1) * sizes[0] - p.steps + n)];
                dt = (std::abs(dt) + T(0.1)) / T(p.steps);
            }
        for (int64_t b = 0; b < (p.own_spins ? p.batch : 1); ++b)
            for (int64_t i = 0; i < 2 * p.spins; ++i) {
                T& rate = x[1][static_cast<size_t>(b * sizes[1] + i)];
                rate = std::abs(rate);
            }
        const int64_t values = spinor ? 4 * p.spins : p.coils ? 2 * p.coils * p.records : 3 * p.spins * p.records;
        out.assign(static_cast<size_t>(p.batch * values), T(NAN));
        grad = random_reals<T>(p.batch * values);
        d_grad = random_reals<T>(p.batch * values);
    }
    BlochArrays arrays() {
        return {x[0].data(), x[1].data(),        x[2].data(),        x[3].data(),        d[0].data(),
                d[1].data(), d[2].data(),        d[3].data(),        grad.data(),        d_grad.data(),
                out.data(),  gradient[0].data(), gradient[1].data(), gradient[2].data(), gradient[3].data()};
    }

    std::vector<T> x[4], d[4], gradient[4], out, grad, d_grad;
};

bool failed = false;

void expect(bool fine, const char* what, double a, double b) {
    if (fine) return;
    failed = true;
    std::printf("%s: %.9g and %.9g\n", what, a, b);
}

template <class T>
void check(const BlochProblem& p, Dtype dtype, bool spinor) {
    Data<T> data(p, spinor);
    const BlochSweeps& sweeps = spinor ? bloch_kernels().spinor : bloch_kernels().states;
    const int arguments = spinor ? 2 : p.coils ? 4 : 3;
    sweeps.forward(p, dtype, data.arrays(), 1);
    const std::vector<T> alone = data.out;
    sweeps.forward(p, dtype, data.arrays(), 3);
    expect(std::memcmp(alone.data(), data.out.data(), alone.size() * sizeof(T)) == 0, "threads", 0, 0);
    sweeps.jvp(p, dtype, data.arrays(), 2);
    sweeps.vjp(p, dtype, data.arrays(), 3);
    const double forward = inner(data.out, data.grad);
    double reverse = 0, size = 1;
    for (int i = 0; i < arguments; ++i) {
        const double term = inner(data.gradient[i], data.d[i]);
        reverse += term;
        size += std::abs(term);
    }
    // Sums of up to 1e5 terms; steps that follow each other.
    const double tolerance = (sizeof(T) == 4 ? 1e-3 : 1e-11) * size;
    expect(std::abs(forward - reverse) <= tolerance, "jvp and vjp", forward, reverse);
    sweeps.hvp(p, dtype, data.arrays(), 2);
    for (int i = 0; i < arguments; ++i)
        for (T v : data.gradient[i])
            if (!std::isfinite(v)) return expect(false, "hvp", double(v), 0);
}

}  // namespace

int main(int argc, char** argv) {
    const int64_t cases = argc > 1 ? std::atoll(argv[1]) : 300;
    random_bits.seed(argc > 2 ? static_cast<uint64_t>(std::atoll(argv[2])) : 1);
    for (int64_t i = 0; i < cases && !failed; ++i) {
        const bool checkpoints = i % 50 == 7;  // states of this many steps do not fit
        const int64_t steps = checkpoints ? between(5000, 9000) : between(1, 9);
        const int64_t batch = checkpoints ? 1 : between(1, 3), spins = between(1, checkpoints ? 9 : 90);
        const int64_t channels = between(1, 3);
        std::vector<int64_t> record;
        for (int64_t n = 0; n <= steps && record.size() < 9; ++n)
            if (between(0, 3) == 0) record.push_back(n);
        if (record.empty()) record.push_back(steps);
        const BlochProblem p = make_bloch_problem(batch, spins, steps, channels, between(0, 3), channels > 1 || i % 2,
                                                  i % 3 == 0, int(between(0, 15)), i % 4 == 0 ? 3 : 0, record);
        BlochProblem bare = p;
        bare.coils = 0;
        for (const std::string& isa : isa_choices()) {
            set_isa(isa);
            if (between(0, 1)) {
                check<float>(p, Dtype::complex64, false);
                check<float>(bare, Dtype::complex64, true);
            } else {
                check<double>(p, Dtype::complex128, false);
                check<double>(bare, Dtype::complex128, true);
            }
        }
        if (failed) std::printf("case %lld\n", static_cast<long long>(i));
    }
    if (!failed) std::printf("%lld cases\n", static_cast<long long>(cases));
    return failed;
}
