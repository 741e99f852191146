// Random signal models: value, Jacobian, jvp and vjp must agree, with differences too; and each voxel must be what it
// is alone, bit by bit, on any number of threads, whatever NaN, zero or infinity its neighbours hold.
#include "signal_cases.h"

namespace {

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

}  // namespace

int main(int argc, char** argv) {
    return run_signal_cases(argc, argv, [](const auto& c) {
        derivatives_agree(c);
        voxels_are_alone(c);
    });
}
