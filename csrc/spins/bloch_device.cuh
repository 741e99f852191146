// Bloch sweeps on a device: one thread per isochromat with its state in registers, one warp per job of isochromats.
//
// Sums over isochromats (signals, gradients of the waveform) are added up in double, in a fixed order: over the lanes
// of a warp, over the isochromats of its job, then over jobs. How isochromats are cut into jobs depends on the sizes
// alone.
#pragma once
#define MRIOPS_LANE_SCALAR
#include "../core/gpu.h"

#include "bloch.h"
#include "bloch_turn.h"

namespace mriops::cuda::isochromats {

constexpr int kWarp = 32, kThreads = 128;
constexpr double kTwoPi = 6.283185307179586476925;

// The sizes of a problem, as kernels take them.
struct Sizes {
    int64_t batch, spins, steps, channels, axes, spin_rows, waveform_rows, coils, records;
    bool b1, split, own_waveform, own_spins, own_magnetization, own_receive;
    int64_t parts, workers;  // jobs per batch item, and warps that are started for all jobs
    int64_t values;          // sums per job
    int64_t interval;        // steps between kept states
    int64_t step_width, half_width;

    __host__ __device__ int64_t table_rows() const { return steps * step_width + records * half_width; }
};

// Everything a kernel reads and writes. `record` is in device memory here.
template <class N>
struct Call {
    using T = typename N::Real;
    Sizes s;
    BlochArrays a;
    const int64_t* record;
    typename N::Scalar* tables;  // rows of step(n), then of half(n), per batch item of the waveform
    double* partial;             // `values` sums per job; with tangents of gradients, those of the values behind them
    T* tape;                     // kept states: [state][component][thread]
};

template <class T>
__device__ __forceinline__ const T* at(const void* p, int64_t i) {
    return static_cast<const T*>(p) + i;
}

// Rows of angles and times, as BlochTable of the CPU has them.
template <class N>
struct Table {
    using Scalar = typename N::Scalar;
    const Scalar *steps, *halves;
    int64_t channels, axes, step_width, half_width;

    __device__ __forceinline__ Table(const Call<N>& c, int64_t b)
        : channels(c.s.channels), axes(c.s.axes), step_width(c.s.step_width), half_width(c.s.half_width) {
        steps = c.tables + (c.s.own_waveform ? b : 0) * c.s.steps * (step_width + half_width);
        halves = steps + c.s.steps * step_width;
    }
    __device__ __forceinline__ const Scalar* step(int64_t n) const { return steps + n * step_width; }
    __device__ __forceinline__ const Scalar* rest(int64_t n) const { return step(n) + 2 * channels; }
    __device__ __forceinline__ const Scalar* half(int64_t n) const { return halves + n * half_width; }
    __device__ __forceinline__ bool free(int64_t n) const {
        bool none = true;
        for (int64_t i = 0; i < 2 * channels; ++i) none = none && step(n)[i] == typename N::Real(0);
        return none;
    }
};

// One isochromat.
template <class N>
struct Spin {
    using T = typename N::Real;
    using Vec = typename N::Vec;
    using Scalar = typename N::Scalar;
    const T *v, *d;
    int64_t spins, channels, position_row;
    bool b1;
    Vec r1, r2, off_resonance;

    __device__ __forceinline__ Spin(const Call<N>& c, int64_t b, int64_t spin)
        : spins(c.s.spins), channels(c.s.channels), position_row(c.s.spin_rows - c.s.axes), b1(c.s.b1) {
        const int64_t offset = (c.s.own_spins ? b * c.s.spin_rows * spins : 0) + spin;
        v = at<T>(c.a.spins, offset);
        d = N::dual ? at<T>(c.a.d_spins, offset) : v;
        r1 = row(0);
        r2 = row(1);
        off_resonance = row(2);
    }
    __device__ __forceinline__ Vec row(int64_t i) const { return N::lanes(v[i * spins], d[i * spins]); }
    __device__ __forceinline__ Vec position(int64_t i) const { return row(position_row + i); }
    __device__ __forceinline__ Vec sensitivity(int64_t i) const { return row(3 + i); }

    __device__ __forceinline__ Vec precession(const Scalar* rest, int64_t axes) const {
        Vec w = off_resonance * rest[axes];
        for (int64_t i = 0; i < axes; ++i) w = w + position(i) * rest[i];
        return w;
    }
    __device__ __forceinline__ void nutation(const Scalar* rf, Vec& x, Vec& y) const {
        if (!b1) {
            x = N::fill(rf[0]);
            y = N::fill(rf[channels]);
            return;
        }
        x = y = Vec{};
        for (int64_t c = 0; c < channels; ++c) {
            const Vec re = sensitivity(c), im = sensitivity(channels + c);
            x = x + (re * rf[c] - im * rf[channels + c]);
            y = y + (re * rf[channels + c] + im * rf[c]);
        }
    }
    // The vector of a step; with splitting, its precession in z, and its nutation in x and y.
    __device__ __forceinline__ Triple<Vec> vector(const Table<N>& table, int64_t n) const {
        Triple<Vec> w;
        nutation(table.step(n), w.x, w.y);
        w.z = precession(table.rest(n), table.axes);
        return w;
    }
};

// Relaxation over a time that rarely changes from one step to the next.
template <class N>
struct Loss {
    using T = typename N::Real;
    using Vec = typename N::Vec;
    Vec k1{}, k2{};
    typename N::Scalar h{};
    bool known = false;

