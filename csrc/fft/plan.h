// How a length is transformed: its radices, twiddles, the order in which frequencies come out, or Bluestein's
// convolution.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "lanes.h"

namespace mriops {
namespace {

// exp(-2 pi i k / n) in double precision, from the first octant so that symmetric angles give symmetric values.
inline void unit_root(int64_t k, int64_t n, double& re, double& im) {
    k %= n;
    if (k < 0) k += n;
    const int64_t octant = 8 * k / n;
    const int64_t quarter = (octant + 1) / 2;  // nearest multiple of 90 degrees
    const double angle = 2 * 3.14159265358979323846 * (double(4 * k - quarter * n) / 4) / double(n);
    const double c = std::cos(angle), s = std::sin(angle);
    switch (quarter % 4) {
        case 0: re = c, im = -s; break;
        case 1: re = -s, im = -c; break;
        case 2: re = -c, im = s; break;
        default: re = s, im = c;
    }
}

constexpr int kLargestDirectRadix = 64;  // a prime above this goes through Bluestein

struct Radices {
    std::vector<int> list;
    double cost;  // relative work per point
    bool direct;  // false: has a prime factor above kLargestDirectRadix
};

// Where rows come from when a transform begins: the caches next to the core, or wherever the last pass left them.
enum class Stay { near, anywhere };

// Nanoseconds per row of lanes, there and back: of the first stage, of one between, and of the last one, which has no
// twiddles and is done in one visit. Fitted to what `python -m benchmarks.radices` times.
struct StageCost {
    double first, inner, last;
};

#if defined(__AVX512F__)
// Processors of AMD add beside multiplying. Where rows stay in the caches next to the core, which these read as fast as
// they compute, more and smaller radices cost less there than elsewhere.
inline bool made_by_amd() {
#if defined(__x86_64__)
    static const bool amd = (__builtin_cpu_init(), __builtin_cpu_is("amd"));
    return amd;
#else
    return false;
#endif
}
inline StageCost stage_cost_amd(int r) {
    switch (r) {
        case 2: return {2.04, 2.08, 2.25};
        case 3: return {2.6, 2.52, 2.47};
        case 4: return {2.6, 2.57, 2.06};
        case 5: return {3.3, 3.21, 3.27};
        case 6: return {3.01, 3.03, 2.67};
        case 7: return {4.13, 3.98, 3.83};
        case 8: return {3.21, 3.59, 3};
        case 10: return {3.9, 4.41, 3.25};
        case 12: return {4.14, 4.28, 3.27};
        case 16: return {5.59, 6.05, 3.67};
        case 20: return {7.84, 7.85, 4.48};
    }
    return {2.6 + 0.6 * r, 2.6 + 0.6 * r, 2.6 + 0.6 * r};  // without a codelet
}
// The last stage of 20 by hand: its rows do not fit into the registers, which costs more in volumes, where they come
// from outer caches.
inline StageCost stage_cost(int r) {
    const auto cost = [](double inner, double last) { return StageCost{inner, inner, last}; };
    switch (r) {
        case 2: return cost(2.01, 0.43);
        case 3: return cost(2.78, 0.91);
        case 4: return cost(2.85, 0.91);
        case 5: return cost(3.56, 1.81);
        case 6: return cost(3.85, 1.69);
        case 7: return cost(5.19, 3.35);
        case 8: return cost(4.03, 1.91);
        case 10: return cost(4.56, 2.44);
        case 12: return cost(5.07, 2.43);
        case 16: return cost(5.71, 2.93);
        case 20: return cost(6.7, 3.5);
    }
    return cost(2.6 + 0.6 * r, 2.6 + 0.6 * r);  // without a codelet
}
#else  // sixteen registers
inline StageCost stage_cost(int r) {
    const auto cost = [](double inner, double last) { return StageCost{inner, inner, last}; };
    switch (r) {
        case 2: return cost(1.76, 0.89);
        case 3: return cost(2.55, 1.32);
        case 4: return cost(2.44, 1.05);
        case 5: return cost(3.68, 2.34);
        case 6: return cost(3.18, 1.7);
        case 7: return cost(5.52, 4.31);
        case 8: return cost(4.08, 2.4);
        case 10: return cost(5.42, 3.49);
        case 12: return cost(5.26, 3.15);
        case 16: return cost(6.41, 3.65);
        case 20: return cost(6.75, 4);
    }
    return cost(2.6 + 0.6 * r, 2.6 + 0.6 * r);  // without a codelet
}
#endif

// The same in a transform of n rows: called once for all of them, and not faster than they come from the second-level
// cache where they do not fit into the first.
inline double stage_cost(int r, int64_t n, bool first, bool last, Stay stay) {
#if defined(__AVX512F__)
    if (stay == Stay::near && made_by_amd()) {
        const StageCost own = stage_cost_amd(r);
        return last ? own.last : first ? own.first : own.inner;
    }
#endif
    constexpr double kFit = 46080.0 / (2 * MRIOPS_VECTOR_BYTES), kFetch = MRIOPS_VECTOR_BYTES == 64 ? 4.7 : 3.6;
    const StageCost own = stage_cost(r);
    const double outside = std::min(1.0, 3 * std::max(0.0, 1 - kFit / double(n)));
    return 8.0 / double(n) + (last ? own.last : std::max(first ? own.first : own.inner, kFetch * outside));
}

// The cheapest chain of radices, by exhaustive search over the codelets (lengths have few divisors).
inline void search_radices(int64_t n, int64_t rest, double cost, Stay stay, std::vector<int>& chain, Radices& best) {
    if (cost >= best.cost) return;
    if (rest == 1) {
        best.list = chain;
        best.cost = cost;
        return;
    }
    for (int r : {11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20}) {
        if (rest % r) continue;
        chain.push_back(r);
        search_radices(n, rest / r, cost + stage_cost(r, n, rest == n, rest == r, stay), stay, chain, best);
        chain.pop_back();
        if (r > 10 && r % 2) return;  // a radix without a codelet comes as early as it can: one order is enough
    }
}

inline Radices choose_radices(int64_t n, Stay stay) {
    Radices best{{}, 1e30, true};
    std::vector<int> chain;
    search_radices(n, n, 0, stay, chain, best);
    best.direct = n == 1 || !best.list.empty();
    return best;
}

template <class T>
struct Plan {
    struct Stage {
        int radix;
        int64_t length, stride, blocks;  // a transform of `length` = radix * stride, done `blocks` times
        std::vector<T> twiddles;         // [stride][radix - 1][2], exp(-2 pi i p k / length)
        std::vector<T> roots;            // radices without a codelet: cos and sin of 2 pi k / radix
    };
    int64_t n;
    std::vector<Stage> stages;
    std::vector<int> frequency;  // position after a forward transform -> frequency
    std::vector<int> position;   // the inverse of it

