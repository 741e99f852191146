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

// kernel.coils(b, z, begin, end, sum) puts the sum of some coils of a plane into `sum`, planar, maps after one another;
// kernel.write(parts, count, b, z, y0, y1) writes rows of the sum of `count` such sums.
template <class T, class Kernel>
void sum_coils(const SenseProblem& p, const Kernel& kernel, int threads) {
    const int64_t planes = p.batch * p.nz, item = p.maps * kernel.planar_rows();
    const int64_t chunks = coil_chunks(planes, p.coils);
    const auto coils = [&](int64_t plane, int64_t chunk, Cx<T>* sum) {
        kernel.coils(plane / p.nz, plane % p.nz, chunk * p.coils / chunks, (chunk + 1) * p.coils / chunks, sum);
    };
    if (chunks == 1 || threads == 1) {
        parallel_for(planes, threads, [&](int64_t plane, int) {
            // One sum that stays in the cache; the others are added to it in the order in which `write` adds them.
            Cx<T>* sum = scratch<Cx<T>>(Scratch::accumulator, size_t((chunks > 1 ? 2 : 1) * item));
            coils(plane, 0, sum);
            for (int64_t chunk = 1; chunk < chunks; ++chunk) {
                coils(plane, chunk, sum + item);
                for (int64_t i = 0; i < item; ++i) sum[i] = sum[i] + sum[item + i];
            }
            kernel.write(sum, 1, plane / p.nz, plane % p.nz, 0, p.ny);
        });
        return;
    }
    Cx<T>* parts = scratch<Cx<T>>(Scratch::accumulator, size_t(planes * chunks * item));
    parallel_for(planes * chunks, threads,
                 [&](int64_t job, int) { coils(job / chunks, job % chunks, parts + job * item); });
    constexpr int64_t kRows = 16;
    const int64_t blocks = ceil_div(p.ny, kRows);
    parallel_for(planes * blocks, threads, [&](int64_t job, int) {
        const int64_t plane = job / blocks, y = (job % blocks) * kRows;
        kernel.write(parts + plane * chunks * item, chunks, plane / p.nz, plane % p.nz, y, std::min(p.ny, y + kRows));
    });
}

}  // namespace
}  // namespace mriops
