// Row transforms that need no transposed copy of the row, for lengths N = width * M.
//
// A row lies in M vectors, element x = width * i + lane. The transform over i and its twiddles run in the lanes as they
// are
// (`forward`, `inverse`); what is left is a transform of `width` points across the lanes, which commutes with
// transforms along other axes and can be done where it costs least (`across_lanes`): DFT bin f = f1 + M * f2, f1 from
// the first, f2 from the second.
#pragma once
#include <vector>

#include "plan_cache.h"
#include "rows.h"

namespace mriops {
namespace {

template <class T>
class SplitRows {
  public:
    static constexpr int W = Lanes<T>::width;

    static bool possible(int64_t n) { return n % W == 0 && n / W > 1 && !plan_for<T>(n / W).convolution; }

    explicit SplitRows(int64_t n) : m_(n / W), plan_(plan_for<T>(m_)), twiddles_(size_t(2 * n)) {
        for (int64_t k = 0; k < m_; ++k)
            for (int l = 0; l < W; ++l) {
                double re, im;
                unit_root(int64_t(plan_.frequency[size_t(k)]) * l, n, re, im);
                twiddles_[size_t((2 * k) * W + l)] = T(re);
                twiddles_[size_t((2 * k + 1) * W + l)] = T(im);
            }
    }

    int64_t vectors() const { return m_; }
    // Bin f1 that the transform over i leaves at position k.
    int64_t first_bin(int64_t k) const { return plan_.frequency[size_t(k)]; }

    // out[k * step] = twiddled transform of load(i); `line` holds M rows.
    template <class Load>
    MRIOPS_INLINE void forward(const Load& load, Cx<T>* out, int64_t step, Cx<T>* line) const {
        const T* w = twiddles_.data();
        const auto store = [=](int64_t k, Cx<T> v) MRIOPS_LAMBDA_INLINE {
            out[k * step] = v * Cx<T>{load_unaligned(w + 2 * k * W), load_unaligned(w + (2 * k + 1) * W)};
        };
        if (plan_.stages.size() == 1) return run_turn<Turn::forward, T>(plan_.stages[0], load, store, Unweighted<T>{});
        run_dif<T>(plan_.stages[0], load, Rows<T>{line});
        dif_middle(plan_, line);
        run_turn<Turn::forward, T>(plan_.stages.back(), Rows<T>{line}, store, Unweighted<T>{});
    }

    // The inverse: store(i, v).
    template <class Store>
    MRIOPS_INLINE void inverse(const Cx<T>* in, int64_t step, const Store& store, Cx<T>* line) const {
        const T* w = twiddles_.data();
        const auto load = [=](int64_t k) MRIOPS_LAMBDA_INLINE {
            return mul_conj(Cx<T>{load_unaligned(w + 2 * k * W), load_unaligned(w + (2 * k + 1) * W)}, in[k * step]);
        };
        if (plan_.stages.size() == 1) return run_turn<Turn::inverse, T>(plan_.stages[0], load, store, Unweighted<T>{});
        run_turn<Turn::inverse, T>(plan_.stages.back(), load, Rows<T>{line}, Unweighted<T>{});
        dit_middle(plan_, line);
        run_dit<T>(plan_.stages[0], Rows<T>{line}, store);
    }

    // `width` neighbouring vectors: transform across their lanes, weights [f2][vector], inverse transform, in place.
    static void across_lanes(Cx<T>* v, const T* weights) {
        Cx<T> u[W];
        transpose_complex(v, u);
        Dft<W, false, T>::run(u);
#pragma GCC unroll 16
        for (int k = 0; k < W; ++k) {
            const Vec<T> m = load_unaligned(weights + k * W);
            u[k] = {u[k].re * m, u[k].im * m};
        }
        Dft<W, true, T>::run(u);
        transpose_complex(u, v);
    }

  private:
    int64_t m_;
    const Plan<T>& plan_;
    std::vector<T> twiddles_;  // [plan position][re, im][lane]
};

// The twiddles of a length, made once per process.
template <class T>
const SplitRows<T>& split_rows_for(int64_t n) {
    static std::mutex mutex;
    static std::map<int64_t, std::unique_ptr<const SplitRows<T>>> known;
    const std::lock_guard<std::mutex> lock(mutex);
    auto& slot = known[n];
    if (!slot) slot = std::make_unique<const SplitRows<T>>(n);
    return *slot;
}

}  // namespace
}  // namespace mriops
