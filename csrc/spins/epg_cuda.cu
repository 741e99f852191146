// Pulse trains on a device: signals, their tangents, gradients of all arguments and their tangents.
#include "epg_cuda.h"

#include <algorithm>

#include "epg_device_call.cuh"
#include "epg_device_sweep.cuh"

namespace mriops::cuda {
namespace phase_graphs {
namespace {

// Every 32nd state is kept, and 32 at a time are recomputed.
constexpr int64_t kTape = 32;

template <class T, class S>
__global__ void __launch_bounds__(kThreads, sizeof(T) == 4 ? 4 : 2) forward(const __grid_constant__ Call c) {
    using R = typename StateOf<S>::Real;
    MRIOPS_SHARED_BYTES(shared);
    const Train& train = c.train;
    const int64_t entries = train.entries();
    S* const memory = c.states ? static_cast<S*>(c.states) + worker_of() * 2 * entries
                               : reinterpret_cast<S*>(shared) + threadIdx.x / kWarp * 2 * entries;
    for (int64_t i = worker_of(); i < train.atoms; i += c.workers) {
        Atom<T, S> atom(c, i);
        States<S> now = states_at(memory, train), next = states_at(memory + entries, train);
        for (int64_t n = 0; n < train.count; ++n) {
            if (n == 0) {
                atom.start(now);
            } else {
                advance(now, atom.live(n - 1), next, atom.live(n), atom.step(n));
                const States<S> other = now;
                now = next;
                next = other;
            }
            const int64_t first = train.field(n, first_sample_field);
            for (int64_t j = first; j < first + train.field(n, samples_field); ++j) {
                const Pair<R> factor = atom.sample_factor(n, j);
                const Pair<R> y = atom.times(factor, atom.state_of(now, n, train.offsets[j]));
                const int64_t at = j * train.atoms + i;
                if (lane_of() != 0) continue;
                if (train.real_signal) {
                    static_cast<T*>(c.arrays.signal)[at] = wanted(atom.m0 * y.re);
                } else {
                    static_cast<T*>(c.arrays.signal)[2 * at] = wanted(atom.m0 * y.re);
                    static_cast<T*>(c.arrays.signal)[2 * at + 1] = wanted(atom.m0 * y.im);
                }
            }
            __syncwarp();
        }
    }
}

template <class T, class S>
struct Reverse {
    using R = typename StateOf<S>::Real;

    const Call& c;
    const Train& train;
    Atom<T, S> atom;
    double* sums;
    R g1{}, g2{};
    T gb1{}, gomega{}, gm0{}, gdiffusion{};  // sums of which only one part is wanted

    __device__ __forceinline__ Reverse(const Call& call, int64_t i)
        : c(call), train(call.train), atom(call, i), sums(call.sums + worker_of() * call.length) {}

