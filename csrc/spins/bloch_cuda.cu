// The door of the Bloch kernels on a device: how a problem is cut into jobs, and what the workspace holds.
#include "bloch_cuda.h"

#include <algorithm>
#include <cmath>

#include "../core/device_workspace.cuh"
#include "bloch_forward.cuh"
#include "bloch_reverse.cuh"
#include "bloch_spinor.cuh"
#include "bloch_table.cuh"

namespace mriops::cuda {
namespace {

using namespace isochromats;

// Warps that run at once, on the largest GPUs about half of what fits; they bound what checkpoints take.
constexpr int64_t kMostWorkers = 4096;
constexpr int64_t kPartialBytes = int64_t(1) << 26;
// Steps between checkpoints of short waveforms; long ones keep about twice the square root of their steps.
constexpr int64_t kInterval = 64;

Sizes sizes_of(BlochSweep sweep, bool spinor, const BlochProblem& p) {
    const bool gradients = sweep == BlochSweep::vjp || sweep == BlochSweep::hvp;
    Sizes s{};
    s.batch = p.batch;
    s.spins = p.spins;
    s.steps = p.steps;
    s.channels = p.channels;
    s.axes = p.axes;
    s.spin_rows = p.spin_rows();
    s.waveform_rows = p.waveform_rows();
    s.coils = spinor ? 0 : p.coils;
    s.records = spinor ? 0 : p.records;  // no states are recorded on the way of a spinor
    s.b1 = p.b1;
    s.split = p.split;
    s.own_waveform = p.own_waveform;
    s.own_spins = p.own_spins;
    s.own_magnetization = p.own_magnetization;
    s.own_receive = p.own_receive;
    s.step_width = 2 * p.channels + p.axes + 2;
    s.half_width = p.axes + 2;
    s.values = gradients ? s.table_rows() * (sweep == BlochSweep::hvp ? 2 : 1) : 2 * s.records * s.coils;
    const int64_t groups = (p.spins + kWarp - 1) / kWarp, most = std::max<int64_t>(1, kMostWorkers / p.batch);
    const int64_t fits = std::max<int64_t>(1, kPartialBytes / (8 * s.values + 8) / p.batch);
    s.parts = std::min(groups, std::min(most, fits));
    const int64_t jobs = s.batch * s.parts, together = kThreads / kWarp;
    s.workers = (std::min(jobs, kMostWorkers) + together - 1) / together * together;
    s.interval = std::max<int64_t>(std::min(std::max<int64_t>(p.steps, 1), kInterval), int64_t(std::sqrt(p.steps)));
    return s;
}

template <class N>
std::size_t run(BlochSweep sweep, bool spinor, const BlochProblem& p, const BlochArrays& a, void* workspace,
                void* stream, bool dry) {
    using T = typename N::Real;
    gpu::Memory memory(workspace, stream, dry);
    Call<N> c{};
    c.s = sizes_of(sweep, spinor, p);
    c.a = a;
    const Sizes& s = c.s;
    const bool gradients = sweep == BlochSweep::vjp || sweep == BlochSweep::hvp;
    int64_t* const record = memory.take<int64_t>(s.records);
    c.record = record;
    c.tables = memory.template take<typename N::Scalar>((s.own_waveform ? s.batch : 1) * s.steps *
                                                        (s.step_width + s.half_width));
    c.partial = memory.template take<double>(s.batch * s.parts * s.values);
    if (gradients && !spinor)
        c.tape =
            memory.template take<T>((s.interval + s.steps / s.interval + 1) * (N::dual ? 6 : 3) * s.workers * kWarp);
    if (dry) return memory.peak();
    gpu::upload(std::vector<int64_t>(p.record, p.record + s.records), record, memory.stream());
    launch_table(c, memory.stream());
    if (spinor)
        gradients ? launch_spinor_reverse(c, memory.stream()) : launch_spinor(c, memory.stream());
    else
        gradients ? launch_reverse(c, memory.stream()) : launch_forward(c, memory.stream());
    return memory.peak();
}

std::size_t run_any(BlochSweep sweep, bool spinor, const BlochProblem& p, Dtype t, const BlochArrays& a,
                    void* workspace, void* stream, bool dry) {
    const bool tangents = sweep == BlochSweep::jvp || sweep == BlochSweep::hvp;
    if (t == Dtype::complex64)
        return tangents ? run<Tangents<float>>(sweep, spinor, p, a, workspace, stream, dry)
                        : run<Values<float>>(sweep, spinor, p, a, workspace, stream, dry);
    return tangents ? run<Tangents<double>>(sweep, spinor, p, a, workspace, stream, dry)
                    : run<Values<double>>(sweep, spinor, p, a, workspace, stream, dry);
}

}  // namespace

void bloch(BlochSweep sweep, bool spinor, const BlochProblem& p, Dtype t, const BlochArrays& a, void* workspace,
           void* stream) {
    const gpu::DeviceOf device(a.waveform);
    run_any(sweep, spinor, p, t, a, workspace, stream, false);
}
std::size_t bloch_workspace_bytes(BlochSweep sweep, bool spinor, const BlochProblem& p, Dtype t) {
    return p.batch == 0 ? 0 : run_any(sweep, spinor, p, t, {}, nullptr, nullptr, true);
}

}  // namespace mriops::cuda
