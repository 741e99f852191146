// 3D Toeplitz operator: for each of the four halves of the y and x axes, three passes over one coil at a time.
//
// Plane by plane csm * image, y and x transforms, left transposed as [z][row group][x][lane = y]; both halves of the z
// axis down that array; plane by plane the inverse x and y transforms, conj(csm) and the sum over coils. The factors w
// of odd frequencies are on the image and on the sum. Memory: three volumes; no array of
// size 2n is made but the caller's kernel.
#pragma once
#include "../core/parallel.h"
#include "toeplitz_tiled.h"

namespace mriops {
namespace {

template <class T>
class VolumeToeplitz {
    static constexpr int W = Lanes<T>::width;

  public:
    explicit VolumeToeplitz(const ToeplitzArrays<T>& at)
        : at_(at),
          z_(at.p.nz),
          y_(at.p.ny),
          x_(at.p.nx),
          tiles_(toeplitz_ceil(at.p.nx, W)),
          groups_(toeplitz_ceil(at.p.ny, W)),
          pitch_(groups_ * W + 1),
          width_(tiles_ * W),
          plane_(groups_ * width_ + 1) {}

    void run(const T* image, const T* spectra, T* out, int threads) const {
        const ToeplitzProblem& p = at_.p;
        const int64_t planar = tiles_ * pitch_;
        Cx<T>* volume = scratch<Cx<T>>(Scratch::columns, size_t(p.nz * plane_));
        Cx<T>* prepared = scratch<Cx<T>>(Scratch::image, size_t(2 * p.nz * planar));
        Cx<T>* sum = prepared + p.nz * planar;
        T* weights = scratch<T>(Scratch::weights, size_t(2 * groups_ * x_.n * z_.n * W));
        for (int64_t b = 0; b < p.batch; ++b)
            for (int half = 0; half < 4; ++half) {
                const int odd_y = half & 1, odd_x = half >> 1;
                arrange(spectra + at_.kernel(b / p.batch_per_kernel), odd_y, odd_x, weights, threads);
                // The way out of one coil and the way in of the next share a visit of each plane.
                for (int64_t c = 0; c <= p.coils; ++c) {
                    parallel_for(p.nz, threads, [&](int64_t z, int) {
                        Cx<T>*spectrum = volume + z * plane_, *in = prepared + z * planar, *to = sum + z * planar;
                        if (c == 0) prepare(image + at_.image(b) + z * x_.n * y_.n * 2, odd_y, odd_x, in);
                        if (c > 0) from_spectrum(at_.map(b, c - 1), to, z, spectrum, c == 1);
                        if (c < p.coils) to_spectrum(at_.map(b, c), in, z, spectrum);
                        if (c == p.coils) write(to, odd_y, odd_x, out + at_.image(b) + z * x_.n * y_.n * 2);
                    });
                    if (c < p.coils)
                        parallel_for(groups_ * x_.n, threads,
                                     [&](int64_t column, int) { along_z(column, weights, volume); });
                }
            }
    }

  private:
    // [row group][x position][z half][z position][lane], scaled.
    void arrange(const T* kernel, int odd_y, int odd_x, T* out, int threads) const {
        const T scale = T(1 / (8.0 * double(z_.n) * double(y_.n) * double(x_.n)));
        const int64_t nx2 = 2 * x_.n, plane2 = 2 * y_.n * nx2;
        parallel_for(groups_, threads, [&](int64_t g, int) {
            for (int odd_z = 0; odd_z < 2; ++odd_z)
                for (int64_t z = 0; z < z_.n; ++z)
                    for (int64_t l = 0; l < W; ++l) {
                        const int64_t position = g * W + l;
                        const T* row = position < y_.n ? kernel + z_.frequency(z, odd_z) * plane2 +
                                                             y_.frequency(position, odd_y) * nx2
                                                       : nullptr;
                        T* to = out + (g * x_.n * 2 * z_.n + odd_z * z_.n + z) * W + l;
                        for (int64_t x = 0; x < x_.n; ++x)
                            to[x * 2 * z_.n * W] = row ? scale * row[x_.frequency(x, odd_x)] : T(0);
                    }
        });
    }

