// Chooses the radices of a line: as few passes through shared memory as the codelets allow.
#include "line_plan.cuh"

#include <iterator>
#include <memory>
#include <unordered_map>

namespace mriops::cuda {
namespace {

constexpr int kOuter[] = {8, 5, 4, 3, 2, 1};
constexpr int kInner[] = {16, 13, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2};

// Rough cost per point: two trips through shared memory, the twiddles and the arithmetic, in units of a trip.
double inner_cost(int radix) {
    switch (radix) {
        case 1: return 0;
        case 2: return 2.8;
        case 3: return 3.1;
        case 4: return 3.1;
        case 5: return 3.4;
        case 6: return 3.5;
        case 7: return 4.0;
        case 8: return 3.5;
        case 9: return 3.9;
        case 10: return 3.8;
        case 11: return 5.0;
        case 13: return 5.5;
        case 16: return 4.2;
        default: return 4.0 + 0.6 * radix;  // generic prime: every output reads every second input
    }
}
double outer_cost(int radix) { return radix == 1 ? 2.0 : inner_cost(radix) - 0.5; }

bool has_codelet(int radix) {
    for (int inner : kInner)
        if (inner == radix) return true;
    return false;
}

struct Choice {
    double cost = 1e30;
    std::vector<int> radices;
};

void choose_inner(int64_t rest, std::size_t from, double cost, std::vector<int>& chain, int first, int last,
                  Choice& best) {
    if (cost >= best.cost) return;
    if (rest == 1) {
        best.cost = cost;
        best.radices.assign(1, first);
        best.radices.insert(best.radices.end(), chain.begin(), chain.end());
        best.radices.push_back(last);
        return;
    }
    for (std::size_t i = from; i < std::size(kInner); ++i)
        if (rest % kInner[i] == 0) {
            chain.push_back(kInner[i]);
            choose_inner(rest / kInner[i], i, cost + inner_cost(kInner[i]), chain, first, last, best);
            chain.pop_back();
        }
}

Choice choose_radices(int64_t n) {
    // Primes without a codelet stand first among the inner radices, whatever else is chosen.
    std::vector<int> primes;
    int64_t smooth = n;
    double prime_cost = 0;
    for (int p = 17; p <= kLargestDirectPrime; ++p)
        while (smooth % p == 0) {
            bool prime = true;
            for (int d = 2; d * d <= p; ++d) prime = prime && p % d != 0;
            if (!prime) break;
            primes.push_back(p);
            prime_cost += inner_cost(p);
            smooth /= p;
        }
    Choice best;
    for (int first : kOuter)
        for (int last : kOuter)
            if (smooth % (first * last) == 0) {
                std::vector<int> chain = primes;
                choose_inner(smooth / (first * last), 0, outer_cost(first) + outer_cost(last) + prime_cost, chain,
                             first, last, best);
            }
    return best;
}

LinePlan make_plan(int64_t n) {
    LinePlan plan;
    plan.n = static_cast<int>(n);
    if (n > kLongestLine) return plan;
    const Choice choice = choose_radices(n);
    if (choice.radices.empty() || choice.radices.size() > LinePlan::kMaxStages) return plan;
    plan.stages = static_cast<int>(choice.radices.size());
    int length = plan.n;
    for (int i = 0; i < plan.stages; ++i) {
        LineStage& s = plan.stage[i];
        s.radix = choice.radices[i];
        s.length = length;
        s.span = length / s.radix;
        s.twiddle_step = plan.n / length;
        s.by_span = FastDivisor(static_cast<unsigned>(s.span));
        const bool inner = i > 0 && i + 1 < plan.stages;
        const bool generic = inner && !has_codelet(s.radix);
        // Frequencies 0 to radix / 2 (each with its mirror image), two to a piece of work.
        s.units = generic ? (s.radix / 2 + 2) / 2 : 1;
        s.by_units = FastDivisor(static_cast<unsigned>(s.units));
        plan.second_buffer = plan.second_buffer || generic;
        length = s.span;
    }
    return plan;
}

}  // namespace

const LinePlan& line_plan(int64_t n) {
    static thread_local std::unordered_map<int64_t, std::unique_ptr<LinePlan>> plans;
    std::unique_ptr<LinePlan>& plan = plans[n];
    if (!plan) plan = std::make_unique<LinePlan>(make_plan(n));
    return *plan;
}

int64_t bluestein_length(int64_t n) {
    static thread_local std::unordered_map<int64_t, int64_t> known;
    int64_t& best = known[n];
    if (best != 0) return best;
    double best_cost = 1e30;
    int64_t limit = 1;
    while (limit < 2 * n - 1) limit *= 2;
    for (int64_t five = 1; five <= limit; five *= 5)
        for (int64_t three = five; three <= limit; three *= 3)
            for (int64_t m = three; m <= limit; m *= 2)
                if (m >= 2 * n - 1) {
                    if (m > kLongestLine) {
                        if (best == 0 || m < best) best = m;
                        continue;
                    }
                    const LinePlan& plan = line_plan(m);
                    double cost = 0;
                    for (int i = 0; i < plan.stages; ++i)
                        cost += i == 0 || i + 1 == plan.stages ? outer_cost(plan.stage[i].radix)
                                                               : inner_cost(plan.stage[i].radix);
                    cost *= static_cast<double>(m);
                    if (cost < best_cost) best_cost = cost, best = m;
                }
    return best;
}

}  // namespace mriops::cuda
