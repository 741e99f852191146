// The SENSE family as sequences of passes.
//
// Axes are taken z, y, x on the way to k-space and x, y, z on the way back, so that the passes that touch coil maps
// read neighbouring columns. A gram transforms only along axes on which the mask varies: along the others the transform
// and its inverse cancel. With one such axis it is a single kernel. Otherwise what lies between the passes goes through
// the workspace, in parts that the L2 cache holds.
#pragma once
#include <algorithm>
#include <vector>

#include "runner.cuh"
#include "sense.h"

namespace mriops::cuda {

// Between passes; small enough for the L2 cache of an A100 (40 MB) or H100 (50 MB).
constexpr int64_t kChunkBytes = int64_t(32) << (gpu::kEmulated ? 10 : 20);  // small tests meet every kind of chunk

// A part of the problem: some slices, some coils.
struct Chunk {
    int64_t first_batch, batch, first_coil, coils;
};

template <class T>
struct Arrays {
    const Complex<T>*image = nullptr, *csm = nullptr, *kspace = nullptr;
    const void* mask = nullptr;
    Complex<T>* out = nullptr;
};

template <class T>
class Sense {
  public:
    Sense(const SenseProblem& problem, const Arrays<T>& arrays, void* workspace, void* stream, bool dry)
        : p(problem),
          a(arrays),
          run(problem.nz, problem.ny, problem.nx, workspace, stream, dry),
          volume(run.volume()) {}

    std::size_t workspace_bytes() const { return run.workspace.peak(); }

    void forward() {
        std::vector<Axis> axes = run.axes(all_axes());
        run.prepare(axes);
        const bool fused = is_fused(axes);
        for (const Chunk& c : chunks()) {
            Complex<T>* const kspace = a.out + (c.first_batch * p.coils + c.first_coil) * volume;
            const Strides layout{p.coils * volume, volume};
            if (!fused) expand_into(kspace, layout, c);
            for (std::size_t i = 0; i < axes.size(); ++i) {
                if (!fused) {
                    transform(kspace, axes[i], c, false);
                    continue;
                }
                Pass<T> pass = coil_pass(axes[i], c, false);
                pass.out = kspace;
                pass.out_stride = layout;
                if (i == 0) {
                    read_maps(pass, c);
                } else {
                    pass.data = kspace;
                    pass.data_stride = layout;
                }
                if (i + 1 == axes.size()) pass.weigh_store = p.mask_kind != MaskKind::none;
                run.run(pass, axes[i], i == 0 ? Load::maps : Load::data, Store::plain);
            }
            if (!fused && p.mask_kind != MaskKind::none) weigh(kspace, kspace, layout, layout, c);
        }
    }

    void adjoint() {
        from_kspace(chunks(), [&](const Chunk& c, const Source& source, const Axis* axis) {
            if (axis == nullptr) return combine(source, c);
            Pass<T> pass = image_pass(*axis, c);
            read(pass, source, Strides{source.stride.u, 0, source.stride.v, 0}, Strides{p.mask_sb, 0, 0, 0});
            run.run(pass, *axis, Load::data, Store::sum);
        });
    }

    void csm_adjoint() {
        from_kspace(group_chunks(), [&](const Chunk& c, const Source& source, const Axis* axis) {
            if (axis == nullptr) return combine_groups(source, c);
            const int64_t steps = std::min(c.batch, p.batch_per_csm), groups = c.batch / steps;
            Pass<T> pass = run.pass(*axis, groups * c.coils, true);
            fill_group_sum(pass, c, steps);
            add_mask(pass, *axis, c);
            read(pass, source, Strides{steps * source.stride.u, source.stride.v, source.stride.u, 0},
                 Strides{steps * p.mask_sb, 0, p.mask_sb, 0});
            run.run(pass, *axis, Load::data, Store::sum);
        });
    }

