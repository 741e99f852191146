// Walks over the samples in sorted order, strip by strip of the outermost grid axis, with only the grid lines of one
// strip in memory: transformed just before they are read, and back as soon as nothing more is added to them.
//
// The grid is cut into chunks of about equal work, which threads take. Lines that two chunks add to are joined at the
// seams (seams.h): there the cuts depend on the problem alone, so that results do not depend on the number of threads.
#pragma once
#include <vector>

#include "../core/parallel.h"
#include "dense_tile.h"
#include "grid_planes.h"
#include "seams.h"
#include "taps.h"

namespace mriops {
namespace {

struct Chunk {
    int64_t cells_begin, cells_end;  // of leftmost taps
    int64_t seam, next_seam;         // where it begins and ends
    bool last;
};

template <class T>
class Strips {
  public:
    Strips(const NufftProblem& p, const Taps<T>& taps, const GridPlanes<T>& grid, const T* points)
        : grid_(grid),
          taps_(taps),
          points_(points),
          samples_(p.samples),
          span_(p.ndim == 3 ? kTileCells : 2 * kTileCells),
          capacity_(span_ + p.width + grid.lines_at_once()) {
        const int64_t tiles = grid.outer.grid / kTileCells + 1;
        for (int64_t i = 0; i < tiles; ++i)
            start_.push_back(first_where(start_.empty() ? 0 : start_.back(), samples_, [&](int64_t s) {
                return taps_.cell(points_, s, taps_.outer()) >= i * kTileCells;
            }));
        start_.push_back(samples_);
        // Many batch items keep the threads busy as they are, and little work is not worth cutting.
        const bool whole = p.batch >= 16 || samples_ * grid_.stored < 32768;
        most_ = whole ? 1 : grid.ndim == 3 ? 4 : 8;
        summed_ = cut(most_);
    }
    // Memory that `spread` and `gram` need for the seams between chunks.
    int64_t seams_size() const { return Seams<T>::size(int64_t(summed_.size()), grid_.width, grid_.line_reals); }
    void set_seams(T* memory) { seams_ = memory; }

    // visit(block) for every block of samples, with lines of cells in place.
    template <class Visit>
    void interpolate(const Cx<T>* spectrum, bool slopes, int threads, const Visit& visit) const {
        // Lines that two chunks read are made twice.
        const std::vector<Chunk> chunks = cut(threads == 1 || most_ == 1 ? 1 : std::max<int64_t>(most_, 2 * threads));
        parallel_for(int64_t(chunks.size()), threads, [&](int64_t j, int) {
            const Chunk& chunk = chunks[size_t(j)];
            Walk walk(*this, 1);
            int64_t produced = chunk.cells_begin;
            for_each_strip(chunk, [&](int64_t base, int64_t from, int64_t to) {
                if (from == to) return;
                make_lines(spectrum, chunk, base, produced, walk.ring[0]);
                const Ring<T> ring = ring_at(walk, 0, base);
                for_each_block(walk, ring, from, to, slopes, visit);
            });
        });
    }

    // visit(block) adds to the lines, which go to the spectrum.
    template <class Visit>
    void spread(Cx<T>* spectrum, int threads, const Visit& visit) const {
        Seams<T> seams(int64_t(summed_.size()), grid_.width, grid_.line_reals, seams_);
        parallel_for(int64_t(summed_.size()), threads, [&](int64_t j, int) {
            const Chunk& chunk = summed_[size_t(j)];
            Walk walk(*this, 1);
            int64_t absorbed = chunk.cells_begin, opened = absorbed;
            for_each_strip(chunk, [&](int64_t base, int64_t from, int64_t to) {
                open_lines(chunk, base, opened, walk.ring[0]);
                for_each_sum(walk, ring_at(walk, 0, base), 0, from, to, [&](Block<T>& block, const auto& to_sums) {
                    to_sums(block);
                    visit(block);
                });
                take_lines(spectrum, seams, chunk, base + span_, absorbed, walk.ring[0]);
            });
            finish_chunk(spectrum, seams, chunk, absorbed, walk.ring[0]);
        });
    }

    // Both in one walk: visit(block, to_sums) reads the block's lines, then calls to_sums(block) and adds to them. In
    // place.
    template <class Visit>
    void gram(Cx<T>* spectrum, int threads, const Visit& visit) const {
        Seams<T> seams(int64_t(summed_.size()), grid_.width, grid_.line_reals, seams_);
        parallel_for(int64_t(summed_.size()), threads, [&](int64_t j, int) {
            const Chunk& chunk = summed_[size_t(j)];
            Walk walk(*this, 2);
            int64_t produced = chunk.cells_begin, absorbed = produced, opened = produced;
            for_each_strip(chunk, [&](int64_t base, int64_t from, int64_t to) {
                if (from != to) make_lines(spectrum, chunk, base, produced, walk.ring[0]);
                open_lines(chunk, base, opened, walk.ring[1]);
                const Ring<T> in = ring_at(walk, 0, base);
                const std::ptrdiff_t apart = walk.ring[1] - walk.ring[0];
                for_each_sum(walk, in, apart, from, to, visit);
                take_lines(spectrum, seams, chunk, base + span_, absorbed, walk.ring[1]);
            });
            finish_chunk(spectrum, seams, chunk, absorbed, walk.ring[1]);
        });
    }

