// One block of voxels through one model: what the kernels of signals and of fits call.
#pragma once
#include "../core/isa_namespace.h"
#include "lane_math.h"
#include "models.h"

namespace mriops {

// Evaluates a model for one vector of voxels, p[parameter][lane]. The signal at time i, component c goes to
// s[i * s_step + c * lanes], partial derivatives to g[(parameter * steps + i) * components + c][lane].
template <class T>
using Evaluate = void (*)(const T* p, const T* design, int64_t steps, T* s, int64_t s_step, T* g);

template <class T>
struct Evaluators {
    Evaluate<T> value, jacobian;
};

// What a signal m0 (u + w v) is made of, for one vector of voxels at p[parameter][lane]: u, v and their derivatives for
// each of the other free parameters, columns[step][u, v, du, dv, ...][lane]; u and du alone where no w is free.
template <class T>
using Parts = void (*)(const T* p, const T* design, int64_t steps, T* columns);

namespace MRIOPS_ISA_NAMESPACE {

// Null where the model does not have this form for these free parameters.
Parts<float> parts_of(SignalModel, uint32_t free, uint32_t affine, float);
Parts<double> parts_of(SignalModel, uint32_t free, uint32_t affine, double);

Evaluators<float> evaluators_of(SignalModel, float);
Evaluators<double> evaluators_of(SignalModel, double);

void signal(SignalTask, const SignalProblem&, Dtype, const void* parameters, const void* in, const void* design,
            void* out, void* more, int threads);
void fit(const FitProblem&, Dtype, const FitArrays&, int threads);

}  // namespace MRIOPS_ISA_NAMESPACE

namespace {

// The direction (u, v) of a signal value and its size: |s| has the derivative Re(conj(u + iv) ds), 0 at s = 0.
template <class T>
struct Direction {
    LaneVec<T> u, v, size;
    Direction(const T* s, int components) {
        constexpr int W = LaneOf<T>::width;
        const LaneVec<T> re = lane_load(s), zero = {}, one = lane_fill<T>(T(1));
        if (components == 1) {
            u = re > T(0) ? one : (re < T(0) ? -one : zero * re), v = zero, size = re * u;
        } else {
            const LaneVec<T> im = lane_load(s + W);
            size = lane_sqrt<T>(re * re + im * im);
            const LaneVec<T> scale = size > T(0) ? T(1) / size : zero * size;
            u = re * scale, v = im * scale;
        }
    }
};

// |s| of a signal evaluated with its derivatives, in place: components become one. Writing never overtakes reading,
// since derivatives are taken in the order in which they lie in memory.
template <class T>
inline void take_magnitude(int components, int parameters, int64_t steps, T* s, T* g) {
    constexpr int W = LaneOf<T>::width;
    for (int k = 0; g != nullptr && k < parameters; ++k)
        for (int64_t i = 0; i < steps; ++i) {
            const Direction<T> d(s + i * components * W, components);
            const T* const from = g + (k * steps + i) * components * W;
            const LaneVec<T> re = d.u * lane_load(from);
            lane_store(g + (k * steps + i) * W, components == 1 ? re : re + d.v * lane_load(from + W));
        }
    for (int64_t i = 0; i < steps; ++i) lane_store(s + i * W, Direction<T>(s + i * components * W, components).size);
}

}  // namespace
}  // namespace mriops
