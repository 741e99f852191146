// A transform of length 2n of n samples and n zeros, weights, and back, as two transforms of length n.
//
// Even frequencies 2f are the DFT_n of x, odd ones 2f + 1 the DFT_n of w x with w_j = exp(-pi i j / n). Back, the first
// n samples of the inverse are (even + conj(w) odd) / 2. So nothing is computed from the zeros, nothing that is cropped
// is computed, any n has a plan, and the two halves can be done one after the other in the same memory.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "../fft/columns.h"
#include "../fft/plan_cache.h"

namespace mriops {
namespace {

// w of a length in the two forms that are used.
template <class T>
struct Twist {
    static constexpr int W = Lanes<T>::width;
    std::vector<T> scalar;  // [n][re, im]
    std::vector<T> vector;  // [ceil(n / width)][re, im][lane], 1 beyond n

    explicit Twist(int64_t n) : scalar(size_t(2 * n)), vector(size_t((n + W - 1) / W * W * 2)) {
        for (int64_t j = 0; j < (n + W - 1) / W * W; ++j) {
            double re = 1, im = 0;
            if (j < n) {
                unit_root(j, 2 * n, re, im);
                scalar[size_t(2 * j)] = T(re);
                scalar[size_t(2 * j + 1)] = T(im);
            }
            vector[size_t(j / W * 2 * W + j % W)] = T(re);
            vector[size_t(j / W * 2 * W + W + j % W)] = T(im);
        }
    }
    Cx<T> lanes(int64_t v) const {
        return {load_unaligned(vector.data() + 2 * v * W), load_unaligned(vector.data() + (2 * v + 1) * W)};
    }
    Cx<T> times(int64_t j, Cx<T> v) const {
        return mul_scalar<false>(v, scalar[size_t(2 * j)], scalar[size_t(2 * j + 1)]);
    }
    Cx<T> conj_times(int64_t j, Cx<T> v) const {
        return mul_scalar<true>(v, scalar[size_t(2 * j)], scalar[size_t(2 * j + 1)]);
    }
};

// Made once per length and process.
template <class T>
const Twist<T>& twist_for(int64_t n) {
    static std::mutex mutex;
    static std::map<int64_t, std::unique_ptr<const Twist<T>>> known;
    const std::lock_guard<std::mutex> lock(mutex);
    auto& slot = known[n];
    if (!slot) slot = std::make_unique<const Twist<T>>(n);
    return *slot;
}

// Asks for memory that comes next while sample j is worked on.
struct NothingAhead {
    MRIOPS_INLINE void operator()(int64_t) const {}
};

template <class T, class Ahead>
struct Twisted {
    const Cx<T>* data;
    int64_t step;
    const T* w;
    Ahead ahead;
    MRIOPS_INLINE Cx<T> operator()(int64_t j) const {
        ahead(j);
        return mul_scalar<false>(data[j * step], w[2 * j], w[2 * j + 1]);
    }
};

template <class T>
struct AddTwistedBack {
    Cx<T>* data;
    int64_t step;
    const Cx<T>* other;
    const T* w;
    MRIOPS_INLINE void operator()(int64_t j, Cx<T> v) const {
        data[j * step] = v + mul_scalar<true>(other[j], w[2 * j], w[2 * j + 1]);
    }
};

// One axis of a problem.
template <class T>
struct DoubledAxis {
    int64_t n;
    const Plan<T>& plan;
    const Twist<T>& twist;
    explicit DoubledAxis(int64_t size) : n(size), plan(plan_for<T>(size)), twist(twist_for<T>(size)) {}
    int64_t work_rows() const { return plan.work_rows(); }
    // Frequency of length n that a half leaves at `position`, and of length 2n.
    int64_t bin(int64_t position) const { return plan.frequency[size_t(position)]; }
    int64_t frequency(int64_t position, int odd) const { return 2 * bin(position) + odd; }
};

// In place over data[j * step]: both halves of an axis, `even` and `odd` the weights in the plan's order. `line` and
// `other` hold n rows; `line` may be `data` itself. Not inlined: the unrolled stages are compiled once.
template <class T, class Weight, class Ahead = NothingAhead>
__attribute__((noinline)) void doubled_roundtrip(const DoubledAxis<T>& axis, Cx<T>* data, int64_t step, Cx<T>* line,
                                                 Cx<T>* other, Cx<T>* work, const Weight& even, const Weight& odd,
                                                 const Ahead& ahead = {}) {
    const Plan<T>& plan = axis.plan;
    const Twisted<T, Ahead> load{data, step, axis.twist.scalar.data(), ahead};
    const AddTwistedBack<T> store{data, step, other, axis.twist.scalar.data()};
    for (int64_t j = 0; line != data && j < axis.n; ++j) line[j] = data[j * step];
    if (!fusible(plan)) {
        for (int64_t j = 0; j < axis.n; ++j) other[j] = load(j);
        roundtrip_columns(plan, other, work, odd);
        roundtrip_columns(plan, line, work, even);
        for (int64_t j = 0; j < axis.n; ++j) store(j, line[j]);
        return;
    }
    run_dif<T>(plan.stages.front(), load, Rows<T>{other});
    dif_middle(plan, other);
    turn<Turn::both>(plan, other, odd);
    dit_middle(plan, other);
    dit_last(plan, other);
    dif_first(plan, line);
    dif_middle(plan, line);
    turn<Turn::both>(plan, line, even);
    dit_middle(plan, line);
    run_dit<T>(plan.stages.front(), Rows<T>{line}, store);
}

}  // namespace
}  // namespace mriops
