// Isochromats with two pools on a device: states at chosen steps and their tangents, gradients by a reverse sweep over
// checkpoints in the workspace and their tangents.
//
// One thread per isochromat, with the steps of the CPU; jobs, and the order of sums over isochromats, as in
// bloch_device.cuh.
#include <algorithm>
#include <cmath>

#include "bloch_device.cuh"

#include "../core/device_workspace.cuh"
#include "bloch_exchange_block.h"
#include "bloch_exchange_cuda.h"

namespace mriops::cuda {
namespace exchanging {
namespace {

using isochromats::blocks_for;
using isochromats::for_each_spin;
using isochromats::kThreads;
using isochromats::kWarp;
using isochromats::warp_sum;

constexpr int64_t kMostWorkers = 4096;
constexpr int64_t kPartialBytes = int64_t(1) << 26;
constexpr int64_t kInterval = 64;

struct Call {
    isochromats::Sizes s;  // of the jobs alone
    BlochExchangeProblem p;
    BlochExchangeArrays a;
    double* partial;  // (jobs, waveform rows, steps)
    void* tape;       // kept states: [state][component][thread]
};

// What a thread keeps in shared memory. Neighbours lie an odd number of words apart: no bank serves two of them.
template <class T, class R>
struct Slot {
    HalfStep<T, R> half;
    T rows[exchange_rows];  // gradients
    StepBack<R> at;
    TwoPools<R> bar;
};
template <class T, class R>
constexpr std::size_t slot_bytes = (sizeof(Slot<T, R>) / sizeof(T) | 1) * sizeof(T);
// Threads per block that a device has shared memory for.
template <class T, class R>
constexpr int threads = kThreads * slot_bytes<T, R> <= gpu::kSharedBytesAnywhere ? kThreads : kThreads / 2;
template <class T, class R>
__device__ __forceinline__ Slot<T, R>& slot_of(unsigned char* shared) {
    constexpr std::size_t bytes = slot_bytes<T, R>;
    return *reinterpret_cast<Slot<T, R>*>(shared + threadIdx.x * bytes);
}

template <class T, class R>
__global__ void __launch_bounds__(threads<T, R>, 2) forward(const __grid_constant__ Call c) {
    MRIOPS_SHARED_BYTES(shared);
    HalfStep<T, R>& half = slot_of<T, R>(shared).half;
    const auto body = [&](int64_t b, int64_t, int64_t spin, bool active) {
        ExchangeBlock<T, R> block(c.p, c.a, b, spin, half);
        TwoPools<R> s = block.start();
        int64_t n = 0;
        for (int64_t j = 0; j < c.p.records; ++j) {
            for (; n < c.p.record[j]; ++n) s = block.step(s, n);
            if (active) block.store(c.a.out, block.record_at(j), s);
        }
    };
    for_each_spin(c.s, [](int64_t) {}, body);
}

template <class T, class R>
struct Sink {
    const Call& c;
    T (&rows)[exchange_rows];
    T* more;       // rows of b1 and position, in memory
    double* sums;  // of this job
    bool active;

    __device__ __forceinline__ void own(int64_t row, R value) {
        if (row < exchange_rows)
            rows[row] += wanted(value);
        else if (active)
            more[row * c.p.spins] += wanted(value);
    }
    __device__ __forceinline__ void shared(int64_t row, int64_t n, R value) {
        const double sum = warp_sum(active ? double(wanted(value)) : 0.0);
        if (threadIdx.x % kWarp == 0) sums[row * c.p.steps + n] += sum;
    }
};

template <class T, class R>
struct Tape {
    T* base;
    int64_t stride;
    static constexpr bool dual = Parts<R>::dual;
    static constexpr int parts = dual ? 12 : 6;

