// Normal operator where weights do not vary along x: the x transforms cancel, and a tile of columns is a problem of its
// own.
//
// Per tile: for every coil, csm * image and the y (and z) transform, weights, the inverse, conj(csm) and the sum over
// coils, in a buffer that stays in cache; the maps are read from memory once.
#pragma once
#include "../core/parallel.h"
#include "../core/scratch.h"
#include "arrays.h"
#include "axes.h"

namespace mriops {
namespace {

template <class T>
class ColumnGram {
  public:
    ColumnGram(const SenseProblem& p, const ActiveAxes& active)
        : at_(p),
          axes_(p.nz, p.ny, p.nx, active.z, active.y, false, active.z ? Stay::anywhere : Stay::near),
          depth_(axes_.z.plan ? p.nz : 1),
          pitch_(p.ny + 1),  // a column over z must not hit one cache set only
          tiles_(ceil_div(p.nx, kWidth<T>)) {}

    void run(const T* image, const T* csm, const void* mask, T* out, int threads) const {
        const SenseProblem& p = at_.p;
        const int64_t planes = axes_.z.plan ? 1 : p.nz, joint = joint_tiles(p.batch * planes, threads);
        const int64_t groups = ceil_div(tiles_, joint), per_batch = planes * groups;
        const bool shared_weights = p.mask_sb == 0;
        const int64_t weight_count = p.ny * depth_;
        T* weights = scratch<T>(Scratch::weights, size_t(weight_count * (shared_weights ? 1 : p.batch)));
        for (int64_t b = 0; b < (shared_weights ? 1 : p.batch); ++b)
            arrange(Weights<T>(p, mask, b), weights + b * weight_count);
        parallel_for(p.batch * per_batch, threads, [&](int64_t job, int) {
            const int64_t b = job / per_batch, z = (job % per_batch) / groups, t = job % groups * joint;
            some_tiles(image + at_.image(b), csm + at_.csm(b, 0), weights + (shared_weights ? 0 : b * weight_count), z,
                       t, std::min(tiles_, t + joint), out + at_.image(b));
        });
    }

  private:
    // [y position][z position], squared and scaled.
    void arrange(const Weights<T>& w, T* out) const {
        const T scale = axes_.scale() * axes_.scale();
        for (int64_t y = 0; y < axes_.y.n; ++y)
            for (int64_t z = 0; z < depth_; ++z) {
                const T v = w(depth_ > 1 ? axes_.z.spectral(z) : 0, axes_.y.spectral(y), 0);
                out[y * depth_ + z] = scale * v * v;
            }
    }

    // Tiles that go through a coil one after another: their rows of the maps lie in the same pages of memory, of which
    // there are more than the TLB holds. Not so many that image and sums leave the cache or threads wait for work.
    int64_t joint_tiles(int64_t planes, int threads) const {
        constexpr int64_t kMost = 4, kBytes = 512 << 10;
        const int64_t bytes = 2 * at_.p.maps * depth_ * pitch_ * int64_t(sizeof(Cx<T>));
        const int64_t share = threads > 1 ? planes * tiles_ / (4 * threads) : kMost;
        return std::max<int64_t>(1, std::min({kMost, kBytes / bytes, share}));
    }

    // Tiles [t0, t1).
    void some_tiles(const T* image, const T* csm, const T* weights, int64_t z0, int64_t t0, int64_t t1, T* out) const {
        const SenseProblem& p = at_.p;
        const int64_t block = depth_ * pitch_, item = p.maps * block;
        Cx<T>* planar = scratch<Cx<T>>(Scratch::image, size_t((t1 - t0) * item));
        Cx<T>* sum = scratch<Cx<T>>(Scratch::accumulator, size_t((t1 - t0) * item));
        Cx<T>* data = scratch<Cx<T>>(Scratch::columns, size_t(block));
        Cx<T>* work = scratch<Cx<T>>(Scratch::work, size_t(axes_.work_rows()));
        for (int64_t t = t0; t < t1; ++t)
            for_each_column(p.maps, [&](int64_t m, int64_t z) {
                const T* in = image + m * at_.volume + at_.tile(z0, t) + at_.tile(z, 0);
                Cx<T>* to = planar + (t - t0) * item + m * block + z * pitch_;
                for (int64_t y = 0; y < p.ny; ++y) to[y] = load_complex(in + y * at_.row_step(), at_.lanes(t));
            });
        for (int64_t c = 0; c < p.coils; ++c)
            for (int64_t t = t0; t < t1; ++t) {
                const T* maps = csm + c * at_.volume + at_.tile(z0, t);
                const T* next = t + 1 < t1 ? maps + 2 * kWidth<T> : csm + (c + 1) * at_.volume + at_.tile(z0, t0);
                const int64_t at = (t - t0) * item;
                with_fast(at_.fast(t), [&](auto fast) {
                    one_coil<decltype(fast)::value>(maps, next, planar + at, weights, at_.lanes(t), c == 0, data,
                                                    sum + at, work);
                });
            }
        for (int64_t t = t0; t < t1; ++t)
            for_each_column(p.maps, [&](int64_t m, int64_t z) {
                T* to = out + m * at_.volume + at_.tile(z0, t) + at_.tile(z, 0);
                const Cx<T>* from = sum + (t - t0) * item + m * block + z * pitch_;
                for (int64_t y = 0; y < p.ny; ++y) store_complex(to + y * at_.row_step(), from[y], at_.lanes(t));
            });
    }

