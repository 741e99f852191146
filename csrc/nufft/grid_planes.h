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
          row_step((p.gx + width) * stored * 2 + 64 / int(sizeof(T))),
          line_reals(ndim == 3 ? (p.gy + width) * row_step : row_step),
          // Whole lines of memory are written where eight coils share a row.
          row(x, p.width, stored * 2, tiles, int(std::min<int64_t>({stored % 8 ? 4 : 8, L, stored}))) {}

    int64_t spectrum_size() const { return outer.grid * pitch; }
    // Lines that `produce` and `absorb` work on together.
    int lines_at_once() const { return ndim == 3 ? 1 : row.rows_at_once(); }

    // Lines first .. first + lines_at_once of cells; to[i] null: not wanted.
    void produce(const Cx<T>* spectrum, int64_t first, T* const* to) const {
        const Buffers b = buffers();
        if (ndim == 3) return produce_plane(spectrum + outer.frequency_of_cell(first) * pitch, to[0], b);
        const int Q = row.coils_at_once;
        for (int64_t c0 = 0; c0 < stored; c0 += Q) {
            const Cx<T>* from[L];
            T* cells[L];
            for (int r = 0; r < row.rows_at_once(); ++r) {
                cells[r] = to[r] ? to[r] + 2 * c0 : b.spare_row;
                const Cx<T>* lines = spectrum + outer.frequency_of_cell(first + r) * pitch;
                for (int q = 0; q < Q; ++q)
                    from[r * Q + q] = to[r] && c0 + q < coils ? lines + (c0 + q) * tiles : b.zeros;
            }
            row.forward(from, cells, b.line, b.work);
        }
    }
    // Lines to spectrum; from[i] null: leave that frequency alone. Lines are changed.
    void absorb(T* const* from, int64_t first, Cx<T>* spectrum) const {
        const Buffers b = buffers();
        if (ndim == 3) return absorb_plane(from[0], spectrum + outer.frequency_of_cell(first) * pitch, b);
        const int Q = row.coils_at_once;
        for (int64_t c0 = 0; c0 < stored; c0 += Q) {
            Cx<T>* to[L];
            T* cells[L];
            for (int r = 0; r < row.rows_at_once(); ++r) {
                cells[r] = from[r] ? from[r] + 2 * c0 : b.spare_row;
                Cx<T>* lines = spectrum + outer.frequency_of_cell(first + r) * pitch;
                for (int q = 0; q < Q; ++q)
                    to[r * Q + q] = from[r] && c0 + q < coils ? lines + (c0 + q) * tiles : b.unwanted;
            }
            row.inverse(cells, to, b.line, b.work);
        }
    }

  private:
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
        b.plane = ndim == 3 ? scratch<Cx<T>>(Scratch::accumulator, size_t(y.grid * plane_pitch())) : nullptr;
        return b;
    }

    // Neighbouring columns of a plane that are read and written together.
    static constexpr int64_t kGroup = 64 / L;
    // A little more than needed, see `pitch`.
    int64_t column_pitch() const { return y.grid + 3; }
    int64_t plane_pitch() const { return coils * tiles + 1; }

    // Lanes of rows ky .. of a plane; rows past the last one are not there.
    template <class Line>
    void lanes_of(Line* plane, Line* missing, T* cells, T* spare_row, int64_t ky, int64_t c0, Line** line,
                  T** row_of) const {
        const int Q = row.coils_at_once;
        for (int r = 0; r < row.rows_at_once(); ++r) {
            const bool there = ky + r < y.grid;
            row_of[r] = there ? cells + y.cell_of_frequency(ky + r) * row_step + 2 * c0 : spare_row;
            for (int q = 0; q < Q; ++q)
                line[r * Q + q] =
                    there && c0 + q < coils ? plane + (ky + r) * plane_pitch() + (c0 + q) * tiles : missing;
        }
    }

    void produce_plane(const Cx<T>* spectrum, T* cells, const Buffers& b) const {
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
                forward_columns_into(*y.plan, column, b.work,
                                     [=](int64_t k, Cx<T> v) MRIOPS_LAMBDA_INLINE { to[at[k] * step] = v; });
            }
        }
        for (int64_t ky = 0; ky < y.grid; ky += row.rows_at_once())
            for (int64_t c0 = 0; c0 < stored; c0 += row.coils_at_once) {
                Cx<T>* from[L];
                T* to[L];
                lanes_of(b.plane, b.zeros, cells, b.spare_row, ky, c0, from, to);
                row.forward(from, to, b.line, b.work);
            }
        std::memcpy(cells + y.grid * row_step, cells, size_t(width * row_step) * sizeof(T));
    }

    void absorb_plane(T* cells, Cx<T>* spectrum, const Buffers& b) const {
        const int64_t lines = coils * tiles;
        for (int64_t i = 0; i < width * row_step; ++i) cells[i] += cells[y.grid * row_step + i];
        for (int64_t ky = 0; ky < y.grid; ky += row.rows_at_once())
            for (int64_t c0 = 0; c0 < stored; c0 += row.coils_at_once) {
                Cx<T>* to[L];
                T* from[L];
                lanes_of(b.plane, b.unwanted, cells, b.spare_row, ky, c0, to, from);
                row.inverse(from, to, b.line, b.work);
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
            for (int64_t r = 0; r < y.n; ++r)
                for (int64_t i = 0; i < count; ++i)
                    spectrum[r * lines + i0 + i] = b.line[i * column_pitch() + y.index_of_pixel(r)];
        }
    }
};

}  // namespace
}  // namespace mriops
