// 3D Toeplitz operator: for each of the four halves of the y and x axes, three passes over two coils at a time.
//
// Plane by plane csm * image, y and x transforms, left transposed as [z][row group][x][lane = y]; both halves of the z
// axis down that array; plane by plane the inverse x and y transforms, conj(csm) and the sum over coils. The factors w
// of odd frequencies are on the image and on the sum. Memory: four volumes and half the spectrum's weights; no array of
// size 2n is made but the caller's kernel.
#pragma once
#include "../core/parallel.h"
#include "../fft/wide_columns.h"
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
          plane_(groups_ * width_ + 1),
          runs_(toeplitz_ceil(at.p.nx, kRun)) {}

    void run(const T* image, const T* spectra, T* out, int threads) const {
        const ToeplitzProblem& p = at_.p;
        const int64_t planar = tiles_ * pitch_;
        const int64_t held = std::min(p.coils, kHeld), size = p.nz * plane_;
        Cx<T>* volumes = scratch<Cx<T>>(Scratch::columns, size_t(held * size));
        Cx<T>* prepared = scratch<Cx<T>>(Scratch::image, size_t(2 * p.nz * planar));
        Cx<T>* sum = prepared + p.nz * planar;
        T* weights = scratch<T>(Scratch::weights, size_t(2 * groups_ * x_.n * z_.n * W));
        for (int64_t b = 0; b < p.batch; ++b)
            for (int half = 0; half < 4; ++half) {
                const int odd_y = half & 1, odd_x = half >> 1;
                arrange(spectra + at_.kernel(b / p.batch_per_kernel), odd_y, odd_x, weights, threads);
                // The way out of some coils and the way in of the next share a visit of each plane.
                for (int64_t c = 0; c < p.coils + held; c += held) {
                    const int64_t coming = std::min(held, p.coils - c);
                    parallel_for(p.nz, threads, [&](int64_t z, int) {
                        Cx<T>*spectrum = volumes + z * plane_, *in = prepared + z * planar, *to = sum + z * planar;
                        if (c == 0) prepare(image + at_.image(b) + z * x_.n * y_.n * 2, odd_y, odd_x, in);
                        for (int64_t i = std::max<int64_t>(0, c - held); i < std::min(c, p.coils); ++i)
                            from_spectrum(at_.map(b, i), to, z, spectrum + (i + held - c) * size, i == 0);
                        for (int64_t i = 0; i < coming; ++i) to_spectrum(at_.map(b, c + i), in, z, spectrum + i * size);
                        if (coming <= 0) write(to, odd_y, odd_x, out + at_.image(b) + z * x_.n * y_.n * 2);
                    });
                    parallel_for(groups_ * runs_, threads, [&](int64_t run, int) {
                        for (int64_t i = 0; i < coming; ++i) along_z(run, weights, volumes + i * size);
                    });
                }
            }
    }

  private:
    // [row group][x position][z half][z position][lane], scaled.
    void arrange(const T* kernel, int odd_y, int odd_x, T* out, int threads) const {
        // kRun planes at a time, so that they are written in runs of memory.
        const T scale = T(1 / (8.0 * double(z_.n) * double(y_.n) * double(x_.n)));
        const int64_t nx2 = 2 * x_.n, plane2 = 2 * y_.n * nx2, nz2 = 2 * z_.n, size = lane_rows_size<T>(x_.n);
        const int64_t runs = toeplitz_ceil(nz2, kRun);
        parallel_for(groups_ * runs, threads, [&](int64_t job, int) {
            const int64_t g = job / runs, first = job % runs * kRun, count = std::min(kRun, nz2 - first);
            T* lanes = scratch<T>(Scratch::work, size_t(count * size));
            for (int64_t i = 0; i < count; ++i) {
                const int64_t z = (first + i) % z_.n;
                const T *plane = kernel + z_.frequency(z, first + i >= z_.n) * plane2, *rows[W];
                for (int64_t l = 0; l < W; ++l) {
                    const int64_t position = g * W + l;
                    rows[l] = position < y_.n ? plane + y_.frequency(position, odd_y) * nx2 : nullptr;
                }
                half_spectrum_lanes(rows, x_.n, odd_x, scale, lanes + i * size);
            }
            for (int64_t x = 0; x < x_.n; ++x)
                for (int64_t i = 0; i < count; ++i)
                    std::copy_n(lanes + i * size + x_.bin(x) * W, W, out + ((g * x_.n + x) * nz2 + first + i) * W);
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

    // Both halves of kRun neighbouring columns of z.
    void along_z(int64_t run, const T* weights, Cx<T>* volume) const {
        Cx<T>* line = own_work(2 * z_.n);
        const int64_t g = run / runs_, first = run % runs_ * kRun, count = std::min(kRun, x_.n - first);
        for (int64_t j = 0; j < count; ++j) {
            const int64_t x = first + j;
            const T* w = weights + (g * x_.n + x) * 2 * z_.n * W;
            doubled_roundtrip(z_, volume + g * width_ + x, plane_, line, line + z_.n, line + 2 * z_.n, LaneWeight<T>{w},
                              LaneWeight<T>{w + z_.n * W},
                              RunAhead<T, kRun>(volume + g * width_ + first + kRun, plane_, z_.n, j));
        }
    }

    void from_spectrum(const CoilMap<T>& map, Cx<T>* sum, int64_t z, Cx<T>* spectrum, bool first) const {
        const Plane<T> plane = own_plane();
        Cx<T>* work = own_work(0);
        for (int64_t g = 0; g < groups_; ++g) {
            inverse_columns(x_.plan, spectrum + g * width_, work);
            rows_to_plane(spectrum + g * width_, plane, g * W);
        }
        for (int64_t t = 0; t < tiles_; ++t)
            toeplitz_combine(y_.plan, map.at(z, 0, t), map.row_step, at_.lanes(t), sum + t * pitch_, first, true,
                             plane.data + t * pitch_, work);
    }

    // Coils at a time: planes of the image and of the sum, and the weights, are fetched once for them.
    static constexpr int64_t kHeld = 2;
    static constexpr int64_t kRun = 8;  // neighbouring values that are one run of memory

    const ToeplitzArrays<T>& at_;
    DoubledAxis<T> z_, y_, x_;
    int64_t tiles_, groups_, pitch_, width_, plane_, runs_;
};

}  // namespace
}  // namespace mriops
