// Normal operator where weights vary along x but not along z: plane by plane in a cache-resident plane of tiles.
//
// Per coil: y transform of csm * image in place in the plane's tiles; then, for `width` rows at a time, x transform, weights,
// inverse x transform; then the inverse y transform, whose last stage multiplies by conj(csm) and adds to the sum over coils.
#pragma once
#include "../core/parallel.h"
#include "../core/scratch.h"
#include "../fft/rows.h"
#include "arrays.h"
#include "axes.h"

namespace mriops {
namespace {

template <class T>
class PlaneGram {
    static constexpr int W = kWidth<T>;

public:
    PlaneGram(const SenseProblem& p, const ActiveAxes& active)
        : at_(p), axes_(p.nz, p.ny, p.nx, false, active.y, active.x), tiles_(ceil_div(p.nx, W)), groups_(ceil_div(p.ny, W)),
          pitch_(groups_ * W) {}

    void run(const T* image, const T* csm, const void* mask, T* out, int threads) const {
        const SenseProblem& p = at_.p;
        const bool shared_weights = p.mask_sb == 0;
        const int64_t weight_count = groups_ * p.nx * W, planes = p.batch * p.nz, item = p.maps * plane_rows();
        T* weights = scratch<T>(Scratch::weights, size_t(weight_count * (shared_weights ? 1 : p.batch)));
        parallel_for((shared_weights ? 1 : p.batch) * groups_, threads, [&](int64_t job, int) {
            const int64_t b = job / groups_, g = job % groups_;
            arrange(Weights<T>(p, mask, b), g, weights + b * weight_count + g * p.nx * W);
        });
        // A fixed split of the coils, so that sums do not depend on the number of threads; with many planes none is needed.
        const int64_t chunks = planes >= 8 ? 1 : std::min<int64_t>(p.coils, 8);
        Cx<T>* parts = chunks > 1 ? scratch<Cx<T>>(Scratch::accumulator, size_t(planes * chunks * item)) : nullptr;
        parallel_for(planes * chunks, threads, [&](int64_t job, int) {
            const int64_t plane = job / chunks, chunk = job % chunks, b = plane / p.nz, z = plane % p.nz;
            Cx<T>* planar = scratch<Cx<T>>(Scratch::image, size_t(item));
            Cx<T>* sum = parts ? parts + job * item : scratch<Cx<T>>(Scratch::accumulator, size_t(item));
            read(image + at_.image(b) + at_.tile(z, 0), planar);
            coils(csm + at_.csm(b, 0) + at_.tile(z, 0), planar, weights + (shared_weights ? 0 : b * weight_count),
                  chunk * p.coils / chunks, (chunk + 1) * p.coils / chunks, sum);
            if (chunks == 1) write(sum, 1, out + at_.image(b) + at_.tile(z, 0), 0, tiles_);
        });
        if (chunks == 1) return;
        parallel_for(planes * tiles_, threads, [&](int64_t job, int) {
            const int64_t plane = job / tiles_, t = job % tiles_, b = plane / p.nz, z = plane % p.nz;
            write(parts + plane * chunks * item, chunks, out + at_.image(b) + at_.tile(z, 0), t, t + 1);
        });
    }

private:
    int64_t plane_rows() const { return tiles_ * pitch_; }

    // Weights of one row group in the order the row transform visits them: [x position][lane], squared and scaled.
    void arrange(const Weights<T>& w, int64_t group, T* out) const {
        const T scale = axes_.scale() * axes_.scale();
        T* row = scratch<T>(Scratch::rows, size_t(axes_.x.n));
        for (int l = 0; l < W; ++l) {
            const int64_t position = group * W + l;
            if (position < axes_.y.n)
                w.row(0, axes_.y.spectral(position), axes_.x.n, T(1), row);
            else
                std::fill_n(row, axes_.x.n, T(0));
            for (int64_t x = 0; x < axes_.x.n; ++x) {
                const T v = row[axes_.x.spectral(x)];
                out[x * W + l] = scale * v * v;
            }
        }
    }