    void gram() {
        int bits = 0;
        if (p.mask_kind != MaskKind::none)
            bits = (p.mask_sx != 0 ? 1 : 0) | (p.mask_sy != 0 ? 2 : 0) | (p.mask_sz != 0 ? 4 : 0);
        bits &= all_axes();
        std::vector<Axis> axes = run.axes(bits);
        if (axes.front().n == 1) return pixel_gram();
        run.prepare(axes);
        const bool fused = is_fused(axes);
        if (fused && axes.size() == 1 && axes[0].route == Route::direct) return gram_of_one_axis(axes[0]);
        const std::vector<Chunk> parts = chunks();
        Complex<T>* const between = run.workspace.template take<T>(parts[0].batch * parts[0].coils * volume);
        for (const Chunk& c : parts) {
            const Strides layout{c.coils * volume, volume};
            const Source source{between, layout, false};
            if (!fused) {
                unfused_gram(between, layout, axes, c);
                combine(source, c);
                continue;
            }
            gram_to_last_axis(between, layout, axes, c);
            for (std::size_t i = axes.size() - 1; i-- > 1;) transform(between, axes[i], c, true);
            Pass<T> pass = image_pass(axes[0], c);
            read(pass, Source{between, layout, axes.size() == 1}, Strides{layout.u, 0, layout.v, 0},
                 Strides{p.mask_sb, 0, 0, 0});
            run.run(pass, axes[0], Load::data, Store::sum);
        }
    }

    void expand() { expand_into(a.out, {p.coils * volume, volume}, whole()); }
    void combine() { combine({a.kspace, {p.coils * volume, volume}, false}, whole()); }

  private:
    // What a sum over coils or slices reads: k-space, or what earlier passes made of it.
    struct Source {
        const Complex<T>* data;
        Strides stride;  // u: slice, v: coil
        bool weighted;   // still to be multiplied by the weights
    };

    int all_axes() const { return p.ndim == 3 ? 7 : 3; }
    Chunk whole() const { return {0, p.batch, 0, p.coils}; }
    static bool is_fused(const std::vector<Axis>& axes) {
        return std::none_of(axes.begin(), axes.end(), [](const Axis& axis) { return axis.route == Route::global; });
    }
    int64_t volumes_at_once() const {
        return std::max<int64_t>(1, kChunkBytes / (volume * int64_t(sizeof(Complex<T>))));
    }

    std::vector<Chunk> chunks() const {
        const int64_t limit = volumes_at_once();
        return split(std::max<int64_t>(1, limit / p.coils), std::min(limit, p.coils));
    }
    // Whole groups of slices that share maps, or parts of one group.
    std::vector<Chunk> group_chunks() const {
        const int64_t limit = volumes_at_once(), group = p.batch_per_csm;
        if (group * p.coils <= limit) return split(limit / (group * p.coils) * group, p.coils);
        if (group <= limit) return split(group, limit / group);
        std::vector<Chunk> list;
        for (int64_t g = 0; g < p.batch; g += group)
            for (int64_t c = 0; c < p.coils; ++c)
                for (int64_t b = g; b < g + group; b += limit) append(list, {b, std::min(limit, g + group - b), c, 1});
        return list;
    }
    // The first chunk is the largest.
    std::vector<Chunk> split(int64_t batch, int64_t coils) const {
        std::vector<Chunk> list;
        for (int64_t b = 0; b < p.batch; b += batch)
            for (int64_t c = 0; c < p.coils; c += coils)
                append(list, {b, std::min(batch, p.batch - b), c, std::min(coils, p.coils - c)});
        return list;
    }
    // To find the size of a workspace, one chunk of each size will do.
    void append(std::vector<Chunk>& list, const Chunk& chunk) const {
        const auto alike = [&](const Chunk& c) { return c.batch == chunk.batch && c.coils == chunk.coils; };
        if (run.is_dry() && std::any_of(list.begin(), list.end(), alike)) return;
        list.push_back(chunk);
    }

    const void* mask_from(int64_t batch) const {
        const int64_t item = p.mask_kind == MaskKind::bytes ? 1 : int64_t(sizeof(T));
        return static_cast<const char*>(a.mask) + batch * p.mask_sb * item;
    }
    void add_mask(Pass<T>& pass, const Axis& axis, const Chunk& c) const {
        pass.mask_kind = p.mask_kind;
        if (p.mask_kind == MaskKind::none) return;
        pass.mask = mask_from(c.first_batch);
        pass.mask_z = p.mask_sz;
        pass.mask_y = p.mask_sy;
        pass.mask_x = p.mask_sx;
        pass.mask_axis = axis.index == 0 ? p.mask_sx : axis.index == 1 ? p.mask_sy : p.mask_sz;
        pass.mask_stride.u = p.mask_sb;
    }

