// Images to spectra on a larger grid and back, by whichever route the lengths allow: pruned passes, or, where shared
// memory does not hold a line, whole zero-padded volumes.
#pragma once
#include <cmath>

#include "../fft/long_lines.cuh"
#include "grid_lines.cuh"
#include "image_grid.cuh"

namespace mriops::cuda::gridding {

constexpr int64_t kChunkBytes = int64_t(256) << (gpu::kEmulated ? 10 : 20);  // small tests meet every kind of chunk

// Some coils of some batch items: all coils of several items, or some coils of one.
struct Chunk {
    int64_t first_item, items, first_coil, coils;
    int64_t volumes() const { return items * coils; }
};

// `most`: coil images of a chunk, 0 for as many as fit.
template <class F>
void for_each_chunk(int64_t batch, int64_t coils, int64_t volume_bytes, int64_t items_together, int64_t most, F&& f) {
    int64_t fit = kChunkBytes / volume_bytes > 0 ? kChunkBytes / volume_bytes : 1;
    if (most > 0 && most < fit) fit = most;
    const int64_t step_coils = fit < coils ? fit : coils;
    int64_t step_items = fit / coils > 0 ? fit / coils : 1;
    if (step_items > items_together) step_items = items_together;
    if (step_items > 65535) step_items = 65535;
    for (int64_t b = 0; b < batch; b += step_items)
        for (int64_t c = 0; c < coils; c += step_coils)
            f(Chunk{b, batch - b < step_items ? batch - b : step_items, c,
                    coils - c < step_coils ? coils - c : step_coils});
}

// The arrays and sizes that do not change from chunk to chunk.
template <class T>
struct VolumeSetup {
    int ndim;
    int64_t n[3], g[3];  // z, y, x
    int64_t coils, batch_per_csm;
    const Complex<T>* csm;
    const T* deconvolve[3] = {nullptr, nullptr, nullptr};
    bool centred;  // image and frequencies count from their centres; otherwise both from index 0
};

template <class T>
class VolumePasses {
  public:
    VolumePasses(const VolumeSetup<T>& setup, Memory& memory) : s_(setup), memory_(memory) {
        for (int d = 3 - s_.ndim; d < 3; ++d) fused_ = fused_ && line_fits<T>(s_.g[d]);
        stride_ = volume();
    }
    bool fused() const { return fused_; }
    int64_t image_voxels() const { return s_.n[0] * s_.n[1] * s_.n[2]; }
    int64_t volume() const { return s_.g[0] * s_.g[1] * s_.g[2]; }
    // From one volume in memory to the next; the fused passes need no more of the slowest axis than they are asked for.
    void set_stride(int64_t stride) { stride_ = stride; }
    // Scratch of the unfused route, taken before chunks are walked through.
    void prepare(int64_t volumes) {
        if (fused_) return;
        int64_t most = 0;
        for (int d = 3 - s_.ndim; d < 3; ++d) {
            const int64_t count = long_lines_scratch<T>(s_.g[d], volumes * volume() / s_.g[d]);
            most = count > most ? count : most;
        }
        scratch_ = memory_.template take<Complex<T>>(most);
    }

    // grid <- DFT of the padded csm * image * deconvolution. Fused, `last` false leaves out the slowest axis.
    void forward(const Complex<T>* image, Complex<T>* grid, const Chunk& c, bool last = true) {
        if (memory_.dry()) return;
        const gpu::Stream stream = memory_.stream();
        if (!fused_) {
            launch_zero(grid, c.volumes() * volume(), stream);
            ImageGrid<T> a = image_grid(grid, c);
            a.image = image;
            launch_embed(a, stream);
            for (int d = 2; d >= 3 - s_.ndim; --d) long_lines(grid, d, c, false);
            return;
        }
        for (int d = 2; d >= (last ? 3 - s_.ndim : 4 - s_.ndim); --d) {
            LinePass<T> a = pass(grid, d, c, false);
            if (d == 2) {
                a.from = {0, s_.n[1] * s_.n[2], s_.n[2], 1, int(s_.n[2]), shift_in(2)};
                a.image = image;
                a.csm = s_.csm;
                a.deconvolve_z = s_.ndim == 3 ? s_.deconvolve[0] : nullptr;
                a.deconvolve_y = s_.deconvolve[1];
                a.deconvolve_x = s_.deconvolve[2];
            }
            launch_lines(a, s_.g[d], d == 2 ? Way::from_maps : Way::one_way, stream);
        }
    }

