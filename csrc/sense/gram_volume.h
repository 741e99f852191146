// Normal operator of a volume whose weights vary along x and z: three passes over a few coils at a time.
//
// Plane by plane csm * image, y and x transforms, left transposed as [z][row group][x][lane = y]; z forward, weights, z
// inverse down that array; plane by plane the inverse x and y transforms, conj(csm) and the sum over coils. Memory: as
// many coil volumes.
#pragma once
#include "../core/parallel.h"
#include "../core/scratch.h"
#include "../fft/rows.h"
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
          plane_(groups_ * width_ + 1) {}

    void run(const T* image, const T* csm, const void* mask, T* out, int threads) const {
        const SenseProblem& p = at_.p;
        const int64_t held = std::min<int64_t>(p.coils, kHeld), size = p.nz * plane_;
        Cx<T>* volumes = scratch<Cx<T>>(Scratch::columns, size_t(held * size));
        T* weights = scratch<T>(Scratch::weights, size_t(groups_ * p.nx * p.nz * W));
        for (int64_t b = 0; b < p.batch; ++b) {
            if (b == 0 || p.mask_sb != 0) arrange(Weights<T>(p, mask, b), weights, threads);
            // The way out of some coils and the way in of the next share a visit of each plane.
            for (int64_t c = 0; c < p.coils + held; c += held) {
                const auto held_coils = [&](int64_t first, const auto& f) {
                    for (int64_t i = 0; i < held; ++i)
                        if (first + i >= 0 && first + i < p.coils) f(first + i, volumes + i * size);
                };
                parallel_for(p.nz, threads, [&](int64_t z, int) {
                    held_coils(c - held, [&](int64_t coil, Cx<T>* volume) {
                        from_spectrum(csm + at_.csm(b, coil), out + at_.image(b), z, volume + z * plane_, coil == 0);
                    });
                    held_coils(c, [&](int64_t coil, Cx<T>* volume) {
                        to_spectrum(csm + at_.csm(b, coil), image + at_.image(b), z, volume + z * plane_);
                    });
                });
                held_coils(c, [&](int64_t, Cx<T>* volume) {
                    parallel_for(groups_ * p.nx, threads,
                                 [&](int64_t column, int) { along_z(column, weights, volume); });
                });
            }
        }
    }

  private:
    // [row group][x position][z position][lane], squared and scaled.
    void arrange(const Weights<T>& w, T* out, int threads) const {
        const T scale = axes_.scale() * axes_.scale();
        parallel_for(groups_, threads, [&](int64_t g, int) {
            for (int64_t l = 0; l < W; ++l) {
                const int64_t row = g * W + l, ky = row < axes_.y.n ? axes_.y.spectral(row) : 0;
                for (int64_t x = 0; x < axes_.x.n; ++x) {
                    const int64_t kx = axes_.x.spectral(x);
                    for (int64_t z = 0; z < axes_.z.n; ++z) {
                        const T v = w(axes_.z.spectral(z), ky, kx);
                        out[((g * axes_.x.n + x) * axes_.z.n + z) * W + l] = scale * v * v;
                    }
                }
            }
        });
    }

    Plane<T> own_plane() const {
        const int64_t pitch = groups_ * W;
        const Plane<T> plane{scratch<Cx<T>>(Scratch::image, size_t(tiles_ * pitch)), pitch, tiles_};
        for (int64_t t = 0; t < tiles_; ++t)
            std::fill_n(plane.data + t * pitch + axes_.y.n, pitch - axes_.y.n, Cx<T>{});
        return plane;
    }

    // The t-th part of plane z + 1, in the order of memory.
    Ahead<T> next_plane(const T* volume, int64_t z, int64_t t) const {
        return {volume + at_.tile(z + 1, 0) + 2 * t * W * axes_.y.n, 2 * W};
    }

    void to_spectrum(const T* csm, const T* image, int64_t z, Cx<T>* spectrum) const {
        const Plane<T> plane = own_plane();
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes_.work_rows()));
        for (int64_t t = 0; t < tiles_; ++t) {
            Cx<T>* column = plane.data + t * plane.pitch;
            const int64_t tile = at_.tile(z, t);
            with_fast(at_.fast(t), [&](auto fast) {
                constexpr bool Fast = decltype(fast)::value;
                const ExpandInterleaved<T, Fast> load{{csm + tile, at_.row_step(), at_.lanes(t)},
                                                      at_.csm_map_step(),
                                                      {image + tile, at_.row_step(), at_.lanes(t)},
                                                      at_.image_map_step(),
                                                      at_.p.maps,
                                                      next_plane(csm, z, t),
                                                      next_plane(image, z, t)};
                if constexpr (Fast) {
                    if (axes_.y.plan) return forward_columns_from(*axes_.y.plan, column, work, load);
                }
                for (int64_t y = 0; y < axes_.y.n; ++y) column[y] = load(y);
                if (axes_.y.plan) forward_columns(*axes_.y.plan, column, work);
            });
        }
        for (int64_t g = 0; g < groups_; ++g) {
            Cx<T>* rows = spectrum + g * width_;
            rows_from_plane(plane, g * W, rows);
            forward_columns(*axes_.x.plan, rows, work);
        }
    }

    void along_z(int64_t column, const T* weights, Cx<T>* volume) const {
        Cx<T>* line = scratch<Cx<T>>(Scratch::rows, size_t(axes_.z.n));
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes_.work_rows()));
        const int64_t g = column / axes_.x.n, x = column % axes_.x.n, plane = plane_;
        Cx<T>* base = volume + g * width_ + x;
        const auto load = [=](int64_t z) MRIOPS_LAMBDA_INLINE {
            prefetch_row<T>(base + z * plane + kAhead);
            return base[z * plane];
        };
        const auto store = [=](int64_t z, Cx<T> v) MRIOPS_LAMBDA_INLINE { base[z * plane] = v; };
        roundtrip_columns_through(*axes_.z.plan, line, work, load, store,
                                  LaneWeight<T>{weights + column * axes_.z.n * W});
    }

    void from_spectrum(const T* csm, T* sum, int64_t z, Cx<T>* spectrum, bool first) const {
        const Plane<T> plane = own_plane();
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes_.work_rows()));
        for (int64_t g = 0; g < groups_; ++g) {
            Cx<T>* rows = spectrum + g * width_;
            inverse_columns(*axes_.x.plan, rows, work);
            rows_to_plane(rows, plane, g * W);
        }
        for (int64_t t = 0; t < tiles_; ++t) {
            Cx<T>* column = plane.data + t * plane.pitch;
            const int64_t tile = at_.tile(z, t);
            with_fast(at_.fast(t), [&](auto fast) {
                constexpr bool Fast = decltype(fast)::value;
                const CombineInterleaved<T, Fast> store{{csm + tile, at_.row_step(), at_.lanes(t)},
                                                        at_.csm_map_step(),
                                                        sum + tile,
                                                        at_.image_map_step(),
                                                        at_.p.maps,
                                                        first,
                                                        next_plane(csm, z, t),
                                                        next_plane(sum, z, t)};
                if constexpr (Fast) {
                    if (axes_.y.plan) return inverse_columns_into(*axes_.y.plan, column, work, store);
                }
                if (axes_.y.plan) inverse_columns(*axes_.y.plan, column, work);
                for (int64_t y = 0; y < axes_.y.n; ++y) store(y, column[y]);
            });
        }
    }

    // Coils at a time: planes of the image and of the sum are fetched once for them.
    static constexpr int64_t kHeld = 2;
    static constexpr int64_t kAhead = 1;  // columns over z stride through more than the cache: ask for them early

    Arrays<T> at_;
    Axes<T> axes_;
    int64_t tiles_, groups_, width_, plane_;
};

}  // namespace
}  // namespace mriops
