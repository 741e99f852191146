// Sums of a tile of the grid that very many samples fall into, such as the one that all spokes cross in the centre.
//
// Rounding errors of a long sum of like numbers grow with its length. So such samples are added to cells of their own,
// some at a time, and those to the grid.
#pragma once
#include <algorithm>
#include <vector>

#include "../core/scratch.h"
#include "grid_planes.h"
#include "taps.h"

namespace mriops {
namespace {

// The first cells of a tile; in 2D `outer` is y.
struct TileOrigin {
    int64_t outer, y, x;
    bool operator==(const TileOrigin& o) const { return outer == o.outer && y == o.y && x == o.x; }
};

template <class T>
class DenseTile {
  public:
    static constexpr int64_t kSamples = 128;  // added before the cells go to the grid

    explicit DenseTile(const GridPlanes<T>& grid)
        : grid_(grid), side_(kTileCells + grid.width - 1), rows_(grid.ndim == 3 ? side_ : 1) {}

    void begin(const TileOrigin& tile, const Ring<T>& ring) {
        if (lines_.empty()) {
            T* const memory = scratch<T>(Scratch::lines, size_t(side_ * rows_ * grid_.row_step));
            for (int64_t i = 0; i < side_; ++i) lines_.push_back(memory + i * rows_ * grid_.row_step);
        }
        tile_ = tile;
        first_ = std::min(std::max<int64_t>(tile.outer - ring.first, 0), ring.span - kTileCells);
        for_each_row(
            [](T* row, int64_t, int64_t, int64_t begin, int64_t end) { std::fill(row + begin, row + end, T(0)); });
    }
    // Makes a block add to these cells instead of the ring's. Samples that are elsewhere, in a plan that is wrong, are
    // moved into the tile's rows.
    void redirect(Block<T>& block) const {
        block.lines = lines_.data();
        for (int s = 0; s < block.count; ++s) {
            block.row[s] = std::min(std::max<int64_t>(block.row[s] - first_, 0), kTileCells - 1);
            if (rows_ == 1) continue;
            const int64_t y = block.offset[s] / grid_.row_step,
                          here = std::min(std::max<int64_t>(y - tile_.y, 0), kTileCells - 1);
            block.offset[s] -= (y - here) * grid_.row_step;
        }
    }
    // To the lines of a ring, `apart` behind those given; the cells are zero again.
    void flush(T* const* lines, std::ptrdiff_t apart) {
        for_each_row([&](T* row, int64_t i, int64_t r, int64_t begin, int64_t end) {
            T* const to = lines[first_ + i] + apart + (rows_ == 1 ? 0 : (tile_.y + r) * grid_.row_step);
            for (int64_t k = begin; k < end; ++k) {
                to[k] += row[k];
                row[k] = 0;
            }
        });
    }

  private:
    // f(row, line, row of the line, first number, last number) for whole vectors and rests of each row of the tile.
    template <class F>
    void for_each_row(const F& f) {
        const CellPlaces& cells = grid_.cells;
        const int64_t all = grid_.x.grid + grid_.width + cells.spare(),
                      end = std::min(tile_.x + side_ + cells.spare(), all),
                      rows = rows_ == 1 ? 1 : std::min(rows_, grid_.y.grid + grid_.width - tile_.y);
        for (int64_t i = 0; i < side_; ++i)
            for (int64_t r = 0; r < rows; ++r) {
                T* const row = lines_[size_t(i)] + r * grid_.row_step;
                f(row, i, r, tile_.x * cells.whole, end * cells.whole);
                f(row, i, r, cells.rests + tile_.x * cells.rest, cells.rests + end * cells.rest);
            }
    }

    const GridPlanes<T>& grid_;
    int64_t side_, rows_;  // cells that samples of a tile reach; rows of a line
    int64_t first_ = 0;    // the tile's first line, of the ring's
    TileOrigin tile_{};
    std::vector<T*> lines_;
};

}  // namespace
}  // namespace mriops
