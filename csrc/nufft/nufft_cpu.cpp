// nufft, nufft_adjoint, nufft_gram and the derivatives by the trajectory: blocks of coils through the passes.
#include "../core/by_dtype.h"
#include "../core/huge_pages.h"
#include "coil_blocks.h"
#include "image_pass.h"
#include "kernels.h"
#include "sample_turn.h"
#include "samples.h"
#include "spread.h"
#include "strips.h"

namespace mriops {
namespace {

// Calls f(b, first coil, coils, threads): batch items in parallel where there are enough of them.
template <class T, class F>
void over_blocks(const NufftProblem& p, int threads, const F& f) {
    const int64_t step = coils_per_block<T>(p);
    const bool items = p.batch >= threads;
    parallel_for(p.batch, items ? threads : 1, [&](int64_t b, int) {
        for (int64_t c = 0; c < p.coils; c += step) f(b, c, std::min(step, p.coils - c), items ? 1 : threads);
    });
}

// Where batch items and coils begin in the caller's arrays.
template <class T>
struct Layout {
    const NufftProblem& p;
    int64_t volume;  // of one coil image, in units of T
    explicit Layout(const NufftProblem& p) : p(p), volume(2 * p.nz * p.ny * p.nx) {}
    int64_t image(int64_t b, int64_t c, bool maps) const { return maps ? b * volume : (b * p.coils + c) * volume; }
    int64_t csm(int64_t b, int64_t c) const { return ((b / p.batch_per_csm) * p.coils + c) * volume; }
    int64_t kspace(int64_t b, int64_t c = 0) const { return (b * p.coils + c) * p.samples * 2; }
    int64_t sample(int64_t b) const { return (b / p.batch_per_traj) * p.samples; }
};

// What a block of coils works with.
template <class T>
struct Passes {
    GridPlanes<T> grid;
    ImagePass<T> image;
    Strips<T> strips;
    Cx<T>* spectrum;
    SampleTurn<T> turn;
    int64_t cell_reals;
    // `turns`: samples in the user's order are to be read or written as cells of their own.
    Passes(const NufftProblem& p, const Taps<T>& taps, const T* points, int64_t coils, bool turns)
        : grid(p, coils),
          image(p, grid),
          strips(p, taps, grid, points),
          spectrum(scratch<Cx<T>>(Scratch::columns, memory_size(turns ? p.samples : 0), grid.compact)),
          turn(turns ? p.samples : 0, grid.stored, reinterpret_cast<T*>(spectrum + grid.spectrum_size())),
          cell_reals(2 * grid.stored) {
        strips.set_seams(turn.end());
    }