    __device__ __forceinline__ void add(EpgArgument which, int64_t i, R value) {
        if (c.sum_at[which] >= 0 && lane_of() == 0) sums[c.sum_at[which] + i] += double(wanted(value));
    }
    __device__ __forceinline__ void store(EpgArgument which, T value) {
        T* const to = static_cast<T*>(c.arrays.gradient[which]);
        if (to && lane_of() == 0) to[atom.index] = value;
    }
    __device__ __forceinline__ Pair<R> cotangent(int64_t j) const {
        const T* const from = static_cast<const T*>(c.arrays.cotangent);
        const int64_t at = j * train.atoms + atom.index;
        if (train.real_signal) return {number<R>(from[at]), R{}};
        return {number<R>(from[2 * at]), number<R>(from[2 * at + 1])};
    }
    // The samples of segment n: their part of the gradient of its states, and of everything in their factors.
    __device__ __forceinline__ void pull_samples(int64_t n, States<S> x, States<S> grad) {
        const int64_t first = train.field(n, first_sample_field);
        for (int64_t j = first; j < first + train.field(n, samples_field); ++j) {
            const int offset = train.offsets[j];
            const Pair<R> g = cotangent(j), factor = atom.sample_factor(n, j);
            const Pair<R> y = atom.times(factor, atom.state_of(x, n, offset));
            const R along = real_product(g, y), decay = atom.m0 * along;
            gm0 += wanted(along);
            const R time = atom.shared(epg_sample_time, j);
            g2 = g2 - time * decay;
            R later = -(atom.sample_rate(j) * decay);
            if (atom.damped) gdiffusion -= wanted(time * atom.sample_area(j) * decay);
            if (!train.real_signal) {
                const R turn = -(atom.m0 * imaginary_product(g, y));
                if constexpr (StateOf<S>::complex) {
                    gomega -= wanted(time * turn);
                    later = later - atom.omega * turn;
                    add(epg_phase, n, turn);
                }
                add(epg_receiver_phase, j, -turn);
            }
            add(epg_sample_time, j, later);
            const Pair<R> back = scaled(atom.m0, conjugate(factor) * g);
            if (lane_of() == 0) {
                if constexpr (StateOf<S>::complex)
                    atom.add_to_state(grad, n, offset, back);
                else
                    atom.add_to_state(grad, n, offset, back.re);
            }
        }
        __syncwarp();
    }
    __device__ __forceinline__ void pull_flip(int64_t n, R g) {
        const bool adiabatic = train.adiabatic(n);
        if (!adiabatic) gb1 += wanted(atom.shared(epg_flip_angle, n) * g);
        add(epg_flip_angle, n, adiabatic ? g : g * atom.b1);
    }
    __device__ __forceinline__ void pull_step(int64_t n, const StepGradient<R>& g) {
        pull_flip(n, g.flip);
        const R duration = atom.shared(epg_duration, n - 1);
        g2 = g2 - duration * g.decay;
        g1 = g1 - duration * g.recovery;
        R longer = -(atom.r2 * g.decay) - atom.r1 * g.recovery;
        if (atom.damped) {
            gdiffusion -= wanted(duration * g.spread);
            longer = longer - atom.diffusion * g.spread;
        }
        if constexpr (StateOf<S>::complex) {
            gomega -= wanted(duration * g.turn);
            longer = longer - atom.omega * g.turn;
            add(epg_phase, n, -g.turn);
            add(epg_phase, n - 1, g.turn);
        }
        add(epg_duration, n - 1, longer);
    }
    __device__ __forceinline__ void forward(int64_t n, States<S> from, States<S> to) {
        advance(from, atom.live(n - 1), to, atom.live(n), atom.step(n));
    }
    __device__ __forceinline__ static void copy(const S* from, S* to, int64_t entries) {
        for (int64_t k = lane_of(); k < entries; k += kWarp) to[k] = from[k];
        __syncwarp();
    }
    __device__ __forceinline__ void run(S* memory) {
        const int64_t count = train.count, kept = (count + kTape - 1) / kTape, entries = train.entries();
        S *const tape = memory, *const keep = tape + (kTape + 1) * entries, *const other = keep + kept * entries;
        States<S> grad = states_at(other, train), before = states_at(other + entries, train);
        // First and second half: to the last segment keeping checkpoints, then back from one to the other.
        atom.start(states_at(tape, train));
        copy(tape, keep, entries);
        for (int64_t n = 1; n < count; ++n) {
            S *const from = tape + (n - 1) % 2 * entries, *const to = tape + n % 2 * entries;
            forward(n, states_at(from, train), states_at(to, train));
            if (n % kTape == 0) copy(to, keep + n / kTape * entries, entries);
        }
        for (int64_t k = lane_of(); k < atom.live(count - 1); k += kWarp) grad.u[k] = grad.v[k] = grad.w[k] = S{};
        __syncwarp();
        for (int64_t part = kept - 1; part >= 0; --part) {
            const int64_t from = part * kTape, to = from + kTape < count - 1 ? from + kTape : count - 1;
            copy(keep + part * entries, tape, entries);
            for (int64_t n = from + 1; n <= to; ++n)
                forward(n, states_at(tape + (n - from - 1) * entries, train),
                        states_at(tape + (n - from) * entries, train));
            for (int64_t n = to; n > from; --n) {
                const States<S> x = states_at(tape + (n - from) * entries, train);
                const States<S> old = states_at(tape + (n - from - 1) * entries, train);
                pull_samples(n, x, grad);
                pull_step(n, retreat(grad, x, atom.live(n), before, old, atom.live(n - 1), atom.step(n)));
                const States<S> swapped = grad;
                grad = before;
                before = swapped;
            }
        }
        const States<S> x = states_at(tape, train);
        pull_samples(0, x, grad);
        atom.set_flip(0);
        if (train.inverts) {
            if constexpr (StateOf<S>::complex)
                store(epg_inversion, -wanted(grad.w[0].re));
            else
                store(epg_inversion, -wanted(grad.w[0]));
        } else if (train.odd_orders) {
            R g;
            if constexpr (StateOf<S>::complex)
                g = grad.u[0].re;
            else
                g = grad.u[0];
            pull_flip(0, g * atom.cosine);
        } else {
            pull_flip(0, flip_gradient(grad, x, 1));
        }
        store(epg_t1, -wanted(atom.r1 * atom.r1 * g1));
        store(epg_t2, -wanted(atom.r2 * atom.r2 * g2));
        store(epg_b1, gb1);
        store(epg_off_resonance, T(2 * kPi) * gomega);
        store(epg_m0, gm0);
        store(epg_diffusion, gdiffusion);
        if (!train.inverts) store(epg_inversion, T(0));
        __syncwarp();
    }
};

template <class T, class S>
__global__ void __launch_bounds__(kThreads, 2) reverse(const __grid_constant__ Call c) {
    double* const sums = c.sums + worker_of() * c.length;
    for (int64_t i = lane_of(); i < c.length; i += kWarp) sums[i] = 0;
    __syncwarp();
    S* const memory = static_cast<S*>(c.states) + worker_of() * c.moments * c.train.entries();
    for (int64_t i = worker_of(); i < c.train.atoms; i += c.workers) Reverse<T, S>(c, i).run(memory);
}

// A warp per number: sums over the workers.
template <class T>
__global__ void __launch_bounds__(kThreads) gather(const __grid_constant__ Call c, EpgArgument which, int64_t size) {
    const int64_t stride = int64_t(gridDim.x) * kWarps;
    for (int64_t i = worker_of(); i < size; i += stride) {
        double total = 0;
        for (int64_t k = lane_of(); k < c.workers; k += kWarp) total += c.sums[k * c.length + c.sum_at[which] + i];
        total = warp_sum(total);
        if (lane_of() == 0) static_cast<T*>(c.arrays.gradient[which])[i] = T(total);
    }
}

template <class T, class S>
std::size_t run(bool gradients, const EpgProblem& p, const EpgTrain& train, const EpgArrays& a, void* workspace,
                void* stream, bool dry) {
    gpu::Memory memory(workspace, stream, dry);
    Call c = device_call(memory, p, train, a);
    // Sizes of the workspace do not depend on which gradients are wanted.
    const int64_t sizes[epg_sequence_arguments] = {p.segments, p.segments, p.segments, p.samples, p.samples};
    for (int i = 0; gradients && i < epg_sequence_arguments; ++i) {
        c.sum_at[i] = a.gradient[i] ? c.length : -1;
        c.length += sizes[i];
    }
    c.moments = gradients ? kTape + 1 + (c.train.count + kTape - 1) / kTape + 2 : 2;
    const int64_t shared_bytes = place_states<S>(c, memory, !gradients);
    c.sums = memory.take<double>(c.workers * c.length);
    if (dry) return memory.peak();

    send(train, c, memory.stream());
    const dim3 blocks(unsigned(c.workers / kWarps)), threads(kThreads);
    if (!gradients) {
        MRIOPS_LAUNCH((forward<T, S>), blocks, threads, std::size_t(shared_bytes), memory.stream(), c);
        return memory.peak();
    }
    MRIOPS_LAUNCH((reverse<T, S>), blocks, threads, 0, memory.stream(), c);
    for (int i = 0; i < epg_sequence_arguments; ++i)
        if (c.sum_at[i] >= 0 && sizes[i] > 0)
            MRIOPS_LAUNCH(gather<T>, dim3(unsigned(std::min<int64_t>((sizes[i] + kWarps - 1) / kWarps, 4096))), threads,
                          0, memory.stream(), c, EpgArgument(i), sizes[i]);
    return memory.peak();
}

template <template <class> class Number>
std::size_t run_any(bool gradients, const EpgProblem& p, Dtype t, const EpgArrays& a, void* workspace, void* stream,
                    bool real, bool dry) {
    const EpgTrain train = device_train(p, real);
    if (t == Dtype::complex64)
        return real ? run<float, Number<float>>(gradients, p, train, a, workspace, stream, dry)
                    : run<float, Pair<Number<float>>>(gradients, p, train, a, workspace, stream, dry);
    return real ? run<double, Number<double>>(gradients, p, train, a, workspace, stream, dry)
                : run<double, Pair<Number<double>>>(gradients, p, train, a, workspace, stream, dry);
}

std::size_t run_sweep(EpgSweep sweep, const EpgProblem& p, Dtype t, const EpgArrays& a, void* workspace, void* stream,
                      bool real, bool dry) {
    const bool gradients = sweep == EpgSweep::vjp || sweep == EpgSweep::hvp;
    return sweep == EpgSweep::jvp || sweep == EpgSweep::hvp
               ? run_any<Dual>(gradients, p, t, a, workspace, stream, real, dry)
               : run_any<Plain>(gradients, p, t, a, workspace, stream, real, dry);
}

}  // namespace
}  // namespace phase_graphs

void epg(EpgSweep sweep, const EpgProblem& p, Dtype t, const EpgArrays& a, void* workspace, void* stream) {
    const gpu::DeviceOf device(a.value[epg_flip_angle]);
    phase_graphs::run_sweep(sweep, p, t, a, workspace, stream, phase_graphs::has_real_states(a), false);
}
std::size_t epg_workspace_bytes(EpgSweep sweep, const EpgProblem& p, Dtype t) {
    return phase_graphs::run_sweep(sweep, p, t, {}, nullptr, nullptr, phase_graphs::may_have_real_states(p), true);
}

}  // namespace mriops::cuda
