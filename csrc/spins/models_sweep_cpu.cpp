// Signals, Jacobians, and products with tangents and cotangents: one sweep over the times per vector of voxels.
#include "models_sweep.h"

#include "../core/by_dtype.h"
#include "../core/parallel.h"
#include "../core/scratch.h"

namespace mriops {
namespace {

// Voxels per task of the pool: a multiple of every vector's width.
constexpr int64_t kVoxelsPerTask = 1024;

// n values per row, rows of `components` vectors -> (row, voxel, component) in memory at `out`.
template <class T>
void write_rows(const T* from, T* out, int64_t rows, int components, int64_t voxels, int n) {
    constexpr int W = LaneOf<T>::width;
    for (int64_t i = 0; i < rows; ++i, out += voxels * components, from += components * W) {
        if (components == 1) {
            lane_store(out, lane_load(from), n);
            continue;
        }
        for (int v = 0; v < n; ++v) out[2 * v] = from[v], out[2 * v + 1] = from[W + v];
    }
}

template <class T>
LaneVec<T> read_component(const T* in, int components, int c, int n) {
    if (components == 1) return lane_load(in, n);
    LaneVec<T> v = {};
    for (int i = 0; i < n; ++i) v[i] = in[2 * i + c];
    return v;
}

template <class T>
struct Sweep {
    using V = LaneVec<T>;
    static constexpr int W = LaneOf<T>::width;
    SignalTask task;
    const SignalProblem& p;
    const T *parameters, *in, *design;
    T *out, *more;
    Evaluators<T> model;

    void block(int64_t first, int n, T* work) const {
        const int P = p.size.parameters, C = p.components();
        const int64_t all = p.steps * p.size.components;
        T* const values = work;       // [parameter][lane]
        T* const s = values + P * W;  // [time][component][lane]
        T* const g = s + all * W;     // [parameter][time][component][lane]
        for (int k = 0; k < P; ++k) lane_store(values + k * W, lane_load(parameters + k * p.voxels + first, n, T(1)));
        if (task == SignalTask::value) {
            if (C == 1 && p.size.components == 1 && !p.magnitude && n == W) {
                model.value(values, design, p.steps, out + first, p.voxels, nullptr);
                return;
            }
            model.value(values, design, p.steps, s, p.size.components * W, nullptr);
            if (p.magnitude) take_magnitude<T>(p.size.components, P, p.steps, s, nullptr);
            write_rows(s, out + first * C, p.steps, C, p.voxels, n);
            return;
        }
        model.jacobian(values, design, p.steps, s, p.size.components * W, g);
        if (p.magnitude) take_magnitude<T>(p.size.components, P, p.steps, s, g);
        if (task == SignalTask::jacobian) {
            write_rows(s, out + first * C, p.steps, C, p.voxels, n);
            write_rows(g, more + first * C, P * p.steps, C, p.voxels, n);
        } else if (task == SignalTask::jvp) {
            push(first, n, s, g);
        } else {
            pull(first, n, g);
        }
    }

    void push(int64_t first, int n, T* s, const T* g) const {
        const int C = p.components();
        const int64_t rows = p.steps * C;
        for (int k = 0; k < p.size.parameters; ++k) {
            const V t = lane_load(in + k * p.voxels + first, n);
            for (int64_t i = 0; i < rows; ++i) {
                const V term = t * lane_load(g + (k * rows + i) * W);
                lane_store(s + i * W, k == 0 ? term : lane_load(s + i * W) + term);
            }
        }
        write_rows(s, out + first * C, p.steps, C, p.voxels, n);
    }

    void pull(int64_t first, int n, const T* g) const {
        const int C = p.components();
        const int64_t rows = p.steps * C;
        for (int k = 0; k < p.size.parameters; ++k) {
            V sum = {};
            for (int64_t i = 0; i < p.steps; ++i)
                for (int c = 0; c < C; ++c)
                    sum = sum + read_component(in + (i * p.voxels + first) * C, C, c, n) *
                                    lane_load(g + (k * rows + i * C + c) * W);
            lane_store(out + k * p.voxels + first, sum, n);
        }
    }

    void run(int threads) const {
        const int64_t tasks = (p.voxels + kVoxelsPerTask - 1) / kVoxelsPerTask;
        const int64_t all = p.steps * p.size.components;
        const size_t count = size_t(W * (p.size.parameters + all * (1 + p.size.parameters)));
        parallel_for(tasks, threads, [&](int64_t t, int) {
            T* const work = scratch<T>(Scratch::work, count);
            const int64_t last = (t + 1) * kVoxelsPerTask < p.voxels ? (t + 1) * kVoxelsPerTask : p.voxels;
            for (int64_t v = t * kVoxelsPerTask; v < last; v += W) block(v, int(last - v < W ? last - v : W), work);
        });
    }
};

template <class T>
void sweep(SignalTask task, const SignalProblem& p, const T* parameters, const T* in, const T* design, T* out, T* more,
           int threads) {
    Sweep<T>{task, p, parameters, in, design, out, more, MRIOPS_ISA_NAMESPACE::evaluators_of(p.model, T())}.run(
        threads);
}

}  // namespace

namespace MRIOPS_ISA_NAMESPACE {

void signal(SignalTask task, const SignalProblem& p, Dtype dtype, const void* parameters, const void* in,
            const void* design, void* out, void* more, int threads) {
    MRIOPS_BY_DTYPE(sweep<T>, task, p, MRIOPS_IN(parameters), MRIOPS_IN(in), MRIOPS_IN(design), MRIOPS_OUT(out),
                    MRIOPS_OUT(more), threads);
}

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
