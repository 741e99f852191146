// The waveform as rows of angles and times, and from the gradients of these rows that of the waveform.
#pragma once
#include "bloch_device.cuh"

namespace mriops::cuda::isochromats {
namespace {

template <class N>
__global__ void __launch_bounds__(kThreads, 4) make_table(const __grid_constant__ Call<N> c) {
    using T = typename N::Real;
    using Scalar = typename N::Scalar;
    const Sizes& s = c.s;
    const int64_t stride = int64_t(gridDim.x) * kThreads, size = s.waveform_rows * s.steps;
    const int64_t channels = s.channels, axes = s.axes, count = (s.own_waveform ? s.batch : 1) * s.steps;
    for (int64_t i = blockIdx.x * int64_t(kThreads) + threadIdx.x; i < count; i += stride) {
        const int64_t b = i / s.steps, n = i - b * s.steps;
        const auto read = [&](int64_t row, int64_t step) {
            const int64_t k = b * size + row * s.steps + step;
            return N::scalar(*at<T>(c.a.waveform, k), N::dual ? *at<T>(c.a.d_waveform, k) : T(0));
        };
        const auto half_of = [&](int64_t row, int64_t step) {
            const Scalar dt = read(s.waveform_rows - 1, step);
            if (row == axes + 1) return T(0.5) * dt;
            const Scalar angle = T(0.5 * kTwoPi) * dt;
            return row == axes ? angle : angle * read(2 * channels + row, step);
        };
        Scalar* const table = c.tables + b * s.steps * (s.step_width + s.half_width);
        Scalar *const row = table + n * s.step_width, *const rest = row + 2 * channels;
        Scalar* const half = table + s.steps * s.step_width + n * s.half_width;
        const Scalar angle = T(kTwoPi) * read(s.waveform_rows - 1, n);
        for (int64_t k = 0; k < 2 * channels; ++k) row[k] = angle * read(k, n);
        for (int64_t k = 0; k < s.half_width; ++k) {
            half[k] = half_of(k, n);
            if (s.split || k == axes + 1)
                rest[k] = n > 0 ? half_of(k, n) + half_of(k, n - 1) : half_of(k, n);
            else
                rest[k] = k == axes ? angle : angle * read(2 * channels + k, n);
        }
    }
}

template <class N>
__global__ void __launch_bounds__(kThreads) sum_jobs(const __grid_constant__ Call<N> c) {
    const Sizes& s = c.s;
    const int64_t stride = int64_t(gridDim.x) * kThreads;
    for (int64_t i = blockIdx.x * int64_t(kThreads) + threadIdx.x; i < s.batch * s.values; i += stride) {
        const int64_t b = i / s.values;
        double* const first = c.partial + b * s.parts * s.values + (i - b * s.values);
        double total = 0;
        for (int64_t k = 0; k < s.parts; ++k) total += first[k * s.values];
        *first = total;
    }
}

// Angles are 2 pi dt times rows of the waveform, times are means of neighbours' dt: see waveform_gradient of the CPU.
template <class N>
__global__ void __launch_bounds__(kThreads, 4) waveform_gradient(const __grid_constant__ Call<N> c) {
    using T = typename N::Real;
    const Sizes& s = c.s;
    const int64_t stride = int64_t(gridDim.x) * kThreads, size = s.waveform_rows * s.steps;
    const int64_t nutations = 2 * s.channels, axes = s.axes, time = s.waveform_rows - 1;
    for (int64_t i = blockIdx.x * int64_t(kThreads) + threadIdx.x; i < s.batch * s.steps; i += stride) {
        const int64_t b = i / s.steps, n = i - b * s.steps;
        const double* const sum = c.partial + b * s.parts * s.values;
        const double* const value = sum + s.table_rows();
        int64_t record = 0, end = s.records;  // the first one after at least n + 1 steps
        while (record < end) {
            const int64_t middle = (record + end) / 2;
            if (c.record[middle] < n + 1)
                record = middle + 1;
            else
                end = middle;
        }
        const bool recorded = record < s.records && c.record[record] == n + 1;
        // Row k of `rest`: all in this step, or shared by halves with the next one and what is recorded between.
        const auto rest = [&](const double* from, int64_t k) {
            if (!s.split && k != axes + 1) return from[n * s.step_width + nutations + k];
            double total = from[n * s.step_width + nutations + k];
            if (n + 1 < s.steps) total += from[(n + 1) * s.step_width + nutations + k];
            if (recorded) total += from[s.steps * s.step_width + record * s.half_width + k];
            return 0.5 * total;
        };
        const int64_t offset = s.own_waveform ? b * size : 0;
        const T* const v = at<T>(c.a.waveform, offset);
        const T* const d = N::dual ? at<T>(c.a.d_waveform, offset) : v;
        T* const out = static_cast<T*>(c.a.grad_waveform) + b * size;
        const double dt = double(v[time * s.steps + n]), d_dt = double(d[time * s.steps + n]);
        double dt_gradient = kTwoPi * rest(sum, axes) + rest(sum, axes + 1);
        for (int64_t k = 0; k < nutations + axes; ++k) {
            const double g = k < nutations ? sum[n * s.step_width + k] : rest(sum, k - nutations);
            double result = dt * g;
            dt_gradient += kTwoPi * g * double(v[k * s.steps + n]);
            if (N::dual) {
                const double base = k < nutations ? value[n * s.step_width + k] : rest(value, k - nutations);
                result += d_dt * base;
                dt_gradient += kTwoPi * base * double(d[k * s.steps + n]);
            }
            out[k * s.steps + n] = T(kTwoPi * result);
        }
        out[time * s.steps + n] = T(dt_gradient);
    }
}

}  // namespace

template <class N>
void launch_table(const Call<N>& c, gpu::Stream stream) {
    if (c.s.steps == 0) return;
    MRIOPS_LAUNCH(make_table<N>, blocks_for(c.s.batch * c.s.steps), dim3(kThreads), 0, stream, c);
}
template <class N>
void launch_waveform_gradient(const Call<N>& c, gpu::Stream stream) {
    if (c.s.steps == 0) return;
    MRIOPS_LAUNCH(sum_jobs<N>, blocks_for(c.s.batch * c.s.values), dim3(kThreads), 0, stream, c);
    MRIOPS_LAUNCH(waveform_gradient<N>, blocks_for(c.s.batch * c.s.steps), dim3(kThreads), 0, stream, c);
}

}  // namespace mriops::cuda::isochromats
