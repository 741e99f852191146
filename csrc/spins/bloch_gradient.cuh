// What the angles of a step owe to each isochromat's own numbers and to the shared waveform, on a device.
#pragma once
#include "bloch_device.cuh"

namespace mriops::cuda::isochromats {

template <class N>
struct FieldGradient {
    using T = typename N::Real;
    using Vec = typename N::Vec;
    using Scalar = typename N::Scalar;

    const Table<N>& table;
    const Spin<N>& spin;
    T* own;          // rows of grad_spins from this isochromat on
    double* sums;    // of this job
    int64_t behind;  // rows: with tangents, the sums of the values follow those of the tangents
    bool active;
    T off_resonance = T(0), r1 = T(0), r2 = T(0);

    __device__ __forceinline__ FieldGradient(const Call<N>& c, const Table<N>& t, const Spin<N>& s, int64_t b,
                                             int64_t job, int64_t index, bool active_)
        : table(t), spin(s), active(active_) {
        own = static_cast<T*>(c.a.grad_spins) + b * c.s.spin_rows * c.s.spins + index;
        sums = c.partial + job * c.s.values;
        behind = c.s.table_rows();
        for (int64_t i = 3; i < c.s.spin_rows; ++i) store(i, T(0));
    }
    __device__ __forceinline__ void store(int64_t row, T value) {
        if (active) own[row * spin.spins] = value;
    }
    __device__ __forceinline__ void add_own(int64_t row, const Vec& g) {
        if (active) own[row * spin.spins] += N::result(g);
    }
    __device__ __forceinline__ void finish() {
        store(0, r1);
        store(1, r2);
        store(2, off_resonance);
    }
    // Row `row` of step n is row n * step_width + row of the table.
    __device__ __forceinline__ void add(int64_t row, const Vec& g) {
        const double sum = warp_sum(active ? double(N::result(g)) : 0.0);
        if (threadIdx.x % kWarp == 0) sums[row] += sum;
        if constexpr (N::dual) {
            const double value = warp_sum(active ? double(N::value(g)) : 0.0);
            if (threadIdx.x % kWarp == 0) sums[behind + row] += value;
        }
    }
    __device__ __forceinline__ void precession_back(const Vec& z, const Scalar* rest, int64_t at_row) {
        const int64_t axes = table.axes;
        off_resonance += N::result(z * rest[axes]);
        for (int64_t i = 0; i < axes; ++i) {
            add_own(spin.position_row + i, z * rest[i]);
            add(at_row + i, z * spin.position(i));
        }
        add(at_row + axes, z * spin.off_resonance);
    }
    __device__ __forceinline__ void nutation_back(const Vec& x, const Vec& y, const Scalar* rf, int64_t at_row) {
        const int64_t channels = table.channels;
        if (!spin.b1) {
            add(at_row, x);
            add(at_row + channels, y);
            return;
        }
        for (int64_t c = 0; c < channels; ++c) {
            add_own(3 + c, x * rf[c] + y * rf[channels + c]);
            add_own(3 + channels + c, y * rf[c] - x * rf[channels + c]);
            const Vec re = spin.sensitivity(c), im = spin.sensitivity(channels + c);
            add(at_row + c, re * x + im * y);
            add(at_row + channels + c, re * y - im * x);
        }
    }
};

}  // namespace mriops::cuda::isochromats
