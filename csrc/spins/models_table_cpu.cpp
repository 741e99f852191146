// The table of signal models of the instruction set this file is compiled for.
#include "models_decay.h"
#include "models_steady.h"
#include "models_sweep.h"
#include "models_tracer.h"

namespace mriops {
namespace {

template <class T, template <class> class Model, bool J>
void evaluate(const T* p, const T* values, int64_t steps, T* s, int64_t s_step, T* g) {
    using V = LaneVec<T>;
    using M = Model<V>;
    constexpr int W = LaneOf<T>::width, P = M::parameters, C = M::components;
    V parameters[P];
    for (int k = 0; k < P; ++k) parameters[k] = lane_load(p + k * W);
    const Design<T> design = {values, steps};
    M model;
    model.prepare(parameters, design);
    for (int64_t i = 0; i < steps; ++i) {
        V signal[C], partial[P * C];
        model.template at<J>(i, design, signal, partial);
        for (int c = 0; c < C; ++c) lane_store(s + i * s_step + c * W, signal[c]);
        if constexpr (J)
            for (int k = 0; k < P; ++k)
                for (int c = 0; c < C; ++c) lane_store(g + ((k * steps + i) * C + c) * W, partial[k * C + c]);
    }
}

template <class T, template <class> class Model>
Evaluators<T> both() {
    return {evaluate<T, Model, false>, evaluate<T, Model, true>};
}

template <class T>
Evaluators<T> choose(SignalModel model) {
    static const Evaluators<T> table[] = {
        both<T, MonoExponential>(),
        both<T, BiExponential>(),
        both<T, StretchedExponential>(),
        both<T, InversionRecovery>(),
        both<T, SaturationRecovery>(),
        both<T, LookLocker>(),
        both<T, Molli>(),
        both<T, Spgr>(),
        both<T, Bssfp>(),
        both<T, GradientEchoTrains>(),
        both<T, WaterFat>(),
        both<T, Diffusion>(),
        both<T, DiffusionTensor>(),
        both<T, DiffusionKurtosis>(),
        both<T, Ivim>(),
        both<T, ExtendedTofts>(),
        both<T, PhaseContrast>(),
        both<T, BuxtonContinuous>(),
        both<T, BuxtonPulsed>(),
    };
    static_assert(sizeof(table) / sizeof(table[0]) == size_t(SignalModel::count), "one entry per model");
    return table[static_cast<int>(model)];
}

}  // namespace

namespace MRIOPS_ISA_NAMESPACE {

Evaluators<float> evaluators_of(SignalModel model, float) { return choose<float>(model); }
Evaluators<double> evaluators_of(SignalModel model, double) { return choose<double>(model); }

}  // namespace MRIOPS_ISA_NAMESPACE

namespace isa = MRIOPS_ISA_NAMESPACE;

extern const SignalKernels MRIOPS_PASTE(signal_kernels_, MRIOPS_ISA) = {isa::signal, isa::fit};

}  // namespace mriops
