// Normal operator of a volume whose weights vary along x and z: three passes over a few coils at a time.
//
// Plane by plane csm * image, y and x transforms, left transposed as [z][row group][x][lane = y]; z forward, weights, z
// inverse down that array; plane by plane the inverse x and y transforms, conj(csm) and the sum over coils. Memory: as
// many coil volumes.
#pragma once
#include "../core/parallel.h"
#include "../core/scratch.h"
#include "../fft/rows.h"
#include "../fft/wide_columns.h"
#include "arrays.h"
#include "axes.h"

namespace mriops {
namespace {

template <class T>
class VolumeGram {
    static constexpr int W = kWidth<T>;

  public:
    VolumeGram(const SenseProblem& p, const ActiveAxes& active)
        : at_(p),
          axes_(p.nz, p.ny, p.nx, active.z, active.y, active.x),
          tiles_(ceil_div(p.nx, W)),
          groups_(ceil_div(p.ny, W)),
          width_(tiles_ * W),
          plane_(groups_ * width_ + 1),
          runs_(ceil_div(p.nx, kRun)) {}

    void run(const T* image, const T* csm, const void* mask, T* out, int threads) const {
        const SenseProblem& p = at_.p;
        const int64_t held = std::min<int64_t>(p.coils, kHeld), size = p.nz * plane_;
        Cx<T>* volumes = scratch<Cx<T>>(Scratch::columns, size_t(held * size));
        T* weights = scratch<T>(Scratch::weights, size_t(groups_ * p.nx * p.nz * W));
        for (int64_t b = 0; b < p.batch; ++b) {
            if (b == 0 || p.mask_sb != 0) arrange(Weights<T>(p, mask, b), weights, threads);
            // The way out of some coils and the way in of the next share a visit of each plane.
            for (int64_t c = 0; c < p.coils + held; c += held) {
                Step steps[2 * kHeld];
                int64_t count = 0;
                for (int64_t first : {c - held, c})
                    for (int64_t i = 0; i < held; ++i)
                        if (first + i >= 0 && first + i < p.coils)
                            steps[count++] = {first < c,
                                              first + i == 0,
                                              csm + at_.csm(b, first + i),
                                              image + at_.image(b),
                                              out + at_.image(b),
                                              volumes + i * size};
                parallel_for(p.nz, threads, [&](int64_t z, int) {
                    for (int64_t i = 0; i < count; ++i) {
                        // After the last step of a plane comes the first of the next. Steps the same way share a plane
                        // of the image or of the sum, so that the second finds it in the cache.
                        const bool last = i + 1 == count;
                        const Step& follows = steps[last ? 0 : i + 1];
                        const Coming next = coming(follows, last ? z + 1 : z, last || follows.out != steps[i].out);
                        if (steps[i].out)
                            from_spectrum(steps[i], z, next);
                        else
                            to_spectrum(steps[i], z, next);
                    }
                });
                for (int64_t i = 0; i < count; ++i)
                    if (!steps[i].out)
                        parallel_for(groups_ * runs_, threads,
                                     [&](int64_t run, int) { along_z(run, weights, steps[i].volume); });
            }
        }
    }

  private:
    // [row group][x position][z position][lane], squared and scaled: kRun planes at a time, so that they are written in
    // runs of memory.
    void arrange(const Weights<T>& w, T* out, int threads) const {
        const T scale = axes_.scale() * axes_.scale();
        const int64_t nx = axes_.x.n, nz = axes_.z.n, size = lane_rows_size<T>(nx), runs = ceil_div(nz, kRun);
        parallel_for(groups_ * runs, threads, [&](int64_t job, int) {
            const int64_t g = job / runs, first = job % runs * kRun, count = std::min(kRun, nz - first);
            T* lanes = scratch<T>(Scratch::work, size_t(count * size));
            for (int64_t i = 0; i < count; ++i)
                w.squared_lanes(axes_.z.spectral(first + i), axes_.y, g * W, nx, scale, lanes + i * size);
            for (int64_t x = 0; x < nx; ++x)
                for (int64_t i = 0; i < count; ++i)
                    std::copy_n(lanes + i * size + axes_.x.spectral(x) * W, W,
                                out + ((g * nx + x) * nz + first + i) * W);
        });
    }

    Plane<T> own_plane() const {
        const int64_t pitch = groups_ * W;
        const Plane<T> plane{scratch<Cx<T>>(Scratch::image, size_t(tiles_ * pitch)), pitch, tiles_};
        for (int64_t t = 0; t < tiles_; ++t)
            std::fill_n(plane.data + t * pitch + axes_.y.n, pitch - axes_.y.n, Cx<T>{});
        return plane;
    }

