// Transforms down columns of lanes: runs a plan in place over rows of Cx, first load and last store given by the
// caller.
//
// A row is one Cx (the same sample of `width` transforms). Forward is decimation in frequency and leaves frequencies in
// the plan's own order; inverse is decimation in time and takes them in that order, so neither permutes anything and
// both work in place. What is done at load (coil multiply, shift) and at store (weights, conjugate coil multiply, sum)
// costs no pass.
#pragma once
#include "butterflies.h"
#include "plan.h"

namespace mriops {
namespace {

template <class T>
struct Rows {  // load and store of a plain buffer
    Cx<T>* data;
    MRIOPS_INLINE Cx<T> operator()(int64_t i) const { return data[i]; }
    MRIOPS_INLINE void operator()(int64_t i, Cx<T> v) const { data[i] = v; }
};

template <class T>
MRIOPS_INLINE void prefetch_row(const void* p) {
    for (size_t line = 0; line < sizeof(Cx<T>); line += 64)
        __builtin_prefetch(static_cast<const char*>(p) + line, 0, 2);
}

// Strided writes wait for their lines one after the other unless they were asked for before.
template <class T>
MRIOPS_INLINE void prefetch_row_to_write(const void* p) {
    for (size_t line = 0; line < sizeof(Cx<T>); line += 64)
        __builtin_prefetch(static_cast<const char*>(p) + line, 1, 2);
}

template <class T>
struct Unweighted {
    MRIOPS_INLINE Cx<T> operator()(int64_t, Cx<T> v) const { return v; }
};

// A radix without a codelet: the even and odd halves as real matrix products with run-time size.
template <bool Inv, class T>
inline void dft_direct(Cx<T>* v, int r, const T* roots) {
    Cx<T> p[kLargestDirectRadix / 2], m[kLargestDirectRadix / 2];
    const int h = r / 2;
    const Cx<T> x0 = v[0];
    Cx<T> sum = x0;
    for (int j = 1; j <= h; ++j) {
        p[j - 1] = v[j] + v[r - j];
        m[j - 1] = rot<Inv>(v[j] - v[r - j]);
        sum = sum + p[j - 1];
    }
    v[0] = sum;
    for (int k = 1; k <= h; ++k) {
        Cx<T> e = x0, o = {Vec<T>{}, Vec<T>{}};
        for (int j = 1, at = k; j <= h; ++j, at += k) {
            if (at >= r) at -= r;
            const T c = roots[2 * at], s = roots[2 * at + 1];
            e.re += c * p[j - 1].re;
            e.im += c * p[j - 1].im;
            o.re += s * m[j - 1].re;
            o.im += s * m[j - 1].im;
        }
        v[k] = e + o;
        v[r - k] = e - o;
    }
}

template <int R, bool Inv, class T>
MRIOPS_INLINE void butterfly(Cx<T>* v, const typename Plan<T>::Stage& s) {
    if constexpr (R > 0)
        Dft<R, Inv, T>::run(v);
    else
        dft_direct<Inv, T>(v, s.radix, s.roots.data());
}

template <int R>
constexpr int kCapacity = R > 0 ? R : kLargestDirectRadix;

// A stage's positions, block by block: rows in their order, which prefetchers foresee. The first stage is one block.
template <bool OneBlock, class T, class F>
MRIOPS_INLINE void visit_stage(const typename Plan<T>::Stage& s, int r, const F& f) {
    const T* w = s.twiddles.data();
    if constexpr (OneBlock) {
        for (int64_t p = 0; p < s.stride; ++p) f(p, w + p * (r - 1) * 2);
    } else {
        for (int64_t block = 0; block < s.blocks; ++block)
            for (int64_t p = 0; p < s.stride; ++p) f(block * s.length + p, w + p * (r - 1) * 2);
    }
}

template <int R, bool OneBlock, class T, class Load, class Store>
inline void dif_stage(const typename Plan<T>::Stage& s, const Load& load, const Store& store) {
    const int r = R > 0 ? R : s.radix;
    const int64_t m = s.stride;
    visit_stage<OneBlock, T>(s, r, [&](int64_t at, const T* w) MRIOPS_LAMBDA_INLINE {
        Cx<T> v[kCapacity<R>];
#pragma GCC unroll 32
        for (int j = 0; j < r; ++j) v[j] = load(at + m * j);
        butterfly<R, false, T>(v, s);
        store(at, v[0]);
#pragma GCC unroll 32
        for (int k = 1; k < r; ++k) store(at + m * k, mul_scalar<false>(v[k], w[2 * k - 2], w[2 * k - 1]));
    });
}

template <int R, bool OneBlock, class T, class Load, class Store>
inline void dit_stage(const typename Plan<T>::Stage& s, const Load& load, const Store& store) {
    const int r = R > 0 ? R : s.radix;
    const int64_t m = s.stride;
    visit_stage<OneBlock, T>(s, r, [&](int64_t at, const T* w) MRIOPS_LAMBDA_INLINE {
        Cx<T> v[kCapacity<R>];
        v[0] = load(at);
#pragma GCC unroll 32
        for (int k = 1; k < r; ++k) v[k] = mul_scalar<true>(load(at + m * k), w[2 * k - 2], w[2 * k - 1]);
        butterfly<R, true, T>(v, s);
#pragma GCC unroll 32
        for (int j = 0; j < r; ++j) store(at + m * j, v[j]);
    });
}

// The stage of stride 1, which has no twiddles: forward, inverse, or forward - weight - inverse in one visit.
enum class Turn { forward, inverse, both };

template <int R, Turn W, class T, class Load, class Store, class Weight>
inline void turn_stage(const typename Plan<T>::Stage& s, const Load& load, const Store& store, const Weight& weight) {
    const int r = R > 0 ? R : s.radix;
    for (int64_t at = 0; at < s.blocks * r; at += r) {
        Cx<T> v[kCapacity<R>];
#pragma GCC unroll 32
        for (int j = 0; j < r; ++j) v[j] = load(at + j);
        if constexpr (W != Turn::inverse) butterfly<R, false, T>(v, s);
        if constexpr (W == Turn::both) {
#pragma GCC unroll 32
            for (int k = 0; k < r; ++k) v[k] = weight(at + k, v[k]);
        }
        if constexpr (W != Turn::forward) butterfly<R, true, T>(v, s);
#pragma GCC unroll 32
        for (int j = 0; j < r; ++j) store(at + j, v[j]);
    }
}

#define MRIOPS_RADIX_CASES(call)  \
    switch (s.radix) {            \
        case 2: call(2); break;   \
        case 3: call(3); break;   \
        case 4: call(4); break;   \
        case 5: call(5); break;   \
        case 6: call(6); break;   \
        case 7: call(7); break;   \
        case 8: call(8); break;   \
        case 10: call(10); break; \
        case 12: call(12); break; \
        case 16: call(16); break; \
        case 20: call(20); break; \
        default: call(0);         \
    }

template <class T, bool OneBlock = true, class Load, class Store>
inline void run_dif(const typename Plan<T>::Stage& s, const Load& load, const Store& store) {
#define MRIOPS_CALL(R) dif_stage<R, OneBlock, T>(s, load, store)
    MRIOPS_RADIX_CASES(MRIOPS_CALL)
#undef MRIOPS_CALL
}
template <class T, bool OneBlock = true, class Load, class Store>
inline void run_dit(const typename Plan<T>::Stage& s, const Load& load, const Store& store) {
#define MRIOPS_CALL(R) dit_stage<R, OneBlock, T>(s, load, store)
    MRIOPS_RADIX_CASES(MRIOPS_CALL)
#undef MRIOPS_CALL
}
template <Turn W, class T, class Load, class Store, class Weight>
inline void run_turn(const typename Plan<T>::Stage& s, const Load& load, const Store& store, const Weight& weight) {
#define MRIOPS_CALL(R) turn_stage<R, W, T>(s, load, store, weight)
    MRIOPS_RADIX_CASES(MRIOPS_CALL)
#undef MRIOPS_CALL
}

// The middle of a plan, shared by every first and last stage: not inlined, so compiled once per type.
template <class T>
__attribute__((noinline)) void dif_middle(const Plan<T>& plan, Cx<T>* data) {
    const Rows<T> rows{data};
    for (size_t s = 1; s + 1 < plan.stages.size(); ++s) run_dif<T, false>(plan.stages[s], rows, rows);
}
template <class T>
__attribute__((noinline)) void dit_middle(const Plan<T>& plan, Cx<T>* data) {
    const Rows<T> rows{data};
    for (size_t s = plan.stages.size() - 1; s-- > 1;) run_dit<T, false>(plan.stages[s], rows, rows);
}
template <Turn W, class T, class Weight>
__attribute__((noinline)) void turn(const Plan<T>& plan, Cx<T>* data, const Weight& weight) {
    const Rows<T> rows{data};
    run_turn<W, T>(plan.stages.back(), rows, rows, weight);
}
template <class T>
__attribute__((noinline)) void dif_first(const Plan<T>& plan, Cx<T>* data) {
    const Rows<T> rows{data};
    run_dif<T>(plan.stages.front(), rows, rows);
}
template <class T>
__attribute__((noinline)) void dit_last(const Plan<T>& plan, Cx<T>* data) {
    const Rows<T> rows{data};
    run_dit<T>(plan.stages.front(), rows, rows);
}

template <class T>
void bluestein(const Plan<T>& plan, bool inverse, Cx<T>* data, Cx<T>* work);

// In place: natural order in, the plan's order out. `work` holds plan.work_rows() rows.
template <class T>
__attribute__((noinline)) void forward_columns(const Plan<T>& plan, Cx<T>* data, Cx<T>* work) {
    if (plan.convolution) return bluestein(plan, false, data, work);
    if (plan.stages.empty()) return;
    if (plan.stages.size() > 1) dif_first(plan, data);
    dif_middle(plan, data);
    turn<Turn::forward>(plan, data, Unweighted<T>{});
}

// In place: the plan's order in, natural order out.
template <class T>
__attribute__((noinline)) void inverse_columns(const Plan<T>& plan, Cx<T>* data, Cx<T>* work) {
    if (plan.convolution) return bluestein(plan, true, data, work);
    if (plan.stages.empty()) return;
    turn<Turn::inverse>(plan, data, Unweighted<T>{});
    dit_middle(plan, data);
    if (plan.stages.size() > 1) dit_last(plan, data);
}

// In place: forward, weight (in the plan's order), inverse.
template <class T, class Weight>
void roundtrip_columns(const Plan<T>& plan, Cx<T>* data, Cx<T>* work, const Weight& weight) {
    if (plan.convolution || plan.stages.empty()) {
        forward_columns(plan, data, work);
        for (int64_t k = 0; k < plan.n; ++k) data[k] = weight(k, data[k]);
        inverse_columns(plan, data, work);
        return;
    }
    if (plan.stages.size() > 1) dif_first(plan, data);
    dif_middle(plan, data);
    turn<Turn::both>(plan, data, weight);
    dit_middle(plan, data);
    if (plan.stages.size() > 1) dit_last(plan, data);
}

// Whether the first stage can read, and the last stage of the inverse write, through a functor of the caller.
template <class T>
inline bool fusible(const Plan<T>& plan) {
    return !plan.convolution && plan.stages.size() > 1;
}

// forward_columns with data[i] = load(i) fused into the first stage, which reads rows far apart. Where they come from
// main memory that costs more than a visit of the cache: read them in their order, then transform in place.
template <class T, class Load>
inline void forward_columns_from(const Plan<T>& plan, Cx<T>* data, Cx<T>* work, const Load& load) {
    if (fusible(plan)) {
        run_dif<T>(plan.stages.front(), load, Rows<T>{data});
        dif_middle(plan, data);
        turn<Turn::forward>(plan, data, Unweighted<T>{});
        return;
    }
    for (int64_t i = 0; i < plan.n; ++i) data[i] = load(i);
    forward_columns(plan, data, work);
}

// forward_columns with store(k, v) fused into the last stage, k in the plan's order.
template <class T, class Store>
MRIOPS_INLINE void forward_columns_into(const Plan<T>& plan, Cx<T>* data, Cx<T>* work, const Store& store) {
    if (fusible(plan)) {
        dif_first(plan, data);
        dif_middle(plan, data);
        run_turn<Turn::forward, T>(plan.stages.back(), Rows<T>{data}, store, Unweighted<T>{});
        return;
    }
    forward_columns(plan, data, work);
    for (int64_t k = 0; k < plan.n; ++k) store(k, data[k]);
}

// forward_columns with both fused: load(i) to store(k, v).
template <class T, class Load, class Store>
inline void forward_columns_through(const Plan<T>& plan, Cx<T>* data, Cx<T>* work, const Load& load,
                                    const Store& store) {
    if (fusible(plan)) {
        run_dif<T>(plan.stages.front(), load, Rows<T>{data});
        dif_middle(plan, data);
        run_turn<Turn::forward, T>(plan.stages.back(), Rows<T>{data}, store, Unweighted<T>{});
        return;
    }
    for (int64_t i = 0; i < plan.n; ++i) data[i] = load(i);
    forward_columns_into(plan, data, work, store);
}

// inverse_columns of load(k) fused into the first stage, k in the plan's order.
template <class T, class Load>
MRIOPS_INLINE void inverse_columns_from(const Plan<T>& plan, Cx<T>* data, Cx<T>* work, const Load& load) {
    if (fusible(plan)) {
        run_turn<Turn::inverse, T>(plan.stages.back(), load, Rows<T>{data}, Unweighted<T>{});
        dit_middle(plan, data);
        dit_last(plan, data);
        return;
    }
    for (int64_t k = 0; k < plan.n; ++k) data[k] = load(k);
    inverse_columns(plan, data, work);
}

// inverse_columns with store(i, data[i]) fused into the last stage.
template <class T, class Store>
inline void inverse_columns_into(const Plan<T>& plan, Cx<T>* data, Cx<T>* work, const Store& store) {
    if (fusible(plan)) {
        turn<Turn::inverse>(plan, data, Unweighted<T>{});
        dit_middle(plan, data);
        run_dit<T>(plan.stages.front(), Rows<T>{data}, store);
        return;
    }
    inverse_columns(plan, data, work);
    for (int64_t i = 0; i < plan.n; ++i) store(i, data[i]);
}

// inverse_columns with both fused: load(k) to store(i, v).
template <class T, class Load, class Store>
inline void inverse_columns_through(const Plan<T>& plan, Cx<T>* data, Cx<T>* work, const Load& load,
                                    const Store& store) {
    if (fusible(plan)) {
        run_turn<Turn::inverse, T>(plan.stages.back(), load, Rows<T>{data}, Unweighted<T>{});
        dit_middle(plan, data);
        run_dit<T>(plan.stages.front(), Rows<T>{data}, store);
        return;
    }
    inverse_columns_from(plan, data, work, load);
    for (int64_t i = 0; i < plan.n; ++i) store(i, data[i]);
}

// roundtrip_columns with both fused.
template <class T, class Load, class Store, class Weight>
inline void roundtrip_columns_through(const Plan<T>& plan, Cx<T>* data, Cx<T>* work, const Load& load,
                                      const Store& store, const Weight& weight) {
    if (fusible(plan)) {
        run_dif<T>(plan.stages.front(), load, Rows<T>{data});
        dif_middle(plan, data);
        turn<Turn::both>(plan, data, weight);
        dit_middle(plan, data);
        run_dit<T>(plan.stages.front(), Rows<T>{data}, store);
        return;
    }
    for (int64_t i = 0; i < plan.n; ++i) data[i] = load(i);
    roundtrip_columns(plan, data, work, weight);
    for (int64_t i = 0; i < plan.n; ++i) store(i, data[i]);
}

// Weights in the plan's order: one complex or real scalar, or one real per lane.
template <class T>
struct ComplexWeight {
    const T* w;
    MRIOPS_INLINE Cx<T> operator()(int64_t k, Cx<T> v) const { return mul_scalar<false>(v, w[2 * k], w[2 * k + 1]); }
};
template <class T>
struct ScalarWeight {
    const T* w;
    MRIOPS_INLINE Cx<T> operator()(int64_t k, Cx<T> v) const { return scaled(v, w[k]); }
};
template <class T>
struct LaneWeight {
    const T* w;
    MRIOPS_INLINE Cx<T> operator()(int64_t k, Cx<T> v) const {
        const Vec<T> m = load_unaligned(w + k * Lanes<T>::width);
        return {v.re * m, v.im * m};
    }
};

// X_k = c_k sum_j (c_j x_j) conj(c_(k-j)), c_j = exp(-pi i j^2 / n); the inverse by conjugating in and out.
template <class T>
void bluestein(const Plan<T>& plan, bool inverse, Cx<T>* data, Cx<T>* work) {
    const Plan<T>& fast = *plan.convolution;
    const T* c = plan.chirp.data();
    const T sign = inverse ? T(-1) : T(1);
    for (int64_t j = 0; j < plan.n; ++j) {
        Cx<T> x = data[j];
        x.im = x.im * sign;
        work[j] = mul_scalar<false>(x, c[2 * j], c[2 * j + 1]);
    }
    for (int64_t j = plan.n; j < fast.n; ++j) work[j] = {Vec<T>{}, Vec<T>{}};
    roundtrip_columns(fast, work, static_cast<Cx<T>*>(nullptr), ComplexWeight<T>{plan.spectrum.data()});
    for (int64_t k = 0; k < plan.n; ++k) {
        Cx<T> y = mul_scalar<false>(work[k], c[2 * k], c[2 * k + 1]);
        y.im = y.im * sign;
        data[k] = y;
    }
}

}  // namespace
}  // namespace mriops
