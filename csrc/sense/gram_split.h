// Normal operator of one plane whose weights vary along x, for rows that are whole vectors (nx a multiple of the
// width).
//
// Row pass, sequential in memory: csm * image and the part of the x transform that runs inside the lanes. Column pass,
// a tile in L1: y transform, the rest of the x transform across the lanes, weights, and back. Row pass the other way.
#pragma once
#include "../core/scratch.h"
#include "../fft/split_rows.h"
#include "arrays.h"
#include "axes.h"
#include "coil_passes.h"
#include "coil_sums.h"

namespace mriops {
namespace {

template <class T>
class SplitPlane {
    static constexpr int W = kWidth<T>;

  public:
    SplitPlane(const SenseProblem& p, const ActiveAxes& active)
        : at_(p),
          axes_(p.nz, p.ny, p.nx, false, active.y, active.x),
          rows_(split_rows_for<T>(p.nx)),
          vectors_(rows_.vectors()),
          groups_(ceil_div(p.ny, W)),
          pitch_(groups_ * W + 1) {}  // odd: the tiles of one row must not share a cache set

    static bool possible(const SenseProblem& p) { return SplitRows<T>::possible(p.nx); }

    int64_t planar_rows() const { return vectors_ * axes_.y.n; }
    int64_t weight_groups() const { return groups_; }
    int64_t weight_count() const { return groups_ * weight_group_size(); }

    // Weights of `width` positions of y, [f1 position][f2][lane = y position], squared and scaled.
    void arrange(const Weights<T>& w, int64_t group, T* weights) const {
        T* out = weights + group * weight_group_size();
        T* lanes = scratch<T>(Scratch::work, size_t(lane_rows_size<T>(axes_.x.n)));
        w.squared_lanes(0, axes_.y, group * W, axes_.x.n, axes_.scale() * axes_.scale(), lanes);
        for (int64_t k = 0; k < vectors_; ++k)
            for (int64_t f2 = 0; f2 < W; ++f2)
                std::copy_n(lanes + centred(rows_.first_bin(k) + vectors_ * f2, axes_.x.n) * W, W,
                            out + (k * W + f2) * W);
    }

    // Rows [y0, y1) of the sum of `count` partial sums.
    void write(const Cx<T>* parts, int64_t count, T* image, int64_t y0, int64_t y1) const {
        write_planar(parts, count, at_.p.maps, vectors_, at_.p.ny, image, at_.image_map_step(), y0, y1);
    }

    // Coils [begin, end) to their sums.
    void coils(const T* csm, const T* image, const T* weights, int64_t begin, int64_t end,
               const CoilSums<T>& sums) const {
        const int64_t ny = axes_.y.n, size = vectors_ * pitch_;
        const CoilPasses passes(begin, end, size * int64_t(sizeof(Cx<T>)));
        Cx<T>* data = scratch<Cx<T>>(Scratch::columns, size_t(passes.held() * size));
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes_.work_rows() + vectors_));
        Cx<T>* line = work + axes_.work_rows();
        for (int64_t k = 0; k < passes.held() * vectors_; ++k)
            std::fill_n(data + k * pitch_ + ny, pitch_ - ny, Cx<T>{});
        with_fast(at_.p.maps == 1, [&](auto single) {
            constexpr bool Single = decltype(single)::value;
            passes.for_each([&](const CoilPass& pass) {
                SumStep<T> steps[CoilPasses::kMost];
                pass.for_each_out([&](int64_t c, int64_t slot) { steps[slot] = sums.of(c); });
                for (int64_t i = 0; i < ny; i += kRun) {
                    const Run run{pass.back ? ny - 1 - i : i, pass.back ? -1 : 1, std::min(kRun, ny - i)};
                    pass.for_each_out([&](int64_t c, int64_t slot) {
                        combine_rows<Single>(csm + c * at_.volume, data + slot * size, run, steps[slot], line);
                    });
                    pass.for_each_in([&](int64_t c, int64_t slot) {
                        expand_rows<Single>(csm + c * at_.volume, image, run, data + slot * size, line);
                    });
                }
                for (int64_t k = 0; k < vectors_; ++k)
                    pass.for_each_in([&](int64_t, int64_t slot) {
                        column(data + slot * size + k * pitch_, weights + k * W * W, work);
                    });
            });
        });
    }

  private:
    // Rows of a coil before those of the next.
    static constexpr int64_t kRun = 4;
    struct Run {
        int64_t y, step, count;
    };

    // Functions of their own, whose loops the compiler keeps in registers.
    template <bool Single>
    __attribute__((noinline)) void expand_rows(const T* s, const T* image, const Run& run, Cx<T>* data,
                                               Cx<T>* line) const {
        int64_t y = run.y;
        for (int64_t i = 0; i < run.count; ++i, y += run.step)
            expand_row<Single>(s, image, y, y + run.step, data, line);
    }
    template <bool Single>
    __attribute__((noinline)) void combine_rows(const T* s, const Cx<T>* data, const Run& run, const SumStep<T> step,
                                                Cx<T>* line) const {
        int64_t y = run.y;
        for (int64_t i = 0; i < run.count; ++i, y += run.step)
            combine_row<Single>(s, data, y, y + run.step, step, line);
    }

    int64_t weight_group_size() const { return axes_.x.n * W; }

    template <bool Single>
    void expand_row(const T* s, const T* image, int64_t y, int64_t next, Cx<T>* data, Cx<T>* line) const {
        const ExpandInterleaved<T, Single> load{{s + y * at_.row_step(), 2 * W, W},
                                                at_.csm_map_step(),
                                                {image + y * at_.row_step(), 2 * W, W},
                                                at_.image_map_step(),
                                                at_.p.maps,
                                                {s + next * at_.row_step(), 2 * W},
                                                {image + next * at_.row_step(), 2 * W}};
        rows_.forward(load, data + y, pitch_, line);
    }

    template <bool Single>
    void combine_row(const T* s, const Cx<T>* data, int64_t y, int64_t next, const SumStep<T>& step,
                     Cx<T>* line) const {
        const Combine<T, Single> store{
            {s + y * at_.row_step(), 2 * W, W}, at_.csm_map_step(), step.from(y * vectors_), planar_rows(), at_.p.maps,
            {s + next * at_.row_step(), 2 * W}};
        rows_.inverse(data + y, pitch_, store, line);
    }

    void column(Cx<T>* data, const T* weights, Cx<T>* work) const {
        if (axes_.y.plan) forward_columns(*axes_.y.plan, data, work);
        for (int64_t g = 0; g < groups_; ++g)
            SplitRows<T>::across_lanes(data + g * W, weights + g * weight_group_size());
        if (axes_.y.plan) inverse_columns(*axes_.y.plan, data, work);
    }

    Arrays<T> at_;
    Axes<T> axes_;
    const SplitRows<T>& rows_;
    int64_t vectors_, groups_, pitch_;
};

}  // namespace
}  // namespace mriops