    // Bluestein: x chirped, convolved at a fast length, chirped again. `frequency` is the identity.
    std::unique_ptr<Plan> convolution;
    std::vector<T> chirp;     // [n][2], exp(-pi i j^2 / n)
    std::vector<T> spectrum;  // [fast length, transformed order][2]

    explicit Plan(int64_t size, Stay stay = Stay::anywhere) : Plan(size, choose_radices(size, stay)) {}
    Plan(int64_t size, const Radices& radices);

    // Rows of lanes that `forward` and `inverse` need besides the data.
    int64_t work_rows() const { return convolution ? convolution->n : 0; }
};

inline int64_t bluestein_length(int64_t n) {
    int64_t best = 0;
    double best_cost = 1e30;
    for (int64_t m = 2 * n - 1; m <= 4 * n; ++m) {
        int64_t rest = m;
        for (int p : {2, 3, 5})
            while (rest % p == 0) rest /= p;
        if (rest != 1) continue;
        const double cost = choose_radices(m, Stay::near).cost * double(m);
        if (cost < best_cost) best = m, best_cost = cost;
    }
    return best;
}

template <class T>
Plan<T>::Plan(int64_t size, const Radices& radices) : n(size), frequency(size_t(size), 0), position(size_t(size), 0) {
    if (radices.direct) {
        int64_t length = n, blocks = 1;
        for (int r : radices.list) {
            Stage s{r, length, length / r, blocks, {}, {}};
            s.twiddles.resize(size_t(s.stride * (r - 1) * 2));
            for (int64_t p = 0; p < s.stride; ++p)
                for (int k = 1; k < r; ++k) {
                    double re, im;
                    unit_root(p * k, length, re, im);
                    s.twiddles[size_t((p * (r - 1) + k - 1) * 2)] = T(re);
                    s.twiddles[size_t((p * (r - 1) + k - 1) * 2 + 1)] = T(im);
                }
            for (int k = 0; k < r; ++k) {
                double re, im;
                unit_root(k, r, re, im);
                s.roots.push_back(T(re));
                s.roots.push_back(T(-im));
            }
            stages.push_back(std::move(s));
            length /= r;
            blocks *= r;
        }
        for (int64_t p = 0; p < n; ++p) {
            int64_t rest = p, weight = 1, f = 0;
            for (const Stage& s : stages) {
                f += weight * (rest / s.stride);
                rest %= s.stride;
                weight *= s.radix;
            }
            frequency[size_t(p)] = int(f);
        }
    } else {
        for (int64_t p = 0; p < n; ++p) frequency[size_t(p)] = int(p);
        const int64_t m = bluestein_length(n);
        convolution = std::make_unique<Plan>(m, Stay::near);
        chirp.resize(size_t(2 * n));
        std::vector<double> kernel(size_t(2 * m), 0.0);
        for (int64_t j = 0; j < n; ++j) {
            double re, im;
            unit_root(j * j % (2 * n), 2 * n, re, im);
            chirp[size_t(2 * j)] = T(re);
            chirp[size_t(2 * j + 1)] = T(im);
            for (int64_t at : {j, (m - j) % m}) {
                kernel[size_t(2 * at)] = re;
                kernel[size_t(2 * at + 1)] = -im;
            }
        }
        // A direct sum in double precision: exact, and done once per length. Only n distinct values enter.
        spectrum.resize(size_t(2 * m));
        std::vector<double> root(size_t(2 * m));
        for (int64_t k = 0; k < m; ++k) unit_root(k, m, root[size_t(2 * k)], root[size_t(2 * k + 1)]);
        for (int64_t p = 0; p < m; ++p) {
            const int64_t f = convolution->frequency[size_t(p)];
            double re = kernel[0], im = kernel[1];
            for (int64_t j = 1, at = f % m; j < n; ++j, at = (at + f) % m) {
                const double c = 2 * root[size_t(2 * at)];  // the kernel is even: cosines only
                re += c * kernel[size_t(2 * j)];
                im += c * kernel[size_t(2 * j + 1)];
            }
            spectrum[size_t(2 * p)] = T(re / double(m));
            spectrum[size_t(2 * p + 1)] = T(im / double(m));
        }
    }
    for (int64_t p = 0; p < n; ++p) position[size_t(frequency[size_t(p)])] = int(p);
}

}  // namespace
}  // namespace mriops
