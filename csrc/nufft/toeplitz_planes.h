// 2D Toeplitz operator: every image of the batch is a job, or a few jobs of coils.
#pragma once
#include "../core/parallel.h"
#include "toeplitz_tiled.h"

namespace mriops {
namespace {

template <class T>
void run_toeplitz_planes(const ToeplitzArrays<T>& at, const TiledToeplitz<T>& kernel, const T* image, const T* spectra,
                         T* out, int threads) {
    const ToeplitzProblem& p = at.p;
    constexpr int64_t kRows = 16;
    const int64_t item = 2 * kernel.planar_rows(), weight_count = kernel.weight_count();
    const int64_t blocks = toeplitz_ceil(p.ny, kRows);
    // A fixed split of the coils, so that sums do not depend on the number of threads; with many images none is needed.
    const int64_t chunks = p.batch >= 8 ? 1 : std::min<int64_t>(p.coils, 8);
    // A spectrum of one image only is arranged where it is used, while it is in cache.
    const bool own_weights = chunks == 1 && p.batch_per_kernel == 1;
    const int64_t jobs = kernel.weight_jobs();
    T* weights =
        own_weights ? nullptr : scratch<T>(Scratch::weights, size_t(weight_count * (p.batch / p.batch_per_kernel)));
    if (weights)
        parallel_for(p.batch / p.batch_per_kernel * jobs, threads, [&](int64_t job, int) {
            kernel.arrange(spectra + at.kernel(job / jobs), job % jobs, weights + job / jobs * weight_count);
        });
    Cx<T>* parts = chunks > 1 ? scratch<Cx<T>>(Scratch::accumulator, size_t(p.batch * chunks * item)) : nullptr;
    Cx<T>* prepared = parts ? scratch<Cx<T>>(Scratch::image, size_t(p.batch * item)) : nullptr;
    if (parts)
        parallel_for(p.batch * blocks, threads, [&](int64_t job, int) {
            const int64_t b = job / blocks, y = (job % blocks) * kRows;
            kernel.prepare(image + at.image(b), prepared + b * item, y, std::min(p.ny, y + kRows));
        });
    parallel_for(p.batch * chunks, threads, [&](int64_t job, int) {
        const int64_t b = job / chunks, chunk = job % chunks;
        T* own = weights ? weights + b / p.batch_per_kernel * weight_count
                         : scratch<T>(Scratch::weights, size_t(weight_count));
        for (int64_t group = 0; !weights && group < jobs; ++group) kernel.arrange(spectra + at.kernel(b), group, own);
        Cx<T>* in = parts ? prepared + b * item : scratch<Cx<T>>(Scratch::image, size_t(item));
        Cx<T>* sum = parts ? parts + job * item : scratch<Cx<T>>(Scratch::accumulator, size_t(item));
        if (!parts) kernel.prepare(image + at.image(b), in, 0, p.ny);
        kernel.coils(at, b, in, own, chunk * p.coils / chunks, (chunk + 1) * p.coils / chunks, sum);
        if (!parts) kernel.write(sum, 1, out + at.image(b), 0, p.ny);
    });
    if (!parts) return;
    parallel_for(p.batch * blocks, threads, [&](int64_t job, int) {
        const int64_t b = job / blocks, y = (job % blocks) * kRows;
        kernel.write(parts + b * chunks * item, chunks, out + at.image(b), y, std::min(p.ny, y + kRows));
    });
}

}  // namespace
}  // namespace mriops
