// Voxelwise least squares: by variable projection where the model and the free parameters have that form, otherwise,
// and for voxels that this cannot settle, by Levenberg-Marquardt on all free parameters.
#include "../core/huge_pages.h"
#include "../core/parallel.h"
#include "../core/scratch.h"
#include "fit_general.h"
#include "fit_projected.h"

namespace mriops {
namespace {

// Voxels per task of the pool: a multiple of every vector's width, small enough to balance voxels that take longer.
constexpr int kVoxelsPerTask = 512;

// The voxels of a task that are still to be fitted.
struct Unsettled {
    int count = 0;
    int32_t voxels[kVoxelsPerTask];
};

template <class T, int N>
void fit_unsettled(const Inputs<T>& inputs, Evaluators<T> model, const GridSpacing& spacing, int64_t first,
                   const Unsettled& todo) {
    constexpr int W = LaneOf<T>::width;
    if (todo.count == 0) return;
    GeneralFit<T, N> fit(inputs, model, spacing);
    fit.use(scratch<T>(Scratch::work, fit.scratch_count()));
    for (int i = 0; i < todo.count; i += W)
        fit.block({first, todo.count - i < W ? todo.count - i : W, todo.voxels + i});
}

template <class T, int N>
void fit_all(const Inputs<T>& inputs, Evaluators<T> model, const GridSpacing& spacing, int64_t first, int count) {
    constexpr int W = LaneOf<T>::width;
    GeneralFit<T, N> fit(inputs, model, spacing);
    fit.use(scratch<T>(Scratch::work, fit.scratch_count()));
    for (int i = 0; i < count; i += W) fit.block({first + i, count - i < W ? count - i : W, nullptr});
}

template <class T, int L, int K>
void fit_projected(const Inputs<T>& inputs, Parts<T> parts, const GridSpacing& spacing, int64_t first, int count,
                   Unsettled& todo) {
    constexpr int W = LaneOf<T>::width;
    ProjectedFit<T, L, K> fit(inputs, parts, spacing);
    fit.use(scratch<T>(Scratch::work, fit.scratch_count()));
    constexpr int kTogether = ProjectedFit<T, L, K>::kTogether;
    Voxels<T> at[kTogether];
    LaneBits<T> found[kTogether];
    for (int i = 0; i < count;) {
        int n = 0;
        for (; n < fit.together && i < count; ++n, i += W) at[n] = {first + i, count - i < W ? count - i : W, nullptr};
        fit.run(at, n, found);
        for (int j = 0; j < n; ++j) {
            if (all_lanes<T>(found[j], at[j].count)) continue;
            for (int l = 0; l < at[j].count; ++l)
                if (found[j][l] == 0) todo.voxels[todo.count++] = int32_t(at[j].first - first) + l;
        }
    }
}

template <class T>
using Projected = void (*)(const Inputs<T>&, Parts<T>, const GridSpacing&, int64_t first, int count, Unsettled&);

template <class T>
Projected<T> projected_of(int linear, int others) {
    if (others == 1) return linear == 1 ? fit_projected<T, 1, 1> : fit_projected<T, 2, 1>;
    return linear == 1 ? fit_projected<T, 1, 2> : fit_projected<T, 2, 2>;
}

template <class T, int N>
void run(const Inputs<T>& inputs, int threads) {
    const FitProblem& p = inputs.p;
    const int64_t voxels = p.signal.voxels;
    const Evaluators<T> model = MRIOPS_ISA_NAMESPACE::evaluators_of(p.signal.model, T());
    const int linear = p.affine != 0 ? 2 : 1, others = __builtin_popcount(p.free) - linear;
    const Parts<T> parts =
        p.n_grid > 0 ? MRIOPS_ISA_NAMESPACE::parts_of(p.signal.model, p.free, p.affine, T()) : nullptr;
    const Projected<T> projected = projected_of<T>(linear, others);
    const GridSpacing atoms = GridSpacing::of(inputs.atom_parameters, p.n_atoms, p);
    const GridSpacing grid = GridSpacing::of(inputs.grid_parameters, p.n_grid, p);
    parallel_for((voxels + kVoxelsPerTask - 1) / kVoxelsPerTask, threads, [&](int64_t task, int) {
        const int64_t first = task * kVoxelsPerTask;
        const int count = int(voxels - first < kVoxelsPerTask ? voxels - first : kVoxelsPerTask);
        if (parts == nullptr) return fit_all<T, N>(inputs, model, atoms, first, count);
        Unsettled todo;
        projected(inputs, parts, grid, first, count, todo);
        fit_unsettled<T, N>(inputs, model, atoms, first, todo);
    });
}

template <class T>
void run_any(const FitProblem& p, const FitArrays& f, int threads) {
    const Inputs<T> inputs = inputs_of<T>(p, f);
    const size_t bytes = sizeof(T) * size_t(p.signal.voxels);
    for (void* rows : {f.parameters, f.deviation}) prefer_huge_pages(rows, bytes * size_t(p.signal.size.parameters));
    prefer_huge_pages(f.cost, bytes);
    prefer_huge_pages(f.iterations, sizeof(int32_t) * size_t(p.signal.voxels));
    switch (__builtin_popcount(p.free)) {
        case 2: return run<T, 2>(inputs, threads);
        case 3: return run<T, 3>(inputs, threads);
        default: return run<T, 0>(inputs, threads);
    }
}

}  // namespace

namespace MRIOPS_ISA_NAMESPACE {

void fit(const FitProblem& p, Dtype dtype, const FitArrays& arrays, int threads) {
    MRIOPS_BY_DTYPE(run_any<T>, p, arrays, threads);
}

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