    // image (+)= deconvolution sum conj(csm) crop DFT^H grid; fused, `first` false leaves out the slowest axis.
    void backward(Complex<T>* grid, Complex<T>* image, const Chunk& c, bool first = true) {
        if (memory_.dry()) return;
        if (!fused_) {
            for (int d = 3 - s_.ndim; d < 3; ++d) long_lines(grid, d, c, true);
        } else {
            for (int d = first ? 3 - s_.ndim : 4 - s_.ndim; d < 3; ++d)
                launch_lines(pass(grid, d, c, true), s_.g[d], Way::one_way, memory_.stream());
        }
        ImageGrid<T> a = image_grid(grid, c);
        a.out = image;
        a.add = c.first_coil > 0;
        launch_combine(a, memory_.stream());
    }

    // Fused: the slowest axis both ways, times `kernel` (batch item, then 2n per axis).
    void through(Complex<T>* grid, const T* kernel, int64_t batch_per_kernel, const Chunk& c) {
        if (memory_.dry()) return;
        const int d = 3 - s_.ndim;
        LinePass<T> a = pass(grid, d, c, false);
        a.to = a.from;
        a.kernel = kernel;
        a.batch_per_kernel = batch_per_kernel;
        a.kernel_item = s_.g[1] * s_.g[2] * (s_.ndim == 3 ? s_.g[0] : 1);
        a.kernel_row = s_.ndim == 3 ? s_.g[2] : 0;
        a.kernel_column = 1;
        a.kernel_step = s_.ndim == 3 ? s_.g[1] * s_.g[2] : s_.g[2];
        a.scale = T(1 / double(a.kernel_item));
        launch_lines(a, s_.g[d], Way::two_way, memory_.stream());
    }

  private:
    int shift_in(int d) const { return s_.centred ? int(s_.n[d] / 2) : 0; }
    int shift_out(int d) const { return s_.centred ? int(s_.g[d] / 2) : 0; }

    // Lines along axis d of the volumes of a chunk; image side and grid side share the memory.
    LinePass<T> pass(Complex<T>* grid, int d, const Chunk& c, bool backward) const {
        LinePass<T> a;
        const int64_t step[] = {s_.g[1] * s_.g[2], s_.g[2], 1};
        const int64_t planes = s_.ndim == 3 && d != 0 ? s_.n[0] : 1;
        a.rows = d == 2 ? s_.n[1] : d == 1 ? 1 : s_.g[1];
        a.columns = d == 2 ? 1 : s_.g[2];
        a.lines_per_volume = planes * a.rows * a.columns;
        a.lines = a.lines_per_volume * c.volumes();
        const Side image{stride_, step[0], step[1], step[d], int(s_.n[d]), shift_in(d)};
        const Side full{stride_, step[0], step[1], step[d], int(s_.g[d]), shift_out(d)};
        a.from = backward ? full : image;
        a.to = backward ? image : full;
        a.data = grid;
        a.out = grid;
        a.backward = backward;
        a.coils = c.coils;
        a.all_coils = s_.coils;
        a.first_coil = c.first_coil;
        a.first_item = c.first_item;
        a.batch_per_csm = s_.batch_per_csm;
        a.voxels = image_voxels();
        return a;
    }

    ImageGrid<T> image_grid(Complex<T>* grid, const Chunk& c) const {
        ImageGrid<T> a;
        a.nz = s_.n[0], a.ny = s_.n[1], a.nx = s_.n[2];
        a.z_step = s_.g[1] * s_.g[2];
        a.y_step = s_.g[2];
        const auto centre = [this](int d) { return fused_ ? 0 : s_.g[d] / 2 - s_.n[d] / 2; };
        a.at = (centre(0) * s_.g[1] + centre(1)) * s_.g[2] + centre(2);
        a.volume = stride_;
        a.volumes = c.volumes();
        a.coils = c.coils;
        a.all_coils = s_.coils;
        a.first_coil = c.first_coil;
        a.first_item = c.first_item;
        a.items = c.items;
        a.batch_per_csm = s_.batch_per_csm;
        a.grid = grid;
        a.csm = s_.csm;
        if (s_.deconvolve[2] != nullptr) {
            a.deconvolve_z = s_.ndim == 3 ? s_.deconvolve[0] : nullptr;
            a.deconvolve_y = s_.deconvolve[1];
            a.deconvolve_x = s_.deconvolve[2];
        }
        return a;
    }

    void long_lines(Complex<T>* grid, int d, const Chunk& c, bool backward) {
        const int64_t inner = d == 2 ? 1 : d == 1 ? s_.g[2] : s_.g[1] * s_.g[2];
        transform_long_lines(LongLines<T>{grid, s_.g[d], inner, c.volumes() * volume() / s_.g[d], backward, T(1)},
                             scratch_, memory_.stream());
    }

    VolumeSetup<T> s_;
    Memory& memory_;
    bool fused_ = true;
    int64_t stride_ = 0;
    Complex<T>* scratch_ = nullptr;
};

}  // namespace mriops::cuda::gridding
