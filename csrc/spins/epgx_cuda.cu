// Pulse trains for two pools on a device: signals, their tangents, gradients of all arguments and their tangents.
//
// One warp per atom, with the steps of the CPU: see Team in epgx_sweep.h. States of a forward sweep lie in shared
// memory where they fit, else in the workspace.
#define MRIOPS_LANE_SCALAR
#include "../core/gpu.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <vector>

#include "../core/device_workspace.cuh"
#include "epgx_cuda.h"
#include "epgx_problem.h"
#include "epgx_reverse.h"

namespace mriops::cuda {
namespace two_pools {
namespace {

constexpr int kWarp = Team::size, kWarps = 4, kThreads = kWarp * kWarps;
constexpr int64_t kMostWorkers = 8192, kWorkspace = int64_t(1) << 29;
constexpr int64_t kSegmentWords = sizeof(EpgSegment) / sizeof(int64_t);
static_assert(sizeof(EpgSegment) % sizeof(int64_t) == 0, "segments are sent as 64-bit words");

template <class T>
struct Call {
    PoolTrain train;
    PoolArrays<T> arrays;
    const T *grad, *d_grad;
    T *signal, *of_tissue;
    int64_t workers;  // warps
    void* states;     // of each warp, `moments` times `entries`; nullptr: in shared memory
    int64_t moments, entries;
    double* sums;  // of each warp: (pulse rows, segments), (readout rows, samples)
    int64_t length;
};

__device__ __forceinline__ int64_t worker_of() { return (blockIdx.x * int64_t(kThreads) + threadIdx.x) / kWarp; }

template <class T>
__device__ __forceinline__ T least(T x) {
    for (int bits = kWarp / 2; bits > 0; bits /= 2) {
        const T other = __shfl_xor_sync(0xffffffffu, x, bits);
        x = other < x ? other : x;
    }
    return x;
}

// Sums over atoms are those of the warps, each in the order of its atoms.
template <class T, class R>
struct Sink {
    const Call<T>& c;
    double* sums;
    int64_t atom;

    __device__ __forceinline__ Pair<R> cotangent(int64_t j, int) const {
        const int64_t at = 2 * (j * c.train.atoms + atom);
        Pair<R> g{};
        g.re.v = c.grad[at];
        g.im.v = c.grad[at + 1];
        if constexpr (Parts<R>::dual) {
            g.re.d = c.d_grad[at];
            g.im.d = c.d_grad[at + 1];
        }
        return g;
    }
    __device__ __forceinline__ void pulse(EpgxPulse row, int64_t n, R value) {
        sums[row * c.train.all_segments + n] += double(wanted(value));
    }
    __device__ __forceinline__ void readout(EpgxReadout row, int64_t j, R value) {
        sums[epgx_pulse_rows * c.train.all_segments + row * c.train.samples + j] += double(wanted(value));
    }
    __device__ __forceinline__ void tissue(EpgxTissue row, R value) {
        c.of_tissue[row * c.train.atoms + atom] = wanted(value);
    }
};

// What a warp keeps of its atom in shared memory.
template <class T, class S, bool Both>
struct Worker {
    using Block = PoolBlock<T, S, Both>;
    using AtomSink = Sink<T, typename StateOf<S>::Real>;
    using Reverse = PoolReverse<T, S, Both, AtomSink>;
    alignas(16) unsigned char block[sizeof(Block)];
    alignas(16) unsigned char sink[sizeof(AtomSink)];
    alignas(16) unsigned char reverse[sizeof(Reverse)];

