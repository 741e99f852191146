// Normal operator of one plane of any size whose weights vary along x, in a cache-resident plane of tiles.
//
// Per coil: y transform of csm * image in place in the plane's tiles; then, for `width` rows at a time, x transform,
// weights, inverse x transform; then the inverse y transform, whose last stage multiplies by conj(csm) and adds to the
// sum over coils.
#pragma once
#include "../core/scratch.h"
#include "../fft/rows.h"
#include "arrays.h"
#include "axes.h"
#include "coil_sums.h"

namespace mriops {
namespace {

template <class T>
class TiledPlane {
    static constexpr int W = kWidth<T>;

  public:
    TiledPlane(const SenseProblem& p, const ActiveAxes& active)
        : at_(p),
          axes_(p.nz, p.ny, p.nx, false, active.y, active.x),
          tiles_(ceil_div(p.nx, W)),
          groups_(ceil_div(p.ny, W)),
          pitch_(groups_ * W) {}

    int64_t planar_rows() const { return tiles_ * pitch_; }
    int64_t weight_groups() const { return groups_; }
    int64_t weight_count() const { return groups_ * weight_group_size(); }

    // Weights of one row group in the order the row transform visits them: [x position][lane], squared and scaled.
    void arrange(const Weights<T>& w, int64_t group, T* weights) const {
        T* out = weights + group * weight_group_size();
        T* lanes = scratch<T>(Scratch::work, size_t(lane_rows_size<T>(axes_.x.n)));
        w.squared_lanes(0, axes_.y, group * W, axes_.x.n, axes_.scale() * axes_.scale(), lanes);
        for (int64_t x = 0; x < axes_.x.n; ++x) std::copy_n(lanes + axes_.x.spectral(x) * W, W, out + x * W);
    }

    // Rows [y0, y1) of the sum of `count` partial sums.
    void write(const Cx<T>* parts, int64_t count, T* image, int64_t y0, int64_t y1) const {
        const int64_t item = at_.p.maps * planar_rows();
        for (int64_t m = 0; m < at_.p.maps; ++m)
            for (int64_t t = 0; t < tiles_; ++t)
                for (int64_t y = y0; y < y1; ++y) {
                    const Cx<T>* from = parts + m * planar_rows() + t * pitch_ + y;
                    Cx<T> v = from[0];
                    for (int64_t i = 1; i < count; ++i) v = v + from[i * item];
                    store_complex(image + m * at_.image_map_step() + y * at_.row_step() + 2 * t * W, v, at_.lanes(t));
                }
    }

    // Coils [begin, end) to their sums. One by one: rows of a tile lie in as many pages of memory as the TLB holds, of
    // the maps of one coil.
    void coils(const T* csm, const T* interleaved, const T* weights, int64_t begin, int64_t end,
               const CoilSums<T>& sums) const {
        Cx<T>* image = scratch<Cx<T>>(Scratch::image, size_t(at_.p.maps * planar_rows()));
        read(interleaved, image);
        const Plane<T> plane{scratch<Cx<T>>(Scratch::columns, size_t(planar_rows())), pitch_, tiles_};
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
            for (int64_t t = tiles_; t-- > 0;) combine(s, sums.of(c), t, plane, work);
        }
    }

  private:
    int64_t weight_group_size() const { return axes_.x.n * W; }

    void read(const T* image, Cx<T>* planar) const {
        for (int64_t m = 0; m < at_.p.maps; ++m)
            for (int64_t t = 0; t < tiles_; ++t)
                for (int64_t y = 0; y < axes_.y.n; ++y)
                    planar[m * planar_rows() + t * pitch_ + y] =
                        load_complex(image + m * at_.image_map_step() + y * at_.row_step() + 2 * t * W, at_.lanes(t));
    }

    void expand(const T* s, const Cx<T>* image, int64_t t, const Plane<T>& plane, Cx<T>* work) const {
        Cx<T>* column = plane.data + t * pitch_;
        with_fast(at_.fast(t), [&](auto fast) {
            constexpr bool Fast = decltype(fast)::value;
            const Expand<T, Fast> load{{s + 2 * t * W, at_.row_step(), at_.lanes(t)},
                                       at_.csm_map_step(),
                                       image + t * pitch_,
                                       planar_rows(),
                                       at_.p.maps,
                                       {s + 2 * (t + 1) * W, at_.row_step()}};
            if constexpr (Fast) {
                if (axes_.y.plan) return forward_columns_from(*axes_.y.plan, column, work, load);
            }
            for (int64_t i = 0; i < axes_.y.n; ++i) column[i] = load(i);
            if (axes_.y.plan) forward_columns(*axes_.y.plan, column, work);
        });
    }

    void combine(const T* s, const SumStep<T>& step, int64_t t, const Plane<T>& plane, Cx<T>* work) const {
        Cx<T>* column = plane.data + t * pitch_;
        with_fast(at_.fast(t), [&](auto fast) {
            constexpr bool Fast = decltype(fast)::value;
            const Combine<T, Fast> store{{s + 2 * t * W, at_.row_step(), at_.lanes(t)},
                                         at_.csm_map_step(),
                                         step.from(t * pitch_),
                                         planar_rows(),
                                         at_.p.maps,
                                         {}};
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