  private:
    // Memory of one thread: rings and a block.
    struct Walk {
        T* ring[2];
        Block<T>* block;
        std::vector<T*> lines;
        DenseTile<T> dense;
        Walk(const Strips& s, int rings) : lines(size_t(s.span_ + s.grid_.width)), dense(s.grid_) {
            const int64_t size = s.capacity_ * s.grid_.line_reals;
            ring[0] = scratch<T>(Scratch::image, size_t(rings * size), s.grid_.compact);
            ring[1] = ring[0] + size;
            block = scratch<Block<T>>(Scratch::weights, 1);
        }
    };

    // The first of samples low .. high that is past a line, all before it being so too; `high` if none is.
    template <class Past>
    static int64_t first_where(int64_t low, int64_t high, const Past& past) {
        while (low < high) {
            const int64_t middle = (low + high) / 2;
            if (past(middle))
                high = middle;
            else
                low = middle + 1;
        }
        return low;
    }

    // At most so many chunks of about equal work, each at least as long as a kernel is wide.
    std::vector<Chunk> cut(int64_t most) const {
        const int64_t cells = grid_.outer.grid,
                      least = std::max(span_, (grid_.width + kTileCells - 1) / kTileCells * kTileCells);
        // In units of a tap; the transforms of a cell take as long as so many.
        const double of_cell = grid_.ndim == 3 ? 5 : 10,
                     of_line = of_cell * double(grid_.line_reals) / double(2 * grid_.stored),
                     of_sample = double(taps_.rows() * grid_.width);
        const auto before = [&](int64_t cell) {
            return of_line * double(cell) + of_sample * double(start_[size_t(cell / kTileCells)]);
        };
        const double all = of_line * double(cells) + of_sample * double(samples_);
        std::vector<Chunk> chunks;
        int64_t begin = 0;
        const auto close = [&](int64_t end) {
            const int64_t i = int64_t(chunks.size());
            chunks.push_back({begin, end, i, i + 1, false});
            begin = end;
        };
        for (int64_t i = 1; i < most; ++i) {
            const double wanted = all * double(i) / double(most);
            if (before(begin) >= wanted) continue;  // so much is in a tile before
            int64_t end = begin + least;
            while (end + kTileCells <= cells - least && before(end) + before(end + kTileCells) < 2 * wanted)
                end += kTileCells;
            if (end <= cells - least) close(end);
        }
        close(cells);
        chunks.back().next_seam = 0;
        chunks.back().last = true;
        return chunks;
    }

    // f(first cell, first sample, last sample) for the strips of a chunk.
    template <class F>
    void for_each_strip(const Chunk& chunk, const F& f) const {
        const int64_t tiles = int64_t(start_.size()) - 1;
        // A cell at `grid` itself belongs to the last chunk.
        const int64_t end = chunk.last ? tiles * kTileCells : chunk.cells_end;
        for (int64_t base = chunk.cells_begin; base < end; base += span_)
            f(base, start_[size_t(base / kTileCells)], start_[size_t(std::min(base + span_, end) / kTileCells)]);
    }

    TileOrigin tile_of(int64_t sample) const {
        int64_t first[3] = {0, 0, 0};
        for (int axis = taps_.outer(); axis < 3; ++axis)
            first[axis] = taps_.cell(points_, sample, axis) / kTileCells * kTileCells;
        return {first[taps_.outer()], first[1], first[2]};
    }
    // End of the run of samples from `from` that share a dense tile; `from` if they do not.
    int64_t dense_until(int64_t from, int64_t to) const {
        constexpr int64_t least = 2 * DenseTile<T>::kSamples;
        if (to - from < least) return from;
        const TileOrigin tile = tile_of(from);
        if (!(tile_of(from + least - 1) == tile)) return from;
        return first_where(from + least, to, [&](int64_t s) { return !(tile_of(s) == tile); });
    }
    // visit(block, to_sums) for blocks read from `ring`; to_sums(block) makes it one of what is added to, lines `apart`
    // behind those of the ring.
    template <class Visit>
    void for_each_sum(Walk& walk, const Ring<T>& ring, std::ptrdiff_t apart, int64_t from, int64_t to,
                      const Visit& visit) const {
        const auto behind = [apart](Block<T>& block) {
            for (int s = 0; s < block.count; ++s) block.offset[s] += apart;
        };
        const auto aside = [&](Block<T>& block) { walk.dense.redirect(block); };
        constexpr int64_t some = DenseTile<T>::kSamples;
        while (from < to) {
            const int64_t end = dense_until(from, to);
            if (end == from) {
                const int64_t next = std::min(to, from + some);
                for_each_block(walk, ring, from, next, false, [&](Block<T>& block) { visit(block, behind); });
                from = next;
                continue;
            }
            walk.dense.begin(tile_of(from), ring);
            for (int64_t next; from < end; from = next) {
                next = std::min(end, from + some);
                for_each_block(walk, ring, from, next, false, [&](Block<T>& block) { visit(block, aside); });
                walk.dense.flush(ring.lines, apart);
            }
        }
    }
    template <class Visit>
    void for_each_block(Walk& walk, const Ring<T>& ring, int64_t from, int64_t to, bool slopes,
                        const Visit& visit) const {
        Block<T>& block = *walk.block;
        for (int64_t s = from; s < to; s += kBlockSamples) {
            block.count = int(std::min<int64_t>(kBlockSamples, to - s));
            block.first = s;
            make_block(taps_, ring, points_, slopes, block);
            visit(block);
        }
    }