    void read(const T* image, Cx<T>* planar) const {
        for (int64_t m = 0; m < at_.p.maps; ++m)
            for (int64_t t = 0; t < tiles_; ++t)
                for (int64_t y = 0; y < axes_.y.n; ++y)
                    planar[m * plane_rows() + t * pitch_ + y] =
                        load_complex(image + m * at_.image_map_step() + y * at_.row_step() + 2 * t * W, at_.lanes(t));
    }

    void write(const Cx<T>* parts, int64_t count, T* image, int64_t t0, int64_t t1) const {
        const int64_t item = at_.p.maps * plane_rows();
        for (int64_t m = 0; m < at_.p.maps; ++m)
            for (int64_t t = t0; t < t1; ++t)
                for (int64_t y = 0; y < axes_.y.n; ++y) {
                    const Cx<T>* from = parts + m * plane_rows() + t * pitch_ + y;
                    Cx<T> v = from[0];
                    for (int64_t i = 1; i < count; ++i) v = v + from[i * item];
                    store_complex(image + m * at_.image_map_step() + y * at_.row_step() + 2 * t * W, v, at_.lanes(t));
                }
    }

    // Adds coils [begin, end) to sum; the first one overwrites.
    void coils(const T* csm, const Cx<T>* image, const T* weights, int64_t begin, int64_t end, Cx<T>* sum) const {
        const Plane<T> plane{scratch<Cx<T>>(Scratch::columns, size_t(plane_rows())), pitch_, tiles_};
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes_.work_rows()));
        Cx<T>* rows = scratch<Cx<T>>(Scratch::rows, size_t(tiles_ * W));
        for (int64_t t = 0; t < tiles_; ++t)  // rows that pad the last group: read by the transposes, never used
            std::fill_n(plane.data + t * pitch_ + axes_.y.n, pitch_ - axes_.y.n, Cx<T>{});
        for (int64_t c = begin; c < end; ++c) {
            const T* s = csm + c * at_.volume;
            for (int64_t t = 0; t < tiles_; ++t) expand(s, image, t, plane, work);
            for (int64_t g = 0; g < groups_; ++g) {
                rows_from_plane(plane, g * W, rows);
                roundtrip_columns(*axes_.x.plan, rows, work, LaneWeight<T>{weights + g * axes_.x.n * W});
                rows_to_plane(rows, plane, g * W);
            }
            for (int64_t t = tiles_; t-- > 0;) combine(s, sum, t, plane, work, c == begin);
        }
    }

    void expand(const T* s, const Cx<T>* image, int64_t t, const Plane<T>& plane, Cx<T>* work) const {
        Cx<T>* column = plane.data + t * pitch_;
        with_fast(at_.fast(t), [&](auto fast) {
            constexpr bool Fast = decltype(fast)::value;
            const Expand<T, Fast> load{{s + 2 * t * W, at_.row_step(), at_.lanes(t)}, at_.csm_map_step(), image + t * pitch_,
                                       plane_rows(), at_.p.maps};
            if constexpr (Fast) {
                if (axes_.y.plan) return forward_columns_from(*axes_.y.plan, column, work, load);
            }
            for (int64_t i = 0; i < axes_.y.n; ++i) column[i] = load(i);
            if (axes_.y.plan) forward_columns(*axes_.y.plan, column, work);
        });
    }

    void combine(const T* s, Cx<T>* sum, int64_t t, const Plane<T>& plane, Cx<T>* work, bool first) const {
        Cx<T>* column = plane.data + t * pitch_;
        with_fast(at_.fast(t), [&](auto fast) {
            constexpr bool Fast = decltype(fast)::value;
            const Combine<T, Fast> store{{s + 2 * t * W, at_.row_step(), at_.lanes(t)}, at_.csm_map_step(), sum + t * pitch_,
                                         plane_rows(), at_.p.maps, first};
            if constexpr (Fast) {
                if (axes_.y.plan) return inverse_columns_into(*axes_.y.plan, column, work, store);
            }
            if (axes_.y.plan) inverse_columns(*axes_.y.plan, column, work);
            for (int64_t i = 0; i < axes_.y.n; ++i) store(i, column[i]);
        });
    }

    Arrays<T> at_;
    Axes<T> axes_;
    int64_t tiles_, groups_, pitch_;
};

}  // namespace
}  // namespace mriops
