// Signal models on a device: one thread per voxel sweeps the times, derivatives stay in registers.
#define MRIOPS_MODELS_SCALAR
#include "../core/gpu.h"

#include "../core/by_dtype.h"
#include "models_cuda.h"
#include "models_decay.h"
#include "models_steady.h"
#include "models_tracer.h"

namespace mriops::cuda {
namespace {

constexpr unsigned kThreads = 128;

template <class T>
struct Sweep {
    SignalTask task;
    bool magnitude;
    int64_t steps, voxels;
    const T *parameters, *in, *design;
    T *out, *more;
};

// |s| and its derivatives in place of s and its derivatives: see take_magnitude of the CPU.
template <class T, int P, int C>
__device__ __forceinline__ void to_magnitude(T* s, T* g, bool derivatives) {
    T u, v = T(0), size;
    if constexpr (C == 1) {
        u = s[0] > T(0) ? T(1) : (s[0] < T(0) ? T(-1) : T(0) * s[0]);
        size = s[0] * u;
    } else {
        size = sqrt(s[0] * s[0] + s[1] * s[1]);
        const T scale = size > T(0) ? T(1) / size : T(0) * size;
        u = s[0] * scale, v = s[1] * scale;
    }
    s[0] = size;
    if (!derivatives) return;
    MRIOPS_UNROLL
    for (int k = 0; k < P; ++k) g[k * C] = C == 1 ? u * g[k] : u * g[k * C] + v * g[k * C + C - 1];
}

template <class T, template <class> class Model>
__global__ void __launch_bounds__(kThreads, 2) sweep(const __grid_constant__ Sweep<T> a) {
    using M = Model<T>;
    constexpr int P = M::parameters, C = M::components;
    const Design<T> design = {a.design, a.steps};
    const int c_out = a.magnitude ? 1 : C;
    const int64_t stride = int64_t(gridDim.x) * blockDim.x;
    for (int64_t voxel = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; voxel < a.voxels; voxel += stride) {
        T p[P], tangent[P], sum[P];
        MRIOPS_UNROLL
        for (int k = 0; k < P; ++k) {
            p[k] = a.parameters[k * a.voxels + voxel];
            tangent[k] = a.task == SignalTask::jvp ? a.in[k * a.voxels + voxel] : T(0);
            sum[k] = T(0);
        }
        M model;
        model.prepare(p, design);
        MRIOPS_MODELS_ROLLED
        for (int64_t i = 0; i < a.steps; ++i) {
            T s[C], g[P * C];
            const bool derivatives = a.task != SignalTask::value;
            if (derivatives)
                model.template at<true>(i, design, s, g);
            else
                model.template at<false>(i, design, s, g);
            if (a.magnitude) to_magnitude<T, P, C>(s, g, derivatives);
            const int64_t at = (i * a.voxels + voxel) * c_out;
            MRIOPS_UNROLL
            for (int c = 0; c < C; ++c) {
                if (c >= c_out) continue;
                if (a.task == SignalTask::value || a.task == SignalTask::jacobian) a.out[at + c] = s[c];
                T pushed = T(0);
                MRIOPS_UNROLL
                for (int k = 0; k < P; ++k) {
                    const T d = derivatives ? g[k * C + c] : T(0);
                    if (a.task == SignalTask::jacobian) a.more[k * a.steps * a.voxels * c_out + at + c] = d;
                    if (a.task == SignalTask::vjp) sum[k] = sum[k] + a.in[at + c] * d;
                    pushed = pushed + tangent[k] * d;
                }
                if (a.task == SignalTask::jvp) a.out[at + c] = pushed;
            }
        }
        if (a.task != SignalTask::vjp) continue;
        MRIOPS_UNROLL
        for (int k = 0; k < P; ++k) a.out[k * a.voxels + voxel] = sum[k];
    }
}

template <class T>
void run(SignalTask task, const SignalProblem& p, const T* parameters, const T* in, const T* design, T* out, T* more,
         gpu::Stream stream) {
    const Sweep<T> a = {task, p.magnitude, p.steps, p.voxels, parameters, in, design, out, more};
    const int64_t blocks = (p.voxels + kThreads - 1) / kThreads;
    const dim3 grid(unsigned(blocks < (1 << 30) ? blocks : (1 << 30))), block(kThreads);
    switch (p.model) {
#define MRIOPS_CASE(name, Model) \
    case SignalModel::name: MRIOPS_LAUNCH((sweep<T, Model>), grid, block, 0, stream, a); break;
        MRIOPS_CASE(mono_exponential, MonoExponential)
        MRIOPS_CASE(bi_exponential, BiExponential)
        MRIOPS_CASE(stretched_exponential, StretchedExponential)
        MRIOPS_CASE(inversion_recovery, InversionRecovery)
        MRIOPS_CASE(saturation_recovery, SaturationRecovery)
        MRIOPS_CASE(look_locker, LookLocker)
        MRIOPS_CASE(molli, Molli)
        MRIOPS_CASE(spgr, Spgr)
        MRIOPS_CASE(bssfp, Bssfp)
        MRIOPS_CASE(gradient_echo_trains, GradientEchoTrains)
        MRIOPS_CASE(water_fat, WaterFat)
        MRIOPS_CASE(diffusion, Diffusion)
        MRIOPS_CASE(diffusion_tensor, DiffusionTensor)
        MRIOPS_CASE(diffusion_kurtosis, DiffusionKurtosis)
        MRIOPS_CASE(ivim, Ivim)
        MRIOPS_CASE(tofts, ExtendedTofts)
        MRIOPS_CASE(phase_contrast, PhaseContrast)
        MRIOPS_CASE(asl_continuous, BuxtonContinuous)
        MRIOPS_CASE(asl_pulsed, BuxtonPulsed)
#undef MRIOPS_CASE
        case SignalModel::count: break;
    }
}

}  // namespace

void signal(SignalTask task, const SignalProblem& p, Dtype dtype, const void* parameters, const void* in,
            const void* design, void* out, void* more, void* stream) {
    const gpu::DeviceOf device(out);
    MRIOPS_BY_DTYPE(run<T>, task, p, MRIOPS_IN(parameters), MRIOPS_IN(in), MRIOPS_IN(design), MRIOPS_OUT(out),
                    MRIOPS_OUT(more), static_cast<gpu::Stream>(stream));
}

}  // namespace mriops::cuda
