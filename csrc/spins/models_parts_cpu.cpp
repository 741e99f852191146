// The parts of signals m0 (u + w v), of which fits by variable projection are made: a model at m0 = 1 and w = 0 has the
// value u and the derivatives du, and its derivative for w, or what w = 1 changes, is v and dv.
#include "models_decay.h"
#include "models_steady.h"
#include "models_sweep.h"

namespace mriops {
namespace {

// W is the affine parameter or 0, Other are the others.
template <class T, template <class> class Model, int W, int... Other>
void parts(const T* p, const T* values, int64_t steps, T* columns) {
    using V = LaneVec<T>;
    using M = Model<V>;
    constexpr int kLanes = LaneOf<T>::width, P = M::parameters, L = W > 0 ? 2 : 1;
    V at[P];
    for (int k = 0; k < P; ++k) at[k] = lane_load(p + k * kLanes);
    at[0] = lane_fill<T>(T(1)), at[W] = lane_fill<T>(W > 0 ? T(0) : T(1));
    V beside[P];
    for (int k = 0; k < P; ++k) beside[k] = k == W ? lane_fill<T>(T(1)) : at[k];
    const Design<T> design = {values, steps};
    M base{}, with{};
    base.prepare(at, design);
    if constexpr (W > 0) with.prepare(beside, design);
    for (int64_t i = 0; i < steps; ++i) {
        V s, g[P], t, h[P];
        base.template at<true>(i, design, &s, g);
        // Both see the same exponentials, which the compiler evaluates once: nothing is stored in between.
        if constexpr (W > 0) with.template at<true>(i, design, &t, h);
        lane_store(columns, s);
        if constexpr (W > 0) lane_store(columns + kLanes, g[W]);
        columns += L * kLanes;
        for (const int k : {Other...}) {
            lane_store(columns, g[k]);
            if constexpr (W > 0) lane_store(columns + kLanes, h[k] - g[k]);
            columns += L * kLanes;
        }
    }
}

template <class T>
struct Form {
    SignalModel model;
    uint32_t free, affine;
    Parts<T> parts;
};

template <class T, template <class> class Model, int W, int... Other>
Form<T> form(SignalModel model) {
    return {model, (1u | (W > 0 ? 1u << W : 0u) | (... | (1u << Other))), W > 0 ? 1u << W : 0u,
            parts<T, Model, W, Other...>};
}

template <class T>
Parts<T> choose(SignalModel model, uint32_t free, uint32_t affine) {
    using S = SignalModel;
    static const Form<T> forms[] = {
        form<T, MonoExponential, 0, 1>(S::mono_exponential),
        form<T, BiExponential, 1, 2, 3>(S::bi_exponential),
        form<T, StretchedExponential, 0, 1, 2>(S::stretched_exponential),
        form<T, InversionRecovery, 0, 1>(S::inversion_recovery),
        form<T, InversionRecovery, 2, 1>(S::inversion_recovery),
        form<T, SaturationRecovery, 0, 1>(S::saturation_recovery),
        form<T, SaturationRecovery, 2, 1>(S::saturation_recovery),
        form<T, LookLocker, 0, 1>(S::look_locker),
        form<T, LookLocker, 3, 1>(S::look_locker),
        form<T, Molli, 0, 1, 2>(S::molli),
        form<T, Spgr, 0, 1>(S::spgr),
        form<T, GradientEchoTrains, 0, 1>(S::gradient_echo_trains),
        form<T, Diffusion, 0, 1>(S::diffusion),
        form<T, Ivim, 1, 2, 3>(S::ivim),
    };
    for (const Form<T>& f : forms)
        if (f.model == model && f.free == free && f.affine == affine) return f.parts;
    return nullptr;
}

}  // namespace

namespace MRIOPS_ISA_NAMESPACE {

Parts<float> parts_of(SignalModel model, uint32_t free, uint32_t affine, float) {
    return choose<float>(model, free, affine);
}
Parts<double> parts_of(SignalModel model, uint32_t free, uint32_t affine, double) {
    return choose<double>(model, free, affine);
}

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
