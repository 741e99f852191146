// Gradients of the field: what the angles of a step owe to each isochromat's own numbers and to the shared waveform.
#pragma once
#include "bloch_table.h"

namespace mriops {
namespace {

// Gradients of the table, summed over the isochromats of a chunk, one vector per row: rows of `step`, then of `half`
// per record. With tangents these are the tangents, and the gradients themselves follow: products need both.
template <class N>
struct TableGradient {
    using T = typename N::Real;

    MRIOPS_LANE_INLINE void add(LaneVec<T>* row, const typename N::Vec& g) const {
        *row += N::result(g);
        if constexpr (N::dual) row[rows] += N::value(g);
    }

    LaneVec<T>* steps;
    LaneVec<T>* halves;
    int64_t rows;
    bool wanted;
};

// Sends the gradients of angles to the isochromats' own rows and to the table.
template <class N>
struct FieldGradient {
    using T = typename N::Real;
    using Vec = typename N::Vec;
    using Scalar = typename N::Scalar;

    // Gradient of a precession angle: to the isochromats' off-resonance and position, and to the table.
    MRIOPS_LANE_INLINE void precession_back(Vec z, const Scalar* rest, LaneVec<T>* gradient) {
        const int64_t axes = table.axes;
        own[2] = own[2] + z * rest[axes];
        Vec* const position = own + (spins.position - spins.rows);
        for (int64_t i = 0; i < axes; ++i) position[i] = position[i] + z * rest[i];
        if (!shared.wanted) return;
        for (int64_t i = 0; i < axes; ++i) shared.add(gradient + i, z * spins.position[i]);
        shared.add(gradient + axes, z * spins.off_resonance());
    }
    MRIOPS_LANE_INLINE void nutation_back(Vec x, Vec y, const Scalar* rf, LaneVec<T>* gradient) {
        const int64_t channels = table.channels;
        if (!spins.b1) {
            if (!shared.wanted) return;
            shared.add(gradient + 0, x);
            shared.add(gradient + channels, y);
            return;
        }
        Vec* const re = own + 3;
        Vec* const im = re + channels;
        for (int64_t c = 0; c < channels; ++c) {
            re[c] = re[c] + (x * rf[c] + y * rf[channels + c]);
            im[c] = im[c] + (y * rf[c] - x * rf[channels + c]);
            if (!shared.wanted) continue;
            const Vec &br = spins.b1[c], &bi = spins.b1[channels + c];
            shared.add(gradient + c, br * x + bi * y);
            shared.add(gradient + channels + c, br * y - bi * x);
        }
    }

    const BlochTable<N>& table;
    const Isochromats<N>& spins;
    const TableGradient<N>& shared;
    Vec* own;  // rows of `spins`
};

// Gradients of the rows of the table, summed over isochromats, as numbers with a tangent where the table has one.
//
// `out` gets the gradient of the waveform: angles are 2 pi dt times its rows, times are means of neighbours' dt.
// With tangents, `value` holds the gradient itself and `sum` its tangent: products of both are needed.
template <class N>
void waveform_gradient(const BlochProblem& p, const BlochArrays& a, int64_t b, const double* sum, const double* value,
                       typename N::Real* out) {
    using T = typename N::Real;
    const int64_t axes = p.axes, nutations = 2 * p.channels, width = nutations + axes + 2, half_width = axes + 2;
    const int64_t offset = p.own_waveform ? b * p.waveform_rows() * p.steps : 0;
    const T* v = static_cast<const T*>(a.waveform) + offset;
    const T* d = N::dual ? static_cast<const T*>(a.d_waveform) + offset : nullptr;
    const int64_t time = p.waveform_rows() - 1;
    int64_t record = 0;
    while (record < p.records && p.record[record] == 0) ++record;
    for (int64_t n = 0; n < p.steps; ++n) {
        const bool recorded = record < p.records && p.record[record] == n + 1;
        const auto row = [&](const double* from, int64_t i) { return from[n * width + i]; };
        // Row i of `rest`: all in this step, or shared by halves with the next one and what is recorded between.
        const auto rest = [&](const double* from, int64_t i) {
            if (!p.split && i != axes + 1) return from[n * width + nutations + i];
            double total = from[n * width + nutations + i];
            if (n + 1 < p.steps) total += from[(n + 1) * width + nutations + i];
            if (recorded) total += from[p.steps * width + record * half_width + i];
            return 0.5 * total;
        };
        const double dt = v[time * p.steps + n], d_dt = d ? d[time * p.steps + n] : 0;
        double dt_gradient = kTwoPi * rest(sum, axes) + rest(sum, axes + 1);
        for (int64_t i = 0; i < nutations + axes; ++i) {
            const double g = i < nutations ? row(sum, i) : rest(sum, i - nutations);
            double result = dt * g;
            dt_gradient += kTwoPi * g * double(v[i * p.steps + n]);
            if (N::dual) {
                const double base = i < nutations ? row(value, i) : rest(value, i - nutations);
                result += d_dt * base;
                dt_gradient += kTwoPi * base * double(d[i * p.steps + n]);
            }
            out[i * p.steps + n] = T(kTwoPi * result);
        }
        out[time * p.steps + n] = T(dt_gradient);
        record += recorded;
    }
}

}  // namespace
}  // namespace mriops
