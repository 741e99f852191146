// Isochromats through a waveform on a device: states at chosen steps or the signal of coils, and their tangents.
#pragma once
#include "bloch_device.cuh"

namespace mriops::cuda::isochromats {
namespace {

template <class N>
__global__ void __launch_bounds__(kThreads, sizeof(typename N::Real) == 8 ? 2 : 4)
    forward(const __grid_constant__ Call<N> c) {
    using T = typename N::Real;
    using Vec = typename N::Vec;
    const Sizes& s = c.s;
    const auto begin = [&](int64_t job) {
        if (s.coils) clear_sums(c, job);
    };
    const auto body = [&](int64_t b, int64_t job, int64_t spin, bool active) {
        const Table<N> table(c, b);
        const Spin<N> own(c, b, spin);
        Steps<N> steps(table, own, s.split);
        Triple<Vec> m = start_of(c, b, spin);
        int64_t n = 0;
        for (int64_t j = 0; j < s.records; ++j) {
            for (; n < c.record[j]; ++n) m = steps.turn(steps.relaxed(m, n), n);
            const Triple<Vec> seen = n > 0 ? steps.completed(m, n - 1) : m;
            if (!s.coils) {
                T* const out = static_cast<T*>(c.a.out) + 3 * ((b * s.records + j) * s.spins + spin);
                if (active) {
                    out[0] = N::result(seen.x);
                    out[1] = N::result(seen.y);
                    out[2] = N::result(seen.z);
                }
                continue;
            }
            double* const sums = c.partial + job * s.values + 2 * j * s.coils;
            for (int64_t coil = 0; coil < s.coils; ++coil) {
                const Vec re = receive_of(c, b, coil, spin, 0), im = receive_of(c, b, coil, spin, 1);
                const double x = active ? double(N::result(re * seen.x - im * seen.y)) : 0;
                const double y = active ? double(N::result(re * seen.y + im * seen.x)) : 0;
                const double sum_x = warp_sum(x), sum_y = warp_sum(y);
                if (threadIdx.x % kWarp == 0) {
                    sums[2 * coil] += sum_x;
                    sums[2 * coil + 1] += sum_y;
                }
            }
        }
    };
    for_each_spin(s, begin, body);
}

// The signal (coils, records) from the sums (records, coils) of all jobs of a batch item.
template <class T>
__global__ void __launch_bounds__(kThreads)
    gather_signal(const __grid_constant__ Sizes s, const double* partial, T* out) {
    const int64_t stride = int64_t(gridDim.x) * kThreads;
    for (int64_t i = blockIdx.x * int64_t(kThreads) + threadIdx.x; i < s.batch * s.values; i += stride) {
        const int64_t b = i / s.values, v = i - b * s.values, j = v / (2 * s.coils), r = v - j * 2 * s.coils;
        double total = 0;
        for (int64_t k = 0; k < s.parts; ++k) total += partial[(b * s.parts + k) * s.values + v];
        out[b * s.values + 2 * ((r / 2) * s.records + j) + r % 2] = T(total);
    }
}

}  // namespace

template <class N>
void launch_forward(const Call<N>& c, gpu::Stream stream) {
    using T = typename N::Real;
    MRIOPS_LAUNCH(forward<N>, grid_of(c.s), dim3(kThreads), 0, stream, c);
    if (c.s.coils)
        MRIOPS_LAUNCH(gather_signal<T>, blocks_for(c.s.batch * c.s.values), dim3(kThreads), 0, stream, c.s, c.partial,
                      static_cast<T*>(c.a.out));
}

}  // namespace mriops::cuda::isochromats