    // Every slice and coil by itself.
    Pass<T> coil_pass(const Axis& axis, const Chunk& c, bool backward) const {
        Pass<T> pass = run.pass(axis, c.batch * c.coils, backward);
        pass.inner_items = c.coils;
        add_mask(pass, axis, c);
        return pass;
    }
    // Slices, with a sum over coils.
    Pass<T> image_pass(const Axis& axis, const Chunk& c) const {
        Pass<T> pass = run.pass(axis, c.batch, true);
        add_mask(pass, axis, c);
        fill_coil_sum(pass, c);
        return pass;
    }
    template <class AnyPass>
    void fill_coil_sum(AnyPass& pass, const Chunk& c) const {
        pass.coef = a.csm + c.first_coil * volume;
        pass.coef_stride = {p.maps * p.coils * volume, 0, volume, p.coils * volume};
        pass.coef_share = p.batch_per_csm;
        pass.coef_first = c.first_batch;
        pass.out = a.out + c.first_batch * p.maps * volume;
        pass.out_stride = {p.maps * volume, 0, 0, volume};
        pass.maps = static_cast<int>(p.maps);
        pass.steps = c.coils;
        pass.add_to_out = c.first_coil > 0;
    }
    // Groups of slices and coils, with a sum over the slices of a group.
    template <class AnyPass>
    void fill_group_sum(AnyPass& pass, const Chunk& c, int64_t steps) const {
        pass.inner_items = c.coils;
        pass.coef = a.image + c.first_batch * p.maps * volume;
        pass.coef_stride = {steps * p.maps * volume, 0, p.maps * volume, volume};
        pass.out = a.out + (c.first_batch / p.batch_per_csm * p.maps * p.coils + c.first_coil) * volume;
        pass.out_stride = {p.maps * p.coils * volume, volume, 0, p.coils * volume};
        pass.maps = static_cast<int>(p.maps);
        pass.steps = steps;
        pass.add_to_out = c.first_batch % p.batch_per_csm != 0;
    }
    template <class AnyPass>
    void read_maps(AnyPass& pass, const Chunk& c) const {
        pass.coef = a.csm + c.first_coil * volume;
        pass.coef_stride = {p.maps * p.coils * volume, volume, 0, p.coils * volume};
        pass.coef_share = p.batch_per_csm;
        pass.coef_first = c.first_batch;
        pass.image = a.image + c.first_batch * p.maps * volume;
        pass.image_stride = {p.maps * volume, 0, 0, volume};
        pass.maps = static_cast<int>(p.maps);
    }
    void read(Pass<T>& pass, const Source& source, Strides stride, Strides mask_stride) const {
        pass.data = source.data;
        pass.data_stride = stride;
        pass.mask_stride = mask_stride;
        pass.weigh_load = source.weighted && p.mask_kind != MaskKind::none;
    }

    // All axes but the last back from k-space, chunk by chunk; `finish` does the last one with its sum, or, given no
    // axis, only the sum.
    template <class Finish>
    void from_kspace(const std::vector<Chunk>& parts, Finish&& finish) {
        std::vector<Axis> axes = run.axes(all_axes());
        std::reverse(axes.begin(), axes.end());
        run.prepare(axes);
        const bool fused = is_fused(axes);
        const bool direct = fused && axes.size() == 1;
        Complex<T>* between = nullptr;
        if (!direct) {
            int64_t most = 0;
            for (const Chunk& c : parts) most = std::max(most, c.batch * c.coils);
            between = run.workspace.template take<T>(most * volume);
        }
        for (const Chunk& c : parts) {
            const Complex<T>* const kspace = a.kspace + (c.first_batch * p.coils + c.first_coil) * volume;
            const Strides layout{c.coils * volume, volume}, outer{p.coils * volume, volume};
            if (direct) {
                finish(c, Source{kspace, outer, true}, &axes[0]);
                continue;
            }
            if (!fused) {
                weigh(kspace, between, outer, layout, c);
                for (const Axis& axis : axes) transform(between, axis, c, true);
                finish(c, Source{between, layout, false}, nullptr);
                continue;
            }
            Pass<T> pass = coil_pass(axes[0], c, true);
            read(pass, Source{kspace, outer, true}, outer, pass.mask_stride);
            pass.out = between;
            pass.out_stride = layout;
            run.run(pass, axes[0], Load::data, Store::plain);
            for (std::size_t i = 1; i + 1 < axes.size(); ++i) transform(between, axes[i], c, true);
            finish(c, Source{between, layout, false}, &axes.back());
        }
    }

