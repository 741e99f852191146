// What every isochromat shares: the waveform as angles and times per step, and how a problem is cut into jobs.
#pragma once
#include <algorithm>
#include <cstdint>

#include "../core/scratch.h"
#include "bloch.h"
#include "bloch_number.h"

namespace mriops {
namespace {

constexpr double kTwoPi = 6.283185307179586476925;

// Rows of angles [rad] per Hz of an isochromat's own, and of times [s].
//   step(n)   nutation x per channel, nutation y per channel, then what `rest` has: precession per axis, precession
//             per Hz of off-resonance, relaxation time. The time reaches from the middle of step n-1 to that of step n;
//             with splitting, the precession too.
//   half(n)   rest from the middle of step n to its end, for what is recorded there.
template <class N>
class BlochTable {
    using T = typename N::Real;
    using Scalar = typename N::Scalar;

  public:
    BlochTable(const BlochProblem& p, const BlochArrays& a, int64_t b)
        : channels(p.channels), axes(p.axes), step_width(2 * p.channels + p.axes + 2), half_width(p.axes + 2) {
        Scalar* to = scratch<Scalar>(Scratch::weights, size_t(p.steps * (step_width + half_width + 1) + 1));
        steps_ = to;
        halves_ = to + p.steps * step_width;
        free_ = reinterpret_cast<char*>(halves_ + p.steps * half_width);
        const int64_t offset = p.own_waveform ? b * p.waveform_rows() * p.steps : 0;
        const T* v = static_cast<const T*>(a.waveform) + offset;
        const T* d = N::dual ? static_cast<const T*>(a.d_waveform) + offset : nullptr;
        const auto read = [&](int64_t row, int64_t n) {
            const int64_t i = row * p.steps + n;
            return N::scalar(v[i], d ? d[i] : T(0));
        };
        const int64_t time = p.waveform_rows() - 1;
        for (int64_t n = 0; n < p.steps; ++n) {
            const Scalar dt = read(time, n), angle = T(kTwoPi) * dt, half_angle = T(0.5 * kTwoPi) * dt;
            Scalar *row = steps_ + n * step_width, *rest = row + 2 * channels, *half = halves_ + n * half_width;
            for (int64_t i = 0; i < 2 * channels; ++i) row[i] = angle * read(i, n);
            free_[n] = 1;
            for (int64_t i = 0; i < 2 * channels; ++i) free_[n] &= N::result(row[i]) == T(0);
            for (int64_t i = 0; i < axes; ++i) half[i] = half_angle * read(2 * channels + i, n);
            half[axes] = half_angle;
            half[axes + 1] = T(0.5) * dt;
            for (int64_t i = 0; i < axes; ++i) rest[i] = angle * read(2 * channels + i, n);
            rest[axes] = angle;
            for (int64_t i = p.split ? 0 : axes + 1; i < half_width; ++i)
                rest[i] = n > 0 ? half[i] + half[i - half_width] : half[i];
        }
    }

    const Scalar* step(int64_t n) const { return steps_ + n * step_width; }
    // Whether there is no RF in step n.
    bool free(int64_t n) const { return free_[n]; }
    const Scalar* half(int64_t n) const { return halves_ + n * half_width; }

    const int64_t channels, axes, step_width, half_width;

  private:
    Scalar *steps_, *halves_;
    char* free_;
};

// Isochromats of a batch item, cut into blocks of one vector and the blocks into chunks, one chunk per job. How many
// depends on the sizes alone, so that sums over chunks do not depend on the number of threads.
struct BlochJobs {
    BlochJobs(const BlochProblem& p, int width, int64_t most)
        : blocks((p.spins + width - 1) / width), chunks(std::max<int64_t>(1, std::min(most, blocks / 4))) {}

    int64_t blocks, chunks;

    int64_t first(int64_t chunk) const { return chunk * blocks / chunks; }
};

// A thread is worth waking for some 20 us of work.
inline int useful_threads(const BlochProblem& p, int threads) {
    const double work = double(p.batch) * double(p.spins) * double(p.steps + 1);
    return int(std::max(1.0, std::min(double(threads), work / 20000)));
}

// One number per isochromat of a block: the rows of `spins`.
template <class N>
struct Isochromats {
    using T = typename N::Real;
    using Vec = typename N::Vec;

    Isochromats(const BlochProblem& p, const BlochArrays& a, int64_t b, int64_t from, int lanes, Vec* rows)
        : rows(rows), b1(p.b1 ? rows + 3 : nullptr), position(rows + 3 + (p.b1 ? 2 * p.channels : 0)) {
        const int64_t offset = (p.own_spins ? b * p.spin_rows() * p.spins : 0) + from;
        const T* v = static_cast<const T*>(a.spins) + offset;
        const T* d = N::dual ? static_cast<const T*>(a.d_spins) + offset : v;
        for (int64_t i = 0; i < p.spin_rows(); ++i)
            rows[i] = N::lanes(lane_load<T>(v + i * p.spins, lanes), lane_load<T>(d + i * p.spins, lanes));
    }
    const Vec& r1() const { return rows[0]; }
    const Vec& r2() const { return rows[1]; }
    const Vec& off_resonance() const { return rows[2]; }

    // Angle of precession for a row of the table.
    MRIOPS_LANE_INLINE Vec precession(const typename N::Scalar* rest, int64_t axes) const {
        Vec w = off_resonance() * rest[axes];
        for (int64_t i = 0; i < axes; ++i) w = w + position[i] * rest[i];
        return w;
    }
    // Angles of nutation about x and y.
    MRIOPS_LANE_INLINE void nutation(const typename N::Scalar* rf, int64_t channels, Vec& x, Vec& y) const {
        if (!b1) {
            x = N::fill(rf[0]);
            y = N::fill(rf[channels]);
            return;
        }
        x = b1[0] * rf[0] - b1[channels] * rf[channels];
        y = b1[0] * rf[channels] + b1[channels] * rf[0];
        for (int64_t c = 1; c < channels; ++c) {
            x = x + (b1[c] * rf[c] - b1[channels + c] * rf[channels + c]);
            y = y + (b1[c] * rf[channels + c] + b1[channels + c] * rf[c]);
        }
    }

    Vec *rows, *b1, *position;
};

// (n, 3) in memory, three vectors in registers.
template <class T>
inline void load_triple(const T* from, int lanes, LaneVec<T>* to) {
    for (int k = 0; k < 3; ++k) {
        to[k] = LaneVec<T>{};
        for (int i = 0; i < lanes; ++i) to[k][i] = from[3 * i + k];
    }
}
template <class T>
inline void store_triple(T* to, int lanes, LaneVec<T> x, LaneVec<T> y, LaneVec<T> z) {
    for (int i = 0; i < lanes; ++i) {
        to[3 * i] = x[i];
        to[3 * i + 1] = y[i];
        to[3 * i + 2] = z[i];
    }
}

}  // namespace
}  // namespace mriops
