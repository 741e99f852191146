// Transforms of neighbouring columns whose samples lie in rows that are far apart: a row is read and written whole, so
// that memory is visited in runs and not in single lines.
#pragma once
#include "columns.h"

namespace mriops {
namespace {

// While sample i of column j of `Run` neighbouring ones is loaded, its share of the next `Run` is asked for: those of a
// row after one another. `next`: the first of them; rows are `step` apart, n in all.
template <class T, int64_t Run>
struct RunAhead {
    const Cx<T>* share;
    int64_t step;
    RunAhead(const Cx<T>* next, int64_t step, int64_t n, int64_t j)
        : share(next + j * ((n + Run - 1) / Run) * step), step(step) {}
    MRIOPS_INLINE void operator()(int64_t i) const {
        // Unsigned, where division by a power of two is a shift.
        constexpr uint64_t kLength = Run;
        prefetch_row<T>(share + int64_t(uint64_t(i) / kLength) * step + int64_t(uint64_t(i) % kLength));
    }
};

// Where the columns stay in between: that of transform t at data + t * pitch.
template <class T>
struct WideColumns {
    Cx<T>* data;
    int64_t pitch;
};

// Forward transforms of `count` columns of load(i, t), row by row, to store(k, t, v), k in the plan's order.
template <class T, class Load, class Store>
inline void forward_wide(const Plan<T>& plan, const WideColumns<T>& columns, int64_t count, Cx<T>* work,
                         const Load& load, const Store& store) {
    for (int64_t i = 0; i < plan.n; ++i)
        for (int64_t t = 0; t < count; ++t) columns.data[t * columns.pitch + i] = load(i, t);
    for (int64_t t = 0; t < count; ++t) forward_columns(plan, columns.data + t * columns.pitch, work);
    for (int64_t k = 0; k < plan.n; ++k)
        for (int64_t t = 0; t < count; ++t) store(k, t, columns.data[t * columns.pitch + k]);
}

// Inverse transforms of load(k, t), k in the plan's order, to store(i, t, v).
template <class T, class Load, class Store>
inline void inverse_wide(const Plan<T>& plan, const WideColumns<T>& columns, int64_t count, Cx<T>* work,
                         const Load& load, const Store& store) {
    for (int64_t k = 0; k < plan.n; ++k)
        for (int64_t t = 0; t < count; ++t) columns.data[t * columns.pitch + k] = load(k, t);
    for (int64_t t = 0; t < count; ++t) inverse_columns(plan, columns.data + t * columns.pitch, work);
    for (int64_t i = 0; i < plan.n; ++i)
        for (int64_t t = 0; t < count; ++t) store(i, t, columns.data[t * columns.pitch + i]);
}

}  // namespace
}  // namespace mriops