    T* line_at(T* ring, int64_t cell) const { return ring + cell % capacity_ * grid_.line_reals; }
    Ring<T> ring_at(Walk& walk, int which, int64_t base) const {
        for (size_t i = 0; i < walk.lines.size(); ++i) walk.lines[i] = line_at(walk.ring[which], base + int64_t(i));
        return {walk.lines.data(), base, span_, grid_.row_step, grid_.cells};
    }
    // Zeros for the lines that the strip at `base` is the first to add to.
    void open_lines(const Chunk& chunk, int64_t base, int64_t& opened, T* ring) const {
        const int64_t end = std::min(base + span_, chunk.cells_end) + grid_.width;
        for (; opened < end; ++opened) std::fill_n(line_at(ring, opened), grid_.line_reals, T(0));
    }

    // Brings lines up to the last tap of the strip at `base` into the ring.
    void make_lines(const Cx<T>* spectrum, const Chunk& chunk, int64_t base, int64_t& produced, T* ring) const {
        const int64_t end = chunk.cells_end + grid_.width, need = std::min(base + span_ + grid_.width - 1, end);
        produced = std::max(produced, base);
        while (produced < need) {
            T* to[Lanes<T>::width];
            for (int i = 0; i < grid_.lines_at_once(); ++i)
                to[i] = produced + i < end ? line_at(ring, produced + i) : nullptr;
            grid_.produce(spectrum, produced, to);
            produced += grid_.lines_at_once();
        }
    }

    // Lines before `end` are complete, but for those at the seam that the chunk begins with.
    void take_lines(Cx<T>* spectrum, Seams<T>& seams, const Chunk& chunk, int64_t end, int64_t& absorbed, T* ring,
                    bool all = false) const {
        end = std::min(end, chunk.cells_end);
        const int64_t body = std::min(chunk.cells_begin + grid_.width, end);
        for (int64_t count; absorbed < body; absorbed += count) {
            count = std::min(grid_.lines_at_once(), body - absorbed);
            join(spectrum, seams, chunk.seam, absorbed, count, absorbed - chunk.cells_begin, ring);
        }
        for (int64_t count; absorbed < end; absorbed += count) {
            count = std::min(grid_.lines_at_once(), end - absorbed);
            if (!all && count < grid_.lines_at_once()) return;
            absorb(spectrum, absorbed, count, ring, [](int64_t, T*) { return true; });
        }
    }
    void finish_chunk(Cx<T>* spectrum, Seams<T>& seams, const Chunk& chunk, int64_t& absorbed, T* ring) const {
        const int64_t end = chunk.cells_end;
        take_lines(spectrum, seams, chunk, end, absorbed, ring, true);
        for (int64_t first = 0; first < grid_.width; first += grid_.lines_at_once())
            join(spectrum, seams, chunk.next_seam, end + first, std::min(grid_.lines_at_once(), grid_.width - first),
                 first, ring);
    }
    // Lines of cells first .. first + count, which are lines i ... of a seam: absorbed where both shares are there.
    void join(Cx<T>* spectrum, Seams<T>& seams, int64_t seam, int64_t first, int64_t count, int64_t i, T* ring) const {
        absorb(spectrum, first, count, ring, [&](int64_t k, T* line) { return seams.join(seam, i + k, line); });
    }
    // Those of lines first .. first + count for which complete(k, line).
    template <class Complete>
    void absorb(Cx<T>* spectrum, int64_t first, int64_t count, T* ring, const Complete& complete) const {
        T* from[Lanes<T>::width] = {};
        bool any = false;
        for (int64_t k = 0; k < count; ++k) {
            T* const line = line_at(ring, first + k);
            if (complete(k, line)) from[k] = line, any = true;
        }
        if (any) grid_.absorb(from, first, spectrum);
    }

    const GridPlanes<T>& grid_;
    const Taps<T>& taps_;
    const T* points_;
    T* seams_ = nullptr;
    int64_t samples_, span_, capacity_, most_;
    std::vector<int64_t> start_;  // first sample of each tile of cells, and their number
    std::vector<Chunk> summed_;   // the chunks of what is added to
};

}  // namespace
}  // namespace mriops
