// Normal operator where weights vary along x but not along z: every plane of every batch item is a job, or a few jobs
// of coils.
#pragma once
#include "../core/parallel.h"
#include "gram_split.h"
#include "gram_tiled.h"

namespace mriops {
namespace {

template <class T, class Kernel>
void run_planes(const SenseProblem& p, const Kernel& kernel, const T* image, const T* csm, const void* mask, T* out,
                int threads) {
    const Arrays<T> at(p);
    const bool shared_weights = p.mask_sb == 0;
    const int64_t groups = kernel.weight_groups(), weight_count = groups * kernel.weight_group_size();
    const int64_t planes = p.batch * p.nz, item = p.maps * kernel.planar_rows();
    T* weights = scratch<T>(Scratch::weights, size_t(weight_count * (shared_weights ? 1 : p.batch)));
    parallel_for((shared_weights ? 1 : p.batch) * groups, threads, [&](int64_t job, int) {
        kernel.arrange(Weights<T>(p, mask, job / groups), job % groups, weights + job * kernel.weight_group_size());
    });
    // A fixed split of the coils, so that sums do not depend on the number of threads; with many planes none is needed.
    const int64_t chunks = planes >= 8 ? 1 : std::min<int64_t>(p.coils, 8);
    Cx<T>* parts = chunks > 1 ? scratch<Cx<T>>(Scratch::accumulator, size_t(planes * chunks * item)) : nullptr;
    parallel_for(planes * chunks, threads, [&](int64_t job, int) {
        const int64_t plane = job / chunks, chunk = job % chunks, b = plane / p.nz, z = plane % p.nz;
        Cx<T>* sum = parts ? parts + job * item : scratch<Cx<T>>(Scratch::accumulator, size_t(item));
        kernel.coils(csm + at.csm(b, 0) + at.tile(z, 0), image + at.image(b) + at.tile(z, 0),
                     weights + (shared_weights ? 0 : b * weight_count), chunk * p.coils / chunks,
                     (chunk + 1) * p.coils / chunks, sum);
        if (!parts) kernel.write(sum, 1, out + at.image(b) + at.tile(z, 0), 0, p.ny);
    });
    if (!parts) return;
    constexpr int64_t kRows = 16;
    const int64_t blocks = ceil_div(p.ny, kRows);
    parallel_for(planes * blocks, threads, [&](int64_t job, int) {
        const int64_t plane = job / blocks, y = (job % blocks) * kRows, b = plane / p.nz, z = plane % p.nz;
        kernel.write(parts + plane * chunks * item, chunks, out + at.image(b) + at.tile(z, 0), y,
                     std::min(p.ny, y + kRows));
    });
}

template <class T>
void gram_planes(const SenseProblem& p, const ActiveAxes& active, const T* image, const T* csm, const void* mask,
                 T* out, int threads) {
    if (SplitPlane<T>::possible(p))
        run_planes(p, SplitPlane<T>(p, active), image, csm, mask, out, threads);
    else
        run_planes(p, TiledPlane<T>(p, active), image, csm, mask, out, threads);
}

}  // namespace
}  // namespace mriops