  private:
    size_t memory_size(int64_t turned) const {
        constexpr int64_t reals = int64_t(sizeof(Cx<T>) / sizeof(T));
        const int64_t more = SampleTurn<T>::size(turned, grid.stored) + strips.seams_size();
        return size_t(grid.spectrum_size() + (more + reals - 1) / reals);
    }
};

template <class T>
void run_nufft(const NufftProblem& p, const T* image, const T* csm, const T* points, const int32_t* order, T* kspace,
               SampleLayout layout, int threads) {
    prefer_huge_pages_for(kspace, p.batch * p.coils * p.samples);
    const Layout<T> at(p);
    const Taps<T> taps(p);
    over_blocks<T>(p, threads, [&](int64_t b, int64_t c, int64_t coils, int inner) {
        const bool users = layout == SampleLayout::user, turns = users && coils > 1;
        const Passes<T> run(p, taps, points + at.sample(b) * p.ndim, coils, turns);
        run.image.forward(image + at.image(b, c, csm), csm ? csm + at.csm(b, c) : nullptr, run.spectrum, inner);
        if (users) {
            const UserOrder user(order + at.sample(b), p.samples);
            T* const there = kspace + at.kspace(b, c);
            T* const cells = turns ? run.turn.cells() : there;
            run.strips.interpolate(run.spectrum, false, inner, [&](const Block<T>& block) {
                interpolate_block(run.grid.stored, block, cells, {&user, block.first, p.samples});
            });
            if (turns) run.turn.to_user(there, coils, inner);
            return;
        }
        const SortedSamples<T> to{kspace + at.kspace(b) + 2 * c, 2 * p.coils, 2 * coils};
        run.strips.interpolate(run.spectrum, false, inner, [&](const Block<T>& block) {
            if (T* const there = to.whole(block, run.cell_reals))
                return interpolate_block(run.grid.stored, block, there);
            alignas(64) T values[kBlockSamples * kMostReals];
            interpolate_block(run.grid.stored, block, values);
            write_samples(to, block, run.cell_reals, values);
        });
    });
}

template <class T>
void run_nufft_adjoint(const NufftProblem& p, const T* kspace, const T* csm, const T* dcf, int64_t dcf_stride,
                       const T* points, const int32_t* order, T* image, SampleLayout layout, int threads) {
    prefer_huge_pages_for(image, p.batch * (csm ? 1 : p.coils) * p.nz * p.ny * p.nx);
    const Layout<T> at(p);
    const Taps<T> taps(p);
    over_blocks<T>(p, threads, [&](int64_t b, int64_t c, int64_t coils, int inner) {
        const bool users = layout == SampleLayout::user, turns = users && (coils > 1 || dcf);
        const Passes<T> run(p, taps, points + at.sample(b) * p.ndim, coils, turns);
        const UserOrder user(order + at.sample(b), p.samples);
        const T* weight = dcf ? dcf + (b / p.batch_per_traj) * dcf_stride : nullptr;
        const T* const there = kspace + at.kspace(b, c);
        if (turns) run.turn.from_user(there, coils, weight, inner);
        const T* const cells = turns ? run.turn.cells() : there;
        const SortedSamples<const T> from{kspace + at.kspace(b) + 2 * c, 2 * p.coils, 2 * coils};
        run.strips.spread(run.spectrum, inner, [&](const Block<T>& block) {
            if (users) return spread_block(run.grid.stored, block, cells, {&user, block.first, p.samples});
            alignas(64) T values[kBlockSamples * kMostReals];
            spread_block(run.grid.stored, block, read_samples(from, block, run.grid.stored, weight, user, values));
        });
        run.image.adjoint(run.spectrum, csm ? csm + at.csm(b, c) : nullptr, image + at.image(b, c, csm), csm && c > 0,
                          inner);
    });
}

template <class T>
void run_nufft_gram(const NufftProblem& p, const T* image, const T* csm, const T* dcf, int64_t dcf_stride,
                    const T* points, const int32_t* order, T* out, int threads) {
    prefer_huge_pages_for(out, p.batch * (csm ? 1 : p.coils) * p.nz * p.ny * p.nx);
    const Layout<T> at(p);
    const Taps<T> taps(p);
    over_blocks<T>(p, threads, [&](int64_t b, int64_t c, int64_t coils, int inner) {
        const Passes<T> run(p, taps, points + at.sample(b) * p.ndim, coils, false);
        const T* maps = csm ? csm + at.csm(b, c) : nullptr;
        const T* weight = dcf ? dcf + (b / p.batch_per_traj) * dcf_stride : nullptr;
        const UserOrder user(order + at.sample(b), p.samples);
        run.image.forward(image + at.image(b, c, csm), maps, run.spectrum, inner);
        run.strips.gram(run.spectrum, inner, [&](Block<T>& block, const auto& to_sums) {
            alignas(64) T values[kBlockSamples * kMostReals];
            interpolate_block(run.grid.stored, block, values);
            if (weight) weigh_samples(weight, user, block, run.grid.stored, values);
            to_sums(block);
            spread_block(run.grid.stored, block, values);
        });
        run.image.adjoint(run.spectrum, maps, out + at.image(b, c, csm), csm && c > 0, inner);
    });
}

// Derivatives of the samples by their positions, [3][kBlockSamples][cell]; in units of the user's coordinates after
// multiplication by cells_per_unit.
template <class T>
void slopes_of(const Passes<T>& run, const Block<T>& block, T* values) {
    with_constants(run.grid.stored, block, [&](auto n, auto w, auto) {
        interpolate_slopes<T, decltype(n)::value, decltype(w)::value>(block, values);
    });
}

template <class T>
void run_nufft_trajectory_grad(const NufftProblem& p, const T* image, const T* csm, const T* kspace, const T* points,
                               const int32_t* order, T* trajectory, int threads) {
    const Layout<T> at(p);
    const Taps<T> taps(p);
    const int64_t step = coils_per_block<T>(p);
    const bool items = p.trajectories() >= threads;
    const int inner = items ? 1 : threads;
    parallel_for(p.trajectories(), items ? threads : 1, [&](int64_t t, int) {
        T* out = trajectory + t * p.samples * p.ndim;
        for (int64_t b = t * p.batch_per_traj; b < (t + 1) * p.batch_per_traj; ++b)
            for (int64_t c = 0; c < p.coils; c += step) {
                const int64_t coils = std::min(step, p.coils - c);
                const bool add = c > 0 || b > t * p.batch_per_traj;
                const Passes<T> run(p, taps, points + at.sample(b) * p.ndim, coils, true);
                const UserOrder user(order + at.sample(b), p.samples);
                run.turn.from_user(kspace + at.kspace(b, c), coils, nullptr, inner);
                const T* const cells = run.turn.cells();
                run.image.forward(image + at.image(b, c, csm), csm ? csm + at.csm(b, c) : nullptr, run.spectrum, inner);
                run.strips.interpolate(run.spectrum, true, inner, [&](const Block<T>& block) {
                    alignas(64) T slopes[3 * kBlockSamples * kMostReals];
                    slopes_of(run, block, slopes);
                    const SampleCells there{&user, block.first, p.samples};
                    with_cell(run.grid.stored, [&](auto n) {
                        constexpr int N = decltype(n)::value;
                        for (int s = 0; s < block.count; ++s) {
                            there.template prefetch<T, N, 0>(cells, s);
                            for (int axis = 3 - p.ndim; axis < 3; ++axis) {
                                const T* slope = slopes + (axis * kBlockSamples + s) * N;
                                const T sum = dot<T, N>(cells + there(s) * N, slope) * taps.axis[axis].cells_per_unit;
                                T& to = out[(there(s) + 1) * p.ndim + axis - 3];
                                to = add ? to + sum : sum;
                            }
                        }
                    });
                });
            }
    });
}

template <class T>
void run_nufft_trajectory_jvp(const NufftProblem& p, const T* image, const T* csm, const T* tangent, const T* points,
                              const int32_t* order, T* kspace, int threads) {
    const Layout<T> at(p);
    const Taps<T> taps(p);
    over_blocks<T>(p, threads, [&](int64_t b, int64_t c, int64_t coils, int inner) {
        const Passes<T> run(p, taps, points + at.sample(b) * p.ndim, coils, true);
        const UserOrder user(order + at.sample(b), p.samples);
        const T* direction = tangent + at.sample(b) * p.ndim;
        run.image.forward(image + at.image(b, c, csm), csm ? csm + at.csm(b, c) : nullptr, run.spectrum, inner);
        run.strips.interpolate(run.spectrum, true, inner, [&](const Block<T>& block) {
            alignas(64) T slopes[3 * kBlockSamples * kMostReals];
            slopes_of(run, block, slopes);
            for (int s = 0; s < block.count; ++s) {
                T* const values = run.turn.cells() + user[block.first + s] * run.cell_reals;
                std::fill_n(values, run.cell_reals, T(0));
                for (int a = 0; a < p.ndim; ++a) {
                    const int axis = 3 - p.ndim + a;
                    const T* slope = slopes + (axis * kBlockSamples + s) * run.cell_reals;
                    const T factor = direction[user[block.first + s] * p.ndim + a] * taps.axis[axis].cells_per_unit;
                    for (int64_t i = 0; i < run.cell_reals; ++i) values[i] += factor * slope[i];
                }
            }
        });
        run.turn.to_user(kspace + at.kspace(b, c), coils, inner);
    });
}

}  // namespace

namespace MRIOPS_ISA_NAMESPACE {

void nufft(const NufftProblem& p, Dtype dtype, const void* image, const void* csm, const void* points,
           const int32_t* order, void* kspace, SampleLayout layout, int threads) {
    MRIOPS_BY_DTYPE(run_nufft<T>, p, MRIOPS_IN(image), MRIOPS_IN(csm), MRIOPS_IN(points), order, MRIOPS_OUT(kspace),
                    layout, threads)
}
void nufft_adjoint(const NufftProblem& p, Dtype dtype, const void* kspace, const void* csm, const void* dcf,
                   int64_t dcf_stride, const void* points, const int32_t* order, void* image, SampleLayout layout,
                   int threads) {
    MRIOPS_BY_DTYPE(run_nufft_adjoint<T>, p, MRIOPS_IN(kspace), MRIOPS_IN(csm), MRIOPS_IN(dcf), dcf_stride,
                    MRIOPS_IN(points), order, MRIOPS_OUT(image), layout, threads)
}
void nufft_gram(const NufftProblem& p, Dtype dtype, const void* image, const void* csm, const void* dcf,
                int64_t dcf_stride, const void* points, const int32_t* order, void* out, int threads) {
    MRIOPS_BY_DTYPE(run_nufft_gram<T>, p, MRIOPS_IN(image), MRIOPS_IN(csm), MRIOPS_IN(dcf), dcf_stride,
                    MRIOPS_IN(points), order, MRIOPS_OUT(out), threads)
}
void nufft_trajectory_grad(const NufftProblem& p, Dtype dtype, const void* image, const void* csm, const void* kspace,
                           const void* points, const int32_t* order, void* trajectory, int threads) {
    MRIOPS_BY_DTYPE(run_nufft_trajectory_grad<T>, p, MRIOPS_IN(image), MRIOPS_IN(csm), MRIOPS_IN(kspace),
                    MRIOPS_IN(points), order, MRIOPS_OUT(trajectory), threads)
}
void nufft_trajectory_jvp(const NufftProblem& p, Dtype dtype, const void* image, const void* csm, const void* tangent,
                          const void* points, const int32_t* order, void* kspace, int threads) {
    MRIOPS_BY_DTYPE(run_nufft_trajectory_jvp<T>, p, MRIOPS_IN(image), MRIOPS_IN(csm), MRIOPS_IN(tangent),
                    MRIOPS_IN(points), order, MRIOPS_OUT(kspace), threads)
}

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