    void gram_of_one_axis(const Axis& axis) {
        const Chunk c = whole();
        Pass<T> pass = image_pass(axis, c);
        pass.image = a.image;
        pass.image_stride = {p.maps * volume, 0, 0, volume};
        run.run_gram(pass, axis, Load::maps, Store::sum);
    }

    // Coil images through all axes, weights squared, and back through the last axis. For a single Bluestein axis, only
    // through it, weights once: the sum that follows reads them with the weights again.
    void gram_to_last_axis(Complex<T>* between, const Strides& layout, const std::vector<Axis>& axes, const Chunk& c) {
        const std::size_t last = axes.size() - 1;
        for (std::size_t i = 0; i <= last; ++i) {
            Pass<T> pass = coil_pass(axes[i], c, false);
            pass.out = between;
            pass.out_stride = layout;
            pass.data = between;
            pass.data_stride = layout;
            if (i == 0) read_maps(pass, c);
            if (i == last && i > 0 && axes[i].route == Route::direct) {
                run.run_gram(pass, axes[i], Load::data, Store::plain);
                return;
            }
            pass.weigh_store = i == last;
            run.run(pass, axes[i], i == 0 ? Load::maps : Load::data, Store::plain);
        }
        if (last == 0) return;
        Pass<T> back = coil_pass(axes[last], c, true);
        back.out = between;
        back.out_stride = layout;
        read(back, Source{between, layout, true}, layout, back.mask_stride);
        run.run(back, axes[last], Load::data, Store::plain);
    }

    void unfused_gram(Complex<T>* between, const Strides& layout, const std::vector<Axis>& axes, const Chunk& c) {
        expand_into(between, layout, c);
        for (const Axis& axis : axes) transform(between, axis, c, false);
        weigh(between, between, layout, layout, c);
        weigh(between, between, layout, layout, c);
        for (const Axis& axis : axes) transform(between, axis, c, true);
    }

    void pixel_gram() {
        PixelPass<T> pass = run.pixel_pass(p.batch, 1);
        fill_coil_sum(pass, whole());
        pass.image = a.image;
        pass.image_stride = {p.maps * volume, 0, 0, volume};
        pass.mask = a.mask;
        pass.mask_kind = p.mask_kind;
        pass.mask_u = p.mask_sb;
        run.pixel_gram(pass);
    }

    // In place, by any route. Chunks of some coils of several slices never occur, so that the volumes follow each
    // other.
    void transform(Complex<T>* data, const Axis& axis, const Chunk& c, bool backward) {
        run.transform(data, data, axis, c.batch * c.coils, backward);
    }
    void expand_into(Complex<T>* coil_images, const Strides& layout, const Chunk& c) {
        PixelPass<T> pass = run.pixel_pass(c.batch * c.coils, c.coils);
        read_maps(pass, c);
        pass.out = coil_images;
        pass.out_stride = layout;
        run.expand(pass);
    }
    void weigh(const Complex<T>* from, Complex<T>* to, const Strides& from_layout, const Strides& to_layout,
               const Chunk& c) {
        PixelPass<T> pass = run.pixel_pass(c.batch * c.coils, c.coils);
        pass.data = from;
        pass.data_stride = from_layout;
        pass.out = to;
        pass.out_stride = to_layout;
        pass.mask_kind = p.mask_kind;
        if (p.mask_kind != MaskKind::none) {
            pass.mask = mask_from(c.first_batch);
            pass.mask_u = p.mask_sb;
            pass.mask_z = p.mask_sz;
            pass.mask_y = p.mask_sy;
            pass.mask_x = p.mask_sx;
        }
        run.weigh(pass);
    }
    void combine(const Source& source, const Chunk& c) {
        PixelPass<T> pass = run.pixel_pass(c.batch, 1);
        fill_coil_sum(pass, c);
        pass.data = source.data;
        pass.data_stride = {source.stride.u, 0, source.stride.v, 0};
        run.combine(pass);
    }
    void combine_groups(const Source& source, const Chunk& c) {
        const int64_t steps = std::min(c.batch, p.batch_per_csm), groups = c.batch / steps;
        PixelPass<T> pass = run.pixel_pass(groups * c.coils, c.coils);
        fill_group_sum(pass, c, steps);
        pass.data = source.data;
        pass.data_stride = {steps * source.stride.u, source.stride.v, source.stride.u, 0};
        run.combine(pass);
    }

    const SenseProblem& p;
    const Arrays<T>& a;
    Runner<T> run;
    int64_t volume;
};

}  // namespace mriops::cuda
