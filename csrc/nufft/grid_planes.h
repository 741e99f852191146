// The oversampled spectrum of a block of coils, line by line: a line is a row of cells in 2D, a plane of cells in 3D.
//
// Held as `spectrum`: the outermost axis transformed and oversampled, the others as pixels, [frequency][y][coil][tile]
// in tiles of lanes along x. `produce` makes lines of cells of it, `absorb` is the reverse.
#pragma once
#include "../core/scratch.h"
#include "cells.h"
#include "grid_rows.h"
#include "nufft.h"

namespace mriops {
namespace {

template <class T>
struct GridPlanes {
    static constexpr int L = Lanes<T>::width;
    int ndim, width;
    GridAxis<T> outer, y, x;  // y: 3D only
    int64_t coils, stored;    // of the block
    int64_t tiles, rows;      // rows of pixels in a plane, 1 in 2D
    int64_t pitch;            // of a frequency of the outer axis, in Cx
    bool streams;             // the spectrum is too large for the caches and written round them
    bool compact;             // working memory is to be as small as it can be
    CellPlaces cells;         // of a row
    int64_t row_step;         // of a row of cells
    int64_t line_reals;
    RowPass<T> row;

    GridPlanes(const NufftProblem& p, int64_t coils)
        : ndim(p.ndim),
          width(p.width),
          outer(ndim == 3 ? p.nz : p.ny, ndim == 3 ? p.gz : p.gy, p.width),
          y(p.ny, p.gy, p.width),
          x(p.nx, p.gx, p.width),
          coils(coils),
          stored(stored_coils(coils)),
          tiles((p.nx + L - 1) / L),
          rows(ndim == 3 ? p.ny : 1),
          // One more than needed: strides of a power of two would fall into the same few sets of the caches.
          pitch(rows * coils * tiles + 1),
          streams(kStreams<T> && spectrum_size() * int64_t(sizeof(Cx<T>)) >= 8 << 20),
          compact(p.coils_at_once > 0),
          cells(cell_places<T>(stored, p.gx + width)),
          row_step(odd_lines(cells.size + 64 / int64_t(sizeof(T)))),
          line_reals(ndim == 3 ? (p.gy + width) * row_step : row_step),
          row(x, p.width, stored, tiles, cells) {}

    int64_t spectrum_size() const { return outer.grid * pitch; }
    // Lines that `produce` and `absorb` work on together.
    int64_t lines_at_once() const { return ndim == 3 ? 1 : row.most_rows(); }

    // Lines first .. first + lines_at_once of cells; to[i] null: not wanted.
    void produce(const Cx<T>* spectrum, int64_t first, T* const* to) const {
        const Buffers b = buffers();
        if (ndim == 3) return produce_plane(spectrum + outer.frequency_of_cell(first) * pitch, to[0], b);
        for_each_group([&](const CoilGroup& group, int r0) {
            const int Q = group.count;
            const Cx<T>* from[L];
            T* rows_of[L];
            for (int r = 0; r < row.rows_at_once(group); ++r) {
                rows_of[r] = to[r0 + r] ? to[r0 + r] : b.spare_row;
                const Cx<T>* lines = spectrum + outer.frequency_of_cell(first + r0 + r) * pitch;
                for (int q = 0; q < Q; ++q)
                    from[r * Q + q] =
                        to[r0 + r] && group.first + q < coils ? lines + (group.first + q) * tiles : b.zeros;
            }
            row.forward(group, from, rows_of, 0, b.line, b.work);
        });
    }
    // Lines to spectrum; from[i] null: leave that frequency alone. Lines are changed.
    void absorb(T* const* from, int64_t first, Cx<T>* spectrum) const {
        const Buffers b = buffers();
        if (ndim == 3) return absorb_plane(from[0], spectrum + outer.frequency_of_cell(first) * pitch, b);
        for_each_group([&](const CoilGroup& group, int r0) {
            const int Q = group.count;
            Cx<T>* to[L];
            T* rows_of[L];
            for (int r = 0; r < row.rows_at_once(group); ++r) {
                rows_of[r] = from[r0 + r] ? from[r0 + r] : b.spare_row;
                Cx<T>* lines = spectrum + outer.frequency_of_cell(first + r0 + r) * pitch;
                for (int q = 0; q < Q; ++q)
                    to[r * Q + q] =
                        from[r0 + r] && group.first + q < coils ? lines + (group.first + q) * tiles : b.unwanted;
            }
            row.inverse(group, rows_of, to, 0, streams, b.line, b.work);
        });
        if (streams) end_streaming();
    }

  private:
    // Rows an odd number of lines of memory apart do not share sets of the caches.
    static int64_t odd_lines(int64_t reals) {
        constexpr int64_t line = 64 / int64_t(sizeof(T));
        return reals + (reals / line % 2 ? 0 : line);
    }
    // f(group, first of its rows) until all lines that are worked on together are done.
    template <class F>
    void for_each_group(const F& f) const {
        for (const CoilGroup& group : row.groups)
            for (int r0 = 0; r0 < row.most_rows(); r0 += row.rows_at_once(group)) f(group, r0);
    }