    // Factor w of the chosen halves at row y of tile t.
    Cx<T> factor(int64_t t, int64_t y, int odd_y, int odd_x) const {
        Cx<T> w = {Vec<T>{} + T(1), Vec<T>{}};
        if (odd_x) w = x_.twist.lanes(t);
        return odd_y ? y_.twist.times(y, w) : w;
    }

    void prepare(const T* image, int odd_y, int odd_x, Cx<T>* in) const {
        for (int64_t t = 0; t < tiles_; ++t)
            for (int64_t y = 0; y < y_.n; ++y)
                in[t * pitch_ + y] =
                    load_complex(image + 2 * (y * x_.n + t * W), at_.lanes(t)) * factor(t, y, odd_y, odd_x);
    }

    void write(const Cx<T>* sum, int odd_y, int odd_x, T* out) const {
        for (int64_t t = 0; t < tiles_; ++t)
            for (int64_t y = 0; y < y_.n; ++y) {
                T* to = out + 2 * (y * x_.n + t * W);
                Cx<T> v = mul_conj(factor(t, y, odd_y, odd_x), sum[t * pitch_ + y]);
                if (odd_y || odd_x) v = v + load_complex(to, at_.lanes(t));
                store_complex(to, v, at_.lanes(t));
            }
    }

    Plane<T> own_plane() const {
        const Plane<T> plane{scratch<Cx<T>>(Scratch::rows, size_t(tiles_ * pitch_)), pitch_, tiles_};
        for (int64_t t = 0; t < tiles_; ++t) std::fill_n(plane.data + t * pitch_ + y_.n, pitch_ - y_.n, Cx<T>{});
        return plane;
    }
    Cx<T>* own_work(int64_t rows) const {
        return scratch<Cx<T>>(Scratch::work,
                              size_t(rows + std::max(z_.work_rows(), std::max(y_.work_rows(), x_.work_rows()))));
    }

    void to_spectrum(const CoilMap<T>& map, const Cx<T>* image, int64_t z, Cx<T>* spectrum) const {
        const Plane<T> plane = own_plane();
        Cx<T>* work = own_work(0);
        for (int64_t t = 0; t < tiles_; ++t)
            toeplitz_expand(y_.plan, map.at(z, 0, t), map.row_step, at_.lanes(t), image + t * pitch_,
                            plane.data + t * pitch_, work);
        for (int64_t g = 0; g < groups_; ++g) {
            rows_from_plane(plane, g * W, spectrum + g * width_);
            forward_columns(x_.plan, spectrum + g * width_, work);
        }
    }

    void along_z(int64_t column, const T* weights, Cx<T>* volume) const {
        Cx<T>* line = own_work(2 * z_.n);
        const int64_t g = column / x_.n, x = column % x_.n;
        const T* w = weights + column * 2 * z_.n * W;
        doubled_roundtrip(z_, volume + g * width_ + x, plane_, line, line + z_.n, line + 2 * z_.n, LaneWeight<T>{w},
                          LaneWeight<T>{w + z_.n * W});
    }

    void from_spectrum(const CoilMap<T>& map, Cx<T>* sum, int64_t z, Cx<T>* spectrum, bool first) const {
        const Plane<T> plane = own_plane();
        Cx<T>* work = own_work(0);
        for (int64_t g = 0; g < groups_; ++g) {
            inverse_columns(x_.plan, spectrum + g * width_, work);
            rows_to_plane(spectrum + g * width_, plane, g * W);
        }
        for (int64_t t = 0; t < tiles_; ++t)
            toeplitz_combine(y_.plan, map.at(z, 0, t), map.row_step, at_.lanes(t), sum + t * pitch_, first,
                             plane.data + t * pitch_, work);
    }

    const ToeplitzArrays<T>& at_;
    DoubledAxis<T> z_, y_, x_;
    int64_t tiles_, groups_, pitch_, width_, plane_;
};

}  // namespace
}  // namespace mriops