    template <class F>
    void for_each_column(int64_t maps, const F& f) const {
        for (int64_t m = 0; m < maps; ++m)
            for (int64_t z = 0; z < depth_; ++z) f(m, z);
    }

    // `next`: the maps that are read after these.
    template <bool Fast>
    void one_coil(const T* csm, const T* next, const Cx<T>* image, const T* weights, int lanes, bool first, Cx<T>* data,
                  Cx<T>* sum, Cx<T>* work) const {
        const int64_t block = depth_ * pitch_, maps = at_.p.maps, ny = axes_.y.n;
        const auto expand = [&](int64_t z) {
            return Expand<T, Fast>{{csm + at_.tile(z, 0), at_.row_step(), lanes},
                                   at_.csm_map_step(),
                                   image + z * pitch_,
                                   block,
                                   maps,
                                   {axes_.z.plan ? csm + at_.tile(z + 1, 0) : next, at_.row_step()}};
        };
        const auto combine = [&](int64_t z) {
            return Combine<T, Fast>{{csm + at_.tile(z, 0), at_.row_step(), lanes},
                                    at_.csm_map_step(),
                                    {first ? nullptr : sum + z * pitch_, sum + z * pitch_, false},
                                    block,
                                    maps,
                                    {axes_.z.plan ? csm + at_.tile(z + 1, 0) : nullptr, at_.row_step()}};
        };
        if (!axes_.z.plan) {
            const auto load = expand(0);
            const auto store = combine(0);
            const ScalarWeight<T> weight{weights};
            if constexpr (Fast) {
                if (axes_.y.plan) return roundtrip_columns_through(*axes_.y.plan, data, work, load, store, weight);
            }
            for (int64_t y = 0; y < ny; ++y) data[y] = axes_.y.plan ? load(y) : weight(y, load(y));
            if (axes_.y.plan) roundtrip_columns(*axes_.y.plan, data, work, weight);
            for (int64_t y = 0; y < ny; ++y) store(y, data[y]);
            return;
        }
        for (int64_t z = 0; z < depth_; ++z) {
            Cx<T>* column = data + z * pitch_;
            const auto load = expand(z);
            for (int64_t y = 0; y < ny; ++y) column[y] = load(y);
            if (axes_.y.plan) forward_columns(*axes_.y.plan, column, work);
        }
        Cx<T>* line = scratch<Cx<T>>(Scratch::rows, size_t(depth_));
        for (int64_t y = 0; y < ny; ++y) {
            const auto load = [=](int64_t z) MRIOPS_LAMBDA_INLINE {
                prefetch_row<T>(data + z * pitch_ + y + kAhead);
                return data[z * pitch_ + y];
            };
            const auto store = [=](int64_t z, Cx<T> v) MRIOPS_LAMBDA_INLINE { data[z * pitch_ + y] = v; };
            roundtrip_columns_through(*axes_.z.plan, line, work, load, store, ScalarWeight<T>{weights + y * depth_});
        }
        for (int64_t z = 0; z < depth_; ++z) {
            Cx<T>* column = data + z * pitch_;
            const auto store = combine(z);
            if (axes_.y.plan) inverse_columns(*axes_.y.plan, column, work);
            for (int64_t y = 0; y < ny; ++y) store(y, column[y]);
        }
    }

    static constexpr int64_t kAhead = 2;  // columns over z stride through more than the cache: ask for them early

    Arrays<T> at_;
    Axes<T> axes_;
    int64_t depth_, pitch_, tiles_;
};

}  // namespace
}  // namespace mriops