    __device__ __forceinline__ Block& enter(const Call<T>& c, int64_t i, T shortest) {
        Block& own = *reinterpret_cast<Block*>(block);
        __syncwarp();  // the atom before is done with
        if (Team::first()) new (block) Block(c.train, c.arrays, i, 1);
        __syncwarp();
        if (c.train.orders) return own;
        // Neighbours keep as many: the slowest decay of 32 atoms decides.
        const int64_t group = i / kWarp * kWarp + Team::member(), near = group < c.train.atoms ? group : i;
        T slowest = c.arrays.tissue[epgx_r2_a * c.train.atoms + near];
        if (!(slowest >= T(0))) slowest = INFINITY;
        if (Both) {
            const T other = c.arrays.tissue[epgx_r2_b * c.train.atoms + near];
            slowest = other < slowest ? other : slowest;
        }
        slowest = least(slowest);
        if (Team::first()) own.drop_orders(slowest, shortest);
        __syncwarp();
        return own;
    }
};

template <class T, class S, bool Both>
__device__ __forceinline__ T shortest_move(const Call<T>& c) {
    if (c.train.orders) return T(0);
    return least(PoolBlock<T, S, Both>::shortest_move(c.train, c.arrays, Team::member(), kWarp));
}

template <class T, class S, bool Both>
__global__ void __launch_bounds__(kThreads, 2) forward(const __grid_constant__ Call<T> c) {
    using R = typename StateOf<S>::Real;
    MRIOPS_SHARED_BYTES(shared);
    const PoolTrain& train = c.train;
    const int warp = int(threadIdx.x) / kWarp;
    auto& worker = reinterpret_cast<Worker<T, S, Both>*>(shared)[warp];
    S* const in_shared = reinterpret_cast<S*>(shared + kWarps * sizeof(Worker<T, S, Both>)) + warp * 2 * c.entries;
    S* const memory = c.states ? static_cast<S*>(c.states) + worker_of() * 2 * c.entries : in_shared;
    const T shortest = shortest_move<T, S, Both>(c);
    for (int64_t i = worker_of(); i < train.atoms; i += c.workers) {
        auto& block = worker.enter(c, i, shortest);
        PoolStates<S> now = pool_states_at(memory, block.size());
        PoolStates<S> next = pool_states_at(memory + c.entries, block.size());
        for (int64_t n = 0; n < train.count; ++n) {
            if (n > 0) {
                advance<Both>(now, block.live(n - 1), next, block.live(n), block.shared_step(n));
                const PoolStates<S> other = now;
                now = next;
                next = other;
            } else {
                if (Team::first()) block.start(now);
                __syncwarp();
            }
            if (!Team::first()) continue;
            const EpgSegment& segment = train.segments[n];
            for (int64_t j = segment.first_sample; j < segment.first_sample + segment.samples; ++j) {
                const Pair<R> y = scaled(block.tissue[epgx_m0], block.sample(now, n, j));
                c.signal[2 * (j * train.atoms + i)] = wanted(y.re);
                c.signal[2 * (j * train.atoms + i) + 1] = wanted(y.im);
            }
        }
    }
}

template <class T, class S, bool Both>
__global__ void __launch_bounds__(kThreads, 2) reverse(const __grid_constant__ Call<T> c) {
    using Own = Worker<T, S, Both>;
    MRIOPS_SHARED_BYTES(shared);
    Own& worker = reinterpret_cast<Own*>(shared)[threadIdx.x / kWarp];
    auto& sink = *reinterpret_cast<typename Own::AtomSink*>(worker.sink);
    auto& reverse = *reinterpret_cast<typename Own::Reverse*>(worker.reverse);
    double* const sums = c.sums + worker_of() * c.length;
    for (int64_t i = Team::member(); i < c.length; i += kWarp) sums[i] = 0;
    S* const memory = static_cast<S*>(c.states) + worker_of() * c.moments * c.entries;
    const T shortest = shortest_move<T, S, Both>(c);
    for (int64_t i = worker_of(); i < c.train.atoms; i += c.workers) {
        auto& block = worker.enter(c, i, shortest);
        if (Team::first()) {
            new (worker.sink) typename Own::AtomSink{c, sums, i};
            new (worker.reverse) typename Own::Reverse(block, sink);
        }
        __syncwarp();
        reverse.run(memory);
    }
}

// A warp per number: sums over the workers.
template <class T>
__global__ void __launch_bounds__(kThreads) gather(const __grid_constant__ Call<T> c, T* of_pulses, T* of_readouts) {
    const int64_t pulses = epgx_pulse_rows * c.train.all_segments, stride = int64_t(gridDim.x) * kWarps;
    for (int64_t i = worker_of(); i < c.length; i += stride) {
        double total = 0;
        for (int64_t k = Team::member(); k < c.workers; k += kWarp) total += c.sums[k * c.length + i];
        total = Team::sum(total);
        if (Team::first()) (i < pulses ? of_pulses[i] : of_readouts[i - pulses]) = T(total);
    }
}

template <class T, class S, bool Both>
std::size_t run(bool gradients, const EpgxProblem& p, const EpgxArrays& a, void* workspace, void* stream, bool dry) {
    using Own = Worker<T, S, Both>;
    const EpgTrain unrolled = epgx_train(p);
    const int64_t count = int64_t(unrolled.segments.size());
    gpu::Memory memory(workspace, stream, dry);
    int64_t* const segments = memory.take<int64_t>(count * kSegmentWords);
    int32_t* const offsets = memory.take<int32_t>(p.samples);
    Call<T> c{};
    c.train = pool_train(p, unrolled);
    const int64_t most_orders = p.orders ? std::min(p.orders, c.train.most_orders) : c.train.most_orders;
    c.entries = PoolSize{most_orders, c.train.pad, Both}.entries();
    c.moments = gradients ? Own::Reverse::moments(count) : 2;
    const int64_t bytes = c.moments * c.entries * int64_t(sizeof(S));
    const int64_t pulses = epgx_pulse_rows * p.segments, readouts = epgx_readout_rows * p.samples;
    c.length = gradients ? pulses + readouts : 0;
    const int64_t kept = kWarps * int64_t(sizeof(Own));
    const bool in_shared = !gradients && bytes * kWarps + kept <= int64_t(gpu::kSharedBytesAnywhere);
    const int64_t most = std::min(kMostWorkers, kWorkspace / ((in_shared ? 1 : bytes) + 8 * c.length));
    c.workers = (std::max<int64_t>(1, std::min(p.atoms, most)) + kWarps - 1) / kWarps * kWarps;
    c.sums = memory.take<double>(c.workers * c.length);
    if (!in_shared) c.states = memory.take<char>(c.workers * bytes);
    if (dry) return memory.peak();

    std::vector<int64_t> words(size_t(count * kSegmentWords));
    std::memcpy(words.data(), unrolled.segments.data(), words.size() * sizeof(int64_t));
    gpu::upload(words, segments, memory.stream());
    gpu::upload(std::vector<int32_t>(unrolled.offsets.begin(), unrolled.offsets.end()), offsets, memory.stream());
    c.train.segments = reinterpret_cast<const EpgSegment*>(segments);
    c.train.offsets = offsets;
    const dim3 blocks(unsigned(c.workers / kWarps)), threads(kThreads);
    const std::size_t shared = std::size_t(kept + (in_shared ? bytes * kWarps : 0));
    const int64_t signal = 2 * p.samples * p.atoms;
    for (int64_t item = 0; item < p.batch; ++item) {
        c.arrays = pool_arrays<T>(p, a, item);
        if (!gradients) {
            c.signal = static_cast<T*>(a.signal) + item * signal;
            MRIOPS_LAUNCH((forward<T, S, Both>), blocks, threads, shared, memory.stream(), c);
            continue;
        }
        c.grad = static_cast<const T*>(a.grad) + item * signal;
        c.d_grad = a.d_grad ? static_cast<const T*>(a.d_grad) + item * signal : nullptr;
        c.of_tissue = static_cast<T*>(a.grad_tissue) + item * epgx_tissue_rows * p.atoms;
        MRIOPS_LAUNCH((reverse<T, S, Both>), blocks, threads, shared, memory.stream(), c);
        const int64_t gatherers = std::min<int64_t>((c.length + kWarps - 1) / kWarps, 4096);
        MRIOPS_LAUNCH(gather<T>, dim3(unsigned(gatherers)), threads, 0, memory.stream(), c,
                      static_cast<T*>(a.grad_pulses) + item * pulses,
                      static_cast<T*>(a.grad_readouts) + item * readouts);
    }
    return memory.peak();
}

template <class T, template <class> class Number>
std::size_t run_any(bool gradients, const EpgxProblem& p, const EpgxArrays& a, void* workspace, void* stream,
                    bool dry) {
    if (p.transverse) return run<T, Pair<Number<T>>, true>(gradients, p, a, workspace, stream, dry);
    if (p.real) return run<T, Number<T>, false>(gradients, p, a, workspace, stream, dry);
    return run<T, Pair<Number<T>>, false>(gradients, p, a, workspace, stream, dry);
}

std::size_t run_sweep(EpgxSweep sweep, const EpgxProblem& p, Dtype t, const EpgxArrays& a, void* workspace,
                      void* stream, bool dry) {
    const bool gradients = sweep == EpgxSweep::vjp || sweep == EpgxSweep::hvp;
    const bool dual = sweep == EpgxSweep::jvp || sweep == EpgxSweep::hvp;
    if (t == Dtype::complex64)
        return dual ? run_any<float, Dual>(gradients, p, a, workspace, stream, dry)
                    : run_any<float, Plain>(gradients, p, a, workspace, stream, dry);
    return dual ? run_any<double, Dual>(gradients, p, a, workspace, stream, dry)
                : run_any<double, Plain>(gradients, p, a, workspace, stream, dry);
}

}  // namespace
}  // namespace two_pools

void epgx(EpgxSweep sweep, const EpgxProblem& p, Dtype t, const EpgxArrays& a, void* workspace, void* stream) {
    const gpu::DeviceOf device(a.pulses);
    two_pools::run_sweep(sweep, p, t, a, workspace, stream, false);
}
std::size_t epgx_workspace_bytes(EpgxSweep sweep, const EpgxProblem& p, Dtype t) {
    return two_pools::run_sweep(sweep, p, t, {}, nullptr, nullptr, true);
}

}  // namespace mriops::cuda
