// Signals of all atoms on a device with their derivatives along several directions of what each atom has, in one sweep.
#include "epg_cuda.h"
#include "epg_device_call.cuh"
#include "epg_device_tangents.cuh"

namespace mriops::cuda {
namespace phase_graphs {
namespace {

template <class T, class S>
__global__ void __launch_bounds__(kThreads, sizeof(T) == 4 ? 4 : 2)
    jacobian(const __grid_constant__ Call c, EpgDirections directions) {
    using R = typename StateOf<S>::Real;
    MRIOPS_SHARED_BYTES(shared);
    const Train& train = c.train;
    const int64_t entries = train.entries(), samples = train.samples * train.atoms;
    S* const memory = c.states ? static_cast<S*>(c.states) + worker_of() * c.moments * entries
                               : reinterpret_cast<S*>(shared) + threadIdx.x / kWarp * c.moments * entries;
    // The states themselves are the first row, their derivatives follow; moments take turns.
    const auto states = [&](int64_t row, int64_t n) { return states_at(memory + (2 * row + n % 2) * entries, train); };
    for (int64_t i = worker_of(); i < train.atoms; i += c.workers) {
        Atom<T, S> atom(c, i);
        const auto write = [&](int64_t at, Pair<R> y) {
            T* const signal = static_cast<T*>(c.arrays.signal);
            if (train.real_signal) {
                signal[at] = y.re.v;
            } else {
                signal[2 * at] = y.re.v;
                signal[2 * at + 1] = y.im.v;
            }
        };
        for (int64_t n = 0; n < train.count; ++n) {
            const States<S> out = states(0, n);
            if (n == 0) {
                atom.start(out);
                for (int64_t d = 0; d < directions.count; ++d) Direction<T, S>{atom, d}.start(states(1 + d, 0));
            } else {
                const States<S> x = states(0, n - 1);
                const Step<S> step = atom.step(n);
                advance(x, atom.live(n - 1), out, atom.live(n), step);
                for (int64_t d = 0; d < directions.count; ++d)
                    Direction<T, S>{atom, d}.advance(n, x, states(1 + d, n - 1), out, states(1 + d, n), step);
            }
            const int64_t first = train.field(n, first_sample_field);
            for (int64_t j = first; j < first + train.field(n, samples_field); ++j) {
                const Pair<R> factor = atom.sample_factor(n, j);
                const Pair<R> y = atom.times(factor, atom.state_of(out, n, train.offsets[j]));
                int64_t at = j * train.atoms + i;
                if (directions.value) {
                    if (lane_of() == 0) write(at, scaled(atom.m0, y));
                    at += samples;
                }
                for (int64_t d = lane_of(); d < directions.count; d += kWarp)
                    write(at + d * samples, Direction<T, S>{atom, d}.sample(n, j, states(1 + d, n), factor, y));
            }
            __syncwarp();
        }
    }
}

template <class T, class S>
std::size_t run(const EpgProblem& p, const EpgTrain& train, const EpgArrays& a, const EpgDirections& directions,
                void* workspace, void* stream, bool dry) {
    gpu::Memory memory(workspace, stream, dry);
    Call c = device_call(memory, p, train, a);
    c.moments = 2 * (1 + directions.count);
    const int64_t shared_bytes = place_states<S>(c, memory, true);
    if (dry) return memory.peak();
    send(train, c, memory.stream());
    MRIOPS_LAUNCH((jacobian<T, S>), dim3(unsigned(c.workers / kWarps)), dim3(kThreads), std::size_t(shared_bytes),
                  memory.stream(), c, directions);
    return memory.peak();
}

std::size_t run_any(const EpgProblem& p, Dtype t, const EpgArrays& a, const EpgDirections& directions, void* workspace,
                    void* stream, bool real, bool dry) {
    check_directions(p, directions);
    const EpgTrain train = device_train(p, real);
    if (t == Dtype::complex64)
        return real ? run<float, Plain<float>>(p, train, a, directions, workspace, stream, dry)
                    : run<float, Pair<Plain<float>>>(p, train, a, directions, workspace, stream, dry);
    return real ? run<double, Plain<double>>(p, train, a, directions, workspace, stream, dry)
                : run<double, Pair<Plain<double>>>(p, train, a, directions, workspace, stream, dry);
}

}  // namespace
}  // namespace phase_graphs

void epg_jacobian(const EpgProblem& p, Dtype t, const EpgArrays& a, const EpgDirections& directions, void* workspace,
                  void* stream) {
    const gpu::DeviceOf device(a.value[epg_flip_angle]);
    phase_graphs::run_any(p, t, a, directions, workspace, stream, phase_graphs::has_real_states(a), false);
}
std::size_t epg_jacobian_workspace_bytes(const EpgProblem& p, Dtype t, const EpgDirections& directions) {
    return phase_graphs::run_any(p, t, {}, directions, nullptr, nullptr, phase_graphs::may_have_real_states(p), true);
}

}  // namespace mriops::cuda