    struct Buffers {
        Cx<T>*line, *zeros, *unwanted, *work, *plane;
        T* spare_row;
    };
    Buffers buffers() const {
        Buffers b;
        const int64_t length = std::max(x.grid, ndim == 3 ? kGroup * column_pitch() : 0),
                      spare = (row_step * int64_t(sizeof(T))) / int64_t(sizeof(Cx<T>)) + 2;
        b.line = scratch<Cx<T>>(Scratch::rows, size_t(length + 2 * tiles + spare));
        b.zeros = b.line + length;
        b.unwanted = b.zeros + tiles;
        b.spare_row = reinterpret_cast<T*>(b.unwanted + tiles);
        std::fill_n(b.zeros, tiles, Cx<T>{});
        std::fill_n(b.unwanted + tiles, spare, Cx<T>{});
        b.work = scratch<Cx<T>>(Scratch::work, size_t(std::max(x.plan->work_rows(), y.plan->work_rows())));
        b.plane = ndim == 3 ? scratch<Cx<T>>(Scratch::accumulator, size_t(y.grid * plane_pitch()), compact) : nullptr;
        return b;
    }

    // Neighbouring columns of a plane that are read and written together. The next ones are asked for meanwhile.
    static constexpr int64_t kGroup = 64 / L;
    // A little more than needed, see `pitch`.
    int64_t column_pitch() const { return y.grid + 3; }
    int64_t plane_pitch() const { return coils * tiles + 1; }

    // Lanes of rows ky .. of a plane; rows past the last one are not there.
    template <class Line>
    void lanes_of(const CoilGroup& group, Line* plane, Line* missing, T* rows_of_cells, T* spare_row, int64_t ky,
                  Line** line, T** row_of) const {
        const int Q = group.count;
        for (int r = 0; r < row.rows_at_once(group); ++r) {
            const bool there = ky + r < y.grid;
            row_of[r] = there ? rows_of_cells + y.cell_of_frequency(ky + r) * row_step : spare_row;
            for (int q = 0; q < Q; ++q)
                line[r * Q + q] = there && group.first + q < coils
                                      ? plane + (ky + r) * plane_pitch() + (group.first + q) * tiles
                                      : missing;
        }
    }

    void produce_plane(const Cx<T>* spectrum, T* rows_of_cells, const Buffers& b) const {
        const int64_t lines = coils * tiles;
        for (int64_t i0 = 0; i0 < lines; i0 += kGroup) {
            const int64_t count = std::min(kGroup, lines - i0);
            for (int64_t r = 0; r < y.n; ++r)
                for (int64_t i = 0; i < count; ++i)
                    b.line[i * column_pitch() + y.index_of_pixel(r)] = spectrum[r * lines + i0 + i];
            for (int64_t i = 0; i < count; ++i) {
                Cx<T>* const column = b.line + i * column_pitch();
                std::fill(column + y.gap_begin(), column + y.gap_end(), Cx<T>{});
                Cx<T>* const to = b.plane + i0 + i;
                const int64_t step = plane_pitch();
                const int* const at = y.plan->frequency.data();
                forward_columns_into(*y.plan, column, b.work, [=](int64_t k, Cx<T> v) MRIOPS_LAMBDA_INLINE {
                    prefetch_row_to_write<T>(to + at[k] * step + kGroup);
                    to[at[k] * step] = v;
                });
            }
        }
        for (const CoilGroup& group : row.groups)
            for (int64_t ky = 0; ky < y.grid; ky += row.rows_at_once(group)) {
                Cx<T>* from[L];
                T* to[L];
                lanes_of(group, b.plane, b.zeros, rows_of_cells, b.spare_row, ky, from, to);
                row.forward(group, from, to, row.rows_at_once(group) * row_step, b.line, b.work);
            }
        std::memcpy(rows_of_cells + y.grid * row_step, rows_of_cells, size_t(width * row_step) * sizeof(T));
    }

    void absorb_plane(T* rows_of_cells, Cx<T>* spectrum, const Buffers& b) const {
        const int64_t lines = coils * tiles;
        for (int64_t i = 0; i < width * row_step; ++i) rows_of_cells[i] += rows_of_cells[y.grid * row_step + i];
        for (const CoilGroup& group : row.groups)
            for (int64_t ky = 0; ky < y.grid; ky += row.rows_at_once(group)) {
                Cx<T>* to[L];
                T* from[L];
                lanes_of(group, b.plane, b.unwanted, rows_of_cells, b.spare_row, ky, to, from);
                row.inverse(group, from, to, row.rows_at_once(group) * row_step, false, b.line, b.work);
            }
        for (int64_t i0 = 0; i0 < lines; i0 += kGroup) {
            const int64_t count = std::min(kGroup, lines - i0);
            for (int64_t i = 0; i < count; ++i) {
                const Cx<T>* const from = b.plane + i0 + i;
                const int64_t step = plane_pitch();
                const int* const at = y.plan->frequency.data();
                inverse_columns_from(*y.plan, b.line + i * column_pitch(), b.work,
                                     [=](int64_t k) MRIOPS_LAMBDA_INLINE { return from[at[k] * step]; });
            }
            for (int64_t r = 0; r < y.n; ++r) {
                Cx<T>* const to = spectrum + r * lines + i0;
                const Cx<T>* const from = b.line + y.index_of_pixel(r);
                if (!streams)
                    for (int64_t i = 0; i < count; ++i) prefetch_row_to_write<T>(to + i + kGroup);
                for (int64_t i = 0; i < count; ++i) {
                    if (streams)
                        stream_lanes(to + i, from[i * column_pitch()]);
                    else
                        to[i] = from[i * column_pitch()];
                }
            }
        }
        if (streams) end_streaming();
    }
};

}  // namespace
}  // namespace mriops
