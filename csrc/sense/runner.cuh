// What the entry points share on the host: the workspace, and the passes over one axis, whichever route its length
// takes.
#pragma once
#include <cmath>
#include <cstddef>
#include <vector>

#include "../fft/long_lines.cuh"
#include "line_pass.cuh"
#include "pixel_pass.cuh"

namespace mriops::cuda {

// Hands out pieces of the caller's workspace. Without one it only counts, so that the size of a workspace is found by
// walking through the very code that uses it.
class Workspace {
  public:
    explicit Workspace(void* base) : base_(static_cast<char*>(base)) {}
    template <class T>
    Complex<T>* take(int64_t count) {
        const std::size_t at = used_;
        used_ += (static_cast<std::size_t>(count) * sizeof(Complex<T>) + 255) / 256 * 256;
        peak_ = used_ > peak_ ? used_ : peak_;
        return reinterpret_cast<Complex<T>*>(base_ + at);
    }
    std::size_t used() const { return used_; }
    void release_to(std::size_t mark) { used_ = mark; }
    std::size_t peak() const { return peak_; }

  private:
    char* base_;
    std::size_t used_ = 0, peak_ = 0;
};

// An axis that is transformed.
struct Axis {
    int index;  // 0: x, 1: y, 2: z
    int64_t n, inner;
    Route route;
    int64_t m = 0;  // Bluestein: length of the lines, and the tables in the workspace
    void *chirp = nullptr, *spectrum = nullptr;
};

// Runs passes, or, when dry, walks through them to find the size of the workspace.
template <class T>
class Runner {
  public:
    Runner(int64_t nz, int64_t ny, int64_t nx, void* workspace, void* stream, bool dry)
        : nz_(nz), ny_(ny), nx_(nx), workspace(workspace), stream_(static_cast<gpu::Stream>(stream)), dry_(dry) {}

    bool is_dry() const { return dry_; }
    int64_t volume() const { return nz_ * ny_ * nx_; }

    Axis axis(int index) const {
        const int64_t n = index == 0 ? nx_ : index == 1 ? ny_ : nz_;
        return {index, n, index == 0 ? 1 : index == 1 ? nx_ : nx_ * ny_, route_of<T>(n)};
    }
    // Axes longer than one entry, z first; one of a single entry when there are no others, for the passes need one.
    std::vector<Axis> axes(int bits) const {
        std::vector<Axis> list;
        for (int index = 2; index >= 0; --index)
            if (bits >> index & 1 && axis(index).n > 1) list.push_back(axis(index));
        if (list.empty()) list.push_back({0, 1, 1, Route::direct});
        return list;
    }
    // Tables of the axes that need them, once per length.
    void prepare(std::vector<Axis>& list);

    // A pass over `items` volumes along an axis, to be completed with arrays and strides.
    Pass<T> pass(const Axis& axis, int64_t items, bool backward) const;
    void run(Pass<T> pass, const Axis& axis, Load load, Store store);
    // Weights squared between the two transforms; for directly transformed lengths only.
    void run_gram(Pass<T> pass, const Axis& axis, Load load, Store store);
    // Transforms `volumes` volumes by any route; `from` == `to` is allowed, and for Route::global demanded.
    void transform(const Complex<T>* from, Complex<T>* to, const Axis& axis, int64_t volumes, bool backward);

    PixelPass<T> pixel_pass(int64_t items, int64_t inner_items) const;
    void expand(const PixelPass<T>& a) {
        if (!dry_) launch_expand(a, stream_);
    }
    void combine(const PixelPass<T>& a) {
        if (!dry_) launch_combine(a, stream_);
    }
    void pixel_gram(const PixelPass<T>& a) {
        if (!dry_) launch_pixel_gram(a, stream_);
    }
    void weigh(const PixelPass<T>& a) {
        if (!dry_) launch_weigh(a, stream_);
    }

  private:
    int64_t nz_, ny_, nx_;

  public:
    Workspace workspace;

  private:
    gpu::Stream stream_;
    bool dry_;

    void launch(const Pass<T>& pass, const Axis& axis, Load load, Store store, bool gram);
    void run_sum(Pass<T>& pass, const Axis& axis, Load load, bool gram);
};

}  // namespace mriops::cuda
