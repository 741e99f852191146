// Sums over coils, plane by plane: every plane of every batch item is a job, or a few jobs of coils whose sums are
// added in a fixed order.
#pragma once
#include "../core/parallel.h"
#include "../core/scratch.h"
#include "arrays.h"
#include "weights.h"

namespace mriops {
namespace {

// Weights of a plane kernel, arranged for each distinct mask: all groups of batch item b at `of(b)`.
template <class T>
class ArrangedWeights {
  public:
    template <class Kernel>
    ArrangedWeights(const SenseProblem& p, const Kernel& kernel, const void* mask, int threads)
        : step_(p.mask_sb == 0 ? 0 : kernel.weight_count()) {
        const int64_t items = step_ ? p.batch : 1, groups = kernel.weight_groups();
        data_ = scratch<T>(Scratch::weights, size_t(items * kernel.weight_count()));
        parallel_for(items * groups, threads, [&](int64_t job, int) {
            kernel.arrange(Weights<T>(p, mask, job / groups), job % groups, data_ + job / groups * step_);
        });
    }
    const T* of(int64_t b) const { return data_ + b * step_; }

  private:
    int64_t step_;
    T* data_;
};

// The sum over `coils` coils from `first` on, in `chunks` parts that are added to `total` one after another: the last
// coil of a part adds it, so that it needs no visit of its own.
template <class T>
struct CoilSums {
    int64_t first, coils, chunks;
    Cx<T>*total, *part;  // part: of all but the first

    // Where the share of coil c goes.
    SumStep<T> of(int64_t c) const {
        const int64_t i = c - first, chunk = ((i + 1) * chunks - 1) / coils;
        const bool opens = i == chunk * coils / chunks, closes = i + 1 == (chunk + 1) * coils / chunks;
        if (chunk == 0) return {opens ? nullptr : total, total, false};
        return {opens ? nullptr : part, closes ? total : part, closes};
    }
};

// kernel.coils(b, z, begin, end, sums) puts the shares of some coils of a plane where sums.of(coil) says, planar, maps
// after one another; kernel.write(parts, count, b, z, y0, y1) writes rows of the sum of `count` such sums.
template <class T, class Kernel>
void sum_coils(const SenseProblem& p, const Kernel& kernel, int threads) {
    const int64_t planes = p.batch * p.nz, item = p.maps * kernel.planar_rows();
    const int64_t chunks = coil_chunks(planes, p.coils);
    if (chunks == 1 || threads == 1) {
        parallel_for(planes, threads, [&](int64_t plane, int) {
            // One sum that stays in the cache, to which parts are added in the order in which `write` adds them.
            Cx<T>* sum = scratch<Cx<T>>(Scratch::accumulator, size_t((chunks > 1 ? 2 : 1) * item));
            kernel.coils(plane / p.nz, plane % p.nz, 0, p.coils, {0, p.coils, chunks, sum, sum + item});
            kernel.write(sum, 1, plane / p.nz, plane % p.nz, 0, p.ny);
        });
        return;
    }
    Cx<T>* parts = scratch<Cx<T>>(Scratch::accumulator, size_t(planes * chunks * item));
    parallel_for(planes * chunks, threads, [&](int64_t job, int) {
        const int64_t plane = job / chunks, chunk = job % chunks;
        const int64_t begin = chunk * p.coils / chunks, end = (chunk + 1) * p.coils / chunks;
        kernel.coils(plane / p.nz, plane % p.nz, begin, end, {begin, end - begin, 1, parts + job * item, nullptr});
    });
    constexpr int64_t kRows = 16;
    const int64_t blocks = ceil_div(p.ny, kRows);
    parallel_for(planes * blocks, threads, [&](int64_t job, int) {
        const int64_t plane = job / blocks, y = (job % blocks) * kRows;
        kernel.write(parts + plane * chunks * item, chunks, plane / p.nz, plane % p.nz, y, std::min(p.ny, y + kRows));
    });
}

}  // namespace
}  // namespace mriops