    __device__ __forceinline__ void over(const Spin<N>& s, typename N::Scalar time) {
        if (known && time == h) return;
        k1 = lost<N>(s.r1, time);
        k2 = lost<N>(s.r2, time);
        h = time;
        known = true;
    }
    __device__ __forceinline__ Triple<Vec> apply(const Triple<Vec>& m) const {
        return {m.x - k2 * m.x, m.y - k2 * m.y, m.z + k1 * (T(1) - m.z)};
    }
    __device__ __forceinline__ Triple<Vec> back(const Triple<Vec>& bar) const {
        return {bar.x - k2 * bar.x, bar.y - k2 * bar.y, bar.z - k1 * bar.z};
    }
};

template <class N>
struct Steps {
    using T = typename N::Real;
    using Vec = typename N::Vec;
    const Table<N>& table;
    const Spin<N>& spin;
    bool split;
    Loss<N> loss, half_loss;

    __device__ __forceinline__ Steps(const Table<N>& t, const Spin<N>& s, bool split_)
        : table(t), spin(s), split(split_) {}
    __device__ __forceinline__ static Triple<Vec> precessed(const Triple<Vec>& m, Vec angle) {
        Vec sine, cosine;
        Functions<N>::sincos(angle, sine, cosine);
        return {m.x * cosine + m.y * sine, m.y * cosine - m.x * sine, m.z};
    }
    __device__ __forceinline__ Triple<Vec> relaxed(const Triple<Vec>& m, int64_t n) {
        loss.over(spin, table.rest(n)[table.axes + 1]);
        return loss.apply(m);
    }
    __device__ __forceinline__ Triple<Vec> turn(const Triple<Vec>& m, int64_t n) const {
        if constexpr (!N::dual)
            if (table.free(n)) return precessed(m, spin.precession(table.rest(n), table.axes));
        Triple<Vec> w = spin.vector(table, n), from = m;
        if (split) {
            from = precessed(m, w.z);
            w.z = Vec{};
        }
        return turned<N>(from, w);
    }
    // From the middle of step n to its end.
    __device__ __forceinline__ Triple<Vec> completed(const Triple<Vec>& m, int64_t n) {
        half_loss.over(spin, table.half(n)[table.axes + 1]);
        const Triple<Vec> r = half_loss.apply(m);
        return split ? precessed(r, spin.precession(table.half(n), table.axes)) : r;
    }
};

// Sum over the lanes of a warp, the same in all of them.
__device__ __forceinline__ double warp_sum(double x) {
    for (int bits = kWarp / 2; bits > 0; bits /= 2) x += __shfl_xor_sync(0xffffffffu, x, bits);
    return x;
}

template <class N>
__device__ __forceinline__ Triple<typename N::Vec> start_of(const Call<N>& c, int64_t b, int64_t spin) {
    using T = typename N::Real;
    const int64_t i = 3 * ((c.s.own_magnetization ? b * c.s.spins : 0) + spin);
    const T* const v = at<T>(c.a.magnetization, i);
    const T* const d = N::dual ? at<T>(c.a.d_magnetization, i) : v;
    return {N::lanes(v[0], d[0]), N::lanes(v[1], d[1]), N::lanes(v[2], d[2])};
}
template <class N>
__device__ __forceinline__ typename N::Vec receive_of(const Call<N>& c, int64_t b, int64_t coil, int64_t spin,
                                                      int part) {
    using T = typename N::Real;
    const int64_t i = 2 * (((c.s.own_receive ? b * c.s.coils : 0) + coil) * c.s.spins + spin) + part;
    const T* const v = at<T>(c.a.receive, i);
    return N::lanes(*v, N::dual ? *at<T>(c.a.d_receive, i) : *v);
}

// Calls body(b, job, spin, active) for all isochromats of all jobs of this warp: lanes without one repeat the last and
// are not active. begin(job) comes before the first of a job.
template <class Begin, class Body>
__device__ __forceinline__ void for_each_spin(const Sizes& s, Begin begin, Body body) {
    const int64_t lane = threadIdx.x % kWarp;
    const int64_t warp = (blockIdx.x * int64_t(blockDim.x) + threadIdx.x) / kWarp,
                  groups = (s.spins + kWarp - 1) / kWarp;
    for (int64_t job = warp; job < s.batch * s.parts; job += s.workers) {
        const int64_t b = job / s.parts, part = job - b * s.parts;
        begin(job);
        for (int64_t g = part * groups / s.parts; g < (part + 1) * groups / s.parts; ++g) {
            const int64_t spin = g * kWarp + lane;
            const bool active = spin < s.spins;
            body(b, job, active ? spin : s.spins - 1, active);
        }
    }
}

// Clears the sums of a job.
template <class N>
__device__ __forceinline__ void clear_sums(const Call<N>& c, int64_t job) {
    for (int64_t i = threadIdx.x % kWarp; i < c.s.values; i += kWarp) c.partial[job * c.s.values + i] = 0;
    __syncwarp();
}

inline dim3 blocks_for(int64_t items) {
    const int64_t blocks = (items + kThreads - 1) / kThreads;
    return dim3(unsigned(blocks < 65536 ? blocks : 65536));
}
inline dim3 grid_of(const Sizes& s) { return dim3(unsigned((s.workers + kThreads / kWarp - 1) / (kThreads / kWarp))); }

}  // namespace mriops::cuda::isochromats