    // One coil on its way out of, or into, its volume.
    struct Step {
        bool out, first;  // first: its images overwrite the sum
        const T *csm, *image;
        T* sum;
        Cx<T>* volume;
    };
    // What the next step reads of its plane, asked for during this one; null: not read, or in the cache already.
    struct Coming {
        const T *csm, *image;
        const Cx<T>* spectrum;
        // The t-th part, in the order of memory.
        Ahead<T> csm_part(int64_t offset) const { return {csm + offset, 2 * W}; }
        Ahead<T> image_part(int64_t offset) const { return {image ? image + offset : nullptr, 2 * W}; }
    };
    Coming coming(const Step& step, int64_t z, bool with_image) const {
        const int64_t tile = at_.tile(z, 0);
        return {step.csm + tile, !with_image ? nullptr : (step.out ? step.sum : step.image) + tile,
                step.out ? step.volume + z * plane_ : nullptr};
    }
    void ask(const Coming& next, int64_t g, int64_t t) const {
        if (!next.spectrum) return;
        for (int l = 0; l < W; ++l) prefetch_row<T>(next.spectrum + g * width_ + t * W + l);
    }

    void to_spectrum(const Step& step, int64_t z, const Coming& next) const {
        const T *csm = step.csm, *image = step.image;
        Cx<T>* spectrum = step.volume + z * plane_;
        const Plane<T> plane = own_plane();
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes_.work_rows()));
        for (int64_t t = 0; t < tiles_; ++t) {
            Cx<T>* column = plane.data + t * plane.pitch;
            const int64_t tile = at_.tile(z, t), part = 2 * W * axes_.y.n;
            with_fast(at_.fast(t), [&](auto fast) {
                constexpr bool Fast = decltype(fast)::value;
                const ExpandInterleaved<T, Fast> load{{csm + tile, at_.row_step(), at_.lanes(t)},
                                                      at_.csm_map_step(),
                                                      {image + tile, at_.row_step(), at_.lanes(t)},
                                                      at_.image_map_step(),
                                                      at_.p.maps,
                                                      next.csm_part(t * part),
                                                      next.image_part(t * part)};
                for (int64_t y = 0; y < axes_.y.n; ++y) column[y] = load(y);
                if (axes_.y.plan) forward_columns(*axes_.y.plan, column, work);
            });
        }
        for (int64_t g = 0; g < groups_; ++g) {
            Cx<T>* rows = spectrum + g * width_;
            rows_from_plane(plane, g * W, rows, [&](int64_t t) { ask(next, g, t); });
            forward_columns(*axes_.x.plan, rows, work);
        }
    }

    // The z transforms of kRun neighbouring columns.
    void along_z(int64_t run, const T* weights, Cx<T>* volume) const {
        Cx<T>* line = scratch<Cx<T>>(Scratch::rows, size_t(axes_.z.n));
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes_.work_rows()));
        const int64_t g = run / runs_, first = run % runs_ * kRun, count = std::min(kRun, axes_.x.n - first);
        const int64_t plane = plane_;
        for (int64_t j = 0; j < count; ++j) {
            Cx<T>* base = volume + g * width_ + first + j;
            const RunAhead<T, kRun> ahead(volume + g * width_ + first + kRun, plane, axes_.z.n, j);
            const auto load = [=](int64_t z) MRIOPS_LAMBDA_INLINE {
                ahead(z);
                return base[z * plane];
            };
            const auto store = [=](int64_t z, Cx<T> v) MRIOPS_LAMBDA_INLINE { base[z * plane] = v; };
            roundtrip_columns_through(*axes_.z.plan, line, work, load, store,
                                      LaneWeight<T>{weights + (g * axes_.x.n + first + j) * axes_.z.n * W});
        }
    }

    void from_spectrum(const Step& step, int64_t z, const Coming& next) const {
        const T* csm = step.csm;
        T* sum = step.sum;
        Cx<T>* spectrum = step.volume + z * plane_;
        const Plane<T> plane = own_plane();
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes_.work_rows()));
        for (int64_t g = 0; g < groups_; ++g) {
            Cx<T>* rows = spectrum + g * width_;
            inverse_columns(*axes_.x.plan, rows, work);
            rows_to_plane(rows, plane, g * W, [&](int64_t t) { ask(next, g, t); });
        }
        for (int64_t t = 0; t < tiles_; ++t) {
            Cx<T>* column = plane.data + t * plane.pitch;
            const int64_t tile = at_.tile(z, t), part = 2 * W * axes_.y.n;
            with_fast(at_.fast(t), [&](auto fast) {
                constexpr bool Fast = decltype(fast)::value;
                const CombineInterleaved<T, Fast> store{{csm + tile, at_.row_step(), at_.lanes(t)},
                                                        at_.csm_map_step(),
                                                        sum + tile,
                                                        at_.image_map_step(),
                                                        at_.p.maps,
                                                        step.first,
                                                        next.csm_part(t * part),
                                                        next.image_part(t * part)};
                if (axes_.y.plan) inverse_columns(*axes_.y.plan, column, work);
                for (int64_t y = 0; y < axes_.y.n; ++y) store(y, column[y]);
            });
        }
    }

    // Coils at a time: planes of the image and of the sum are fetched once for them.
    static constexpr int64_t kHeld = 2;
    static constexpr int64_t kRun = 8;  // columns over z whose rows are one run of memory

    Arrays<T> at_;
    Axes<T> axes_;
    int64_t tiles_, groups_, width_, plane_, runs_;
};

}  // namespace
}  // namespace mriops
