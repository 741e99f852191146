// Times all chains of radices of the lengths given: a line each, "length nanoseconds-per-row chosen radix radix ...".
//
// There and back down columns of lanes, in single precision, in a buffer that stays where it is. Clocks drift: each
// time is divided by that of one fixed transform just before, and the median ratio times a nominal time of that is
// written.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <vector>

#include "../../csrc/fft/columns.h"

using namespace mriops;

namespace {

using T = float;
constexpr int kMostStages = 4;
constexpr double kNominal = 8.5;

double now() {
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double time_of(const Plan<T>& plan, Cx<T>* data, const T* weights, int calls) {
    roundtrip_columns(plan, data, static_cast<Cx<T>*>(nullptr), ScalarWeight<T>{weights});
    const double begin = now();
    for (int i = 0; i < calls; ++i)
        roundtrip_columns(plan, data, static_cast<Cx<T>*>(nullptr), ScalarWeight<T>{weights});
    return (now() - begin) / (double(calls) * double(plan.n));
}

void all_chains(int64_t rest, std::vector<int>& chain, std::vector<std::vector<int>>& found) {
    if (rest == 1 && chain.size() > 1) found.push_back(chain);
    if (rest == 1 || chain.size() == kMostStages) return;
    for (int r : {2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20}) {
        if (rest % r) continue;
        chain.push_back(r);
        all_chains(rest / r, chain, found);
        chain.pop_back();
    }
}

void time_length(int64_t n, const Plan<T>& fixed) {
    std::vector<std::vector<int>> chains;
    std::vector<int> chain;
    all_chains(n, chain, chains);
    const std::vector<int> chosen = choose_radices(n, Stay::near).list;
    std::vector<Plan<T>> plans;
    for (const auto& radices : chains) plans.emplace_back(n, Radices{radices, 0, true});
    const size_t bytes = size_t(n + fixed.n) * sizeof(Cx<T>);
    Cx<T>* data = static_cast<Cx<T>*>(::operator new(bytes, std::align_val_t(4096)));
    std::fill_n(data, n + fixed.n, Cx<T>{});  // zeros stay zeros: no overflow, no denormal numbers
    const std::vector<T> weights(size_t(std::max(n, fixed.n)), T(1) / T(n));
    std::vector<std::vector<double>> ratios(chains.size());
    for (int round = 0; round < 31; ++round)
        for (size_t k = 0; k < chains.size(); ++k) {
            const double reference = time_of(fixed, data + n, weights.data(), 12);
            ratios[k].push_back(time_of(plans[k], data, weights.data(), 10) / reference);
        }
    for (size_t k = 0; k < chains.size(); ++k) {
        const auto middle = ratios[k].begin() + ratios[k].size() / 2;
        std::nth_element(ratios[k].begin(), middle, ratios[k].end());
        std::printf("%lld %.4f %d", static_cast<long long>(n), kNominal * *middle, chains[k] == chosen);
        for (int r : chains[k]) std::printf(" %d", r);
        std::printf("\n");
    }
    ::operator delete(data, std::align_val_t(4096));
}

}  // namespace

int main(int count, char** words) {
    const Plan<T> fixed(160, Radices{{4, 4, 10}, 0, true});
    for (int i = 1; i < count; ++i) time_length(std::atoll(words[i]), fixed);
    return 0;
}