    __device__ __forceinline__ explicit Tape(const Call& c)
        : base(static_cast<T*>(c.tape) + blockIdx.x * int64_t(threads<T, R>) + threadIdx.x),
          stride(int64_t(gridDim.x) * threads<T, R>) {}
    __device__ __forceinline__ void keep(int64_t i, const TwoPools<R>& s) {
        T* const to = base + i * parts * stride;
        MRIOPS_LANE_UNROLL
        for (int k = 0; k < 6; ++k) {
            to[k * stride] = s.m[k / 3][k % 3].v;
            if constexpr (dual) to[(6 + k) * stride] = s.m[k / 3][k % 3].d;
        }
    }
    __device__ __forceinline__ TwoPools<R> kept(int64_t i) const {
        const T* const from = base + i * parts * stride;
        TwoPools<R> s;
        MRIOPS_LANE_UNROLL
        for (int k = 0; k < 6; ++k) {
            s.m[k / 3][k % 3].v = from[k * stride];
            if constexpr (dual) s.m[k / 3][k % 3].d = from[(6 + k) * stride];
        }
        return s;
    }
};

template <class T, class R>
__device__ __forceinline__ void sweep(const Call& c, ExchangeBlock<T, R>& block,
                                      ExchangeGradient<T, R, Sink<T, R>>& gradient, Tape<T, R> tape, TwoPools<R>& bar) {
    const int64_t steps = c.p.steps, size = c.s.interval, count = (steps + size - 1) / size;
    TwoPools<R> s = block.start();
    bar = {};
    gradient.at.of_equilibrium[0] = gradient.at.of_equilibrium[1] = R{};
    for (int64_t i = 0; i + 1 < count; ++i) {
        tape.keep(size + i, s);
        for (int64_t n = i * size; n < (i + 1) * size; ++n) s = block.step(s, n);
    }
    int64_t record = c.p.records - 1;
    const auto enter = [&](int64_t n) {
        if (record < 0 || c.p.record[record] != n) return;
        const TwoPools<R> g = block.load(c.a.grad, c.a.d_grad, block.record_at(record--));
        MRIOPS_LANE_UNROLL
        for (int k = 0; k < 6; ++k) bar.m[k / 3][k % 3] = bar.m[k / 3][k % 3] + g.m[k / 3][k % 3];
    };
    for (int64_t i = count - 1; i >= 0; --i) {
        const int64_t from = i * size, to = from + size < steps ? from + size : steps;
        if (i < count - 1) s = tape.kept(size + i);
        for (int64_t n = from; n < to; ++n) {
            tape.keep(n - from, s);
            if (n + 1 < to) s = block.step(s, n);
        }
        for (int64_t n = to - 1; n >= from; --n) {
            enter(n + 1);
            gradient.back(n, [&] { return tape.kept(n - from); }, bar);
        }
    }
    enter(0);
    gradient.add(exchange_fraction, gradient.at.of_equilibrium[1] - gradient.at.of_equilibrium[0]);
}

template <class T, class R>
__global__ void __launch_bounds__(threads<T, R>, 2) reverse(const __grid_constant__ Call c) {
    MRIOPS_SHARED_BYTES(shared);
    Slot<T, R>& slot = slot_of<T, R>(shared);
    const int64_t values = c.s.values, rows = c.p.spin_rows();
    const auto begin = [&](int64_t job) {
        for (int64_t i = threadIdx.x % kWarp; i < values; i += kWarp) c.partial[job * values + i] = 0;
        __syncwarp();
    };
    const auto body = [&](int64_t b, int64_t job, int64_t spin, bool active) {
        ExchangeBlock<T, R> block(c.p, c.a, b, spin, slot.half);
        T* const own = static_cast<T*>(c.a.grad_spins) + b * rows * c.p.spins + spin;
        Sink<T, R> sink{c, slot.rows, own, c.partial + job * values, active};
        for (int i = 0; i < exchange_rows; ++i) slot.rows[i] = T(0);
        for (int64_t i = exchange_rows; active && i < rows; ++i) own[i * c.p.spins] = T(0);
        ExchangeGradient<T, R, Sink<T, R>> gradient{block, sink, slot.at};
        sweep(c, block, gradient, Tape<T, R>(c), slot.bar);
        if (!active) return;
        for (int i = 0; i < exchange_rows; ++i) own[i * c.p.spins] = slot.rows[i];
        block.store(c.a.grad_magnetization, b * c.p.spins + spin, slot.bar);
    };
    for_each_spin(c.s, begin, body);
}

template <class T>
__global__ void __launch_bounds__(kThreads) sum_jobs(const __grid_constant__ Call c) {
    const int64_t stride = int64_t(gridDim.x) * kThreads, values = c.s.values;
    for (int64_t i = blockIdx.x * int64_t(kThreads) + threadIdx.x; i < c.s.batch * values; i += stride) {
        const int64_t b = i / values;
        const double* const first = c.partial + b * c.s.parts * values + (i - b * values);
        double total = 0;
        for (int64_t k = 0; k < c.s.parts; ++k) total += first[k * values];
        static_cast<T*>(c.a.grad_waveform)[i] = T(total);
    }
}

isochromats::Sizes sizes_of(bool gradients, const BlochExchangeProblem& p) {
    isochromats::Sizes s{};
    s.batch = p.batch;
    s.spins = p.spins;
    s.values = gradients ? p.waveform_rows() * p.steps : 0;
    const int64_t groups = (p.spins + kWarp - 1) / kWarp, most = std::max<int64_t>(1, kMostWorkers / p.batch);
    const int64_t fits = std::max<int64_t>(1, kPartialBytes / (8 * s.values + 8) / p.batch);
    s.parts = std::min(groups, std::min(most, fits));
    const int64_t jobs = s.batch * s.parts, together = kThreads / kWarp;
    s.workers = (std::min(jobs, kMostWorkers) + together - 1) / together * together;
    s.interval = std::max<int64_t>(std::min(p.steps, kInterval), int64_t(std::sqrt(double(p.steps))));
    return s;
}

template <class T, template <class> class Number>
std::size_t run(bool gradients, const BlochExchangeProblem& p, const BlochExchangeArrays& a, void* workspace,
                void* stream, bool dry) {
    using R = Number<T>;
    gpu::Memory memory(workspace, stream, dry);
    Call c{};
    c.s = sizes_of(gradients, p);
    c.p = p;
    c.a = a;
    int64_t* const record = memory.take<int64_t>(p.records);
    c.p.record = record;
    c.partial = memory.take<double>(c.s.batch * c.s.parts * c.s.values);
    const int64_t kept = c.s.interval + p.steps / c.s.interval + 1;
    if (gradients) c.tape = memory.take<T>(kept * Tape<T, R>::parts * c.s.workers * kWarp);
    if (dry) return memory.peak();
    gpu::upload(std::vector<int64_t>(p.record, p.record + p.records), record, memory.stream());
    const std::size_t shared = threads<T, R> * slot_bytes<T, R>;
    const dim3 grid(unsigned(c.s.workers / (threads<T, R> / kWarp)));
    if (gradients) {
        MRIOPS_LAUNCH((reverse<T, R>), grid, dim3(threads<T, R>), shared, memory.stream(), c);
        MRIOPS_LAUNCH(sum_jobs<T>, blocks_for(c.s.batch * c.s.values), dim3(kThreads), 0, memory.stream(), c);
    } else {
        MRIOPS_LAUNCH((forward<T, R>), grid, dim3(threads<T, R>), shared, memory.stream(), c);
    }
    return memory.peak();
}

std::size_t run_any(BlochExchangeSweep sweep, const BlochExchangeProblem& p, Dtype t, const BlochExchangeArrays& a,
                    void* workspace, void* stream, bool dry) {
    const bool gradients = sweep == BlochExchangeSweep::vjp || sweep == BlochExchangeSweep::hvp;
    const bool tangents = sweep == BlochExchangeSweep::jvp || sweep == BlochExchangeSweep::hvp;
    if (t == Dtype::complex64)
        return tangents ? run<float, Dual>(gradients, p, a, workspace, stream, dry)
                        : run<float, Plain>(gradients, p, a, workspace, stream, dry);
    return tangents ? run<double, Dual>(gradients, p, a, workspace, stream, dry)
                    : run<double, Plain>(gradients, p, a, workspace, stream, dry);
}

}  // namespace
}  // namespace exchanging

void bloch_exchange(BlochExchangeSweep sweep, const BlochExchangeProblem& p, Dtype t, const BlochExchangeArrays& a,
                    void* workspace, void* stream) {
    const gpu::DeviceOf device(a.waveform);
    exchanging::run_any(sweep, p, t, a, workspace, stream, false);
}
std::size_t bloch_exchange_workspace_bytes(BlochExchangeSweep sweep, const BlochExchangeProblem& p, Dtype t) {
    return p.batch == 0 ? 0 : exchanging::run_any(sweep, p, t, {}, nullptr, nullptr, true);
}

}  // namespace mriops::cuda
