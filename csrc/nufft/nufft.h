// The NUFFT family: what a problem is, and the table of kernels that solve it.
//
//   nufft          y[b,c,s] = prod(n)^-1/2 sum_r m[b,c,r] exp(-2 pi i k[s].(r - n//2) / n),  m = x, or csm x
//   nufft_adjoint  x = the adjoint of it applied to w y, summed over coils where there are maps
//   nufft_gram     the second applied to the first
//   nufft_trajectory_grad / nufft_trajectory_jvp   derivatives of `nufft` by k, exact for what it computes
// Everything is done on an oversampled grid with a compact spreading kernel; both come with the problem. Arrays are
// contiguous, C order, interleaved complex. A plan is two arrays made by nufft_points:
//   points  the trajectory in units of the user (cycles per field of view), wrapped into [-n/2, n/2), in sorted order
//   order   int32, the user's index of each sorted sample
#pragma once
#include <cstddef>
#include <cstdint>

#include "../core/dtype.h"

namespace mriops {

struct NufftProblem {
    int64_t batch, coils, samples;
    int64_t nz, ny, nx;  // nz == 1 when ndim == 2
    int ndim;
    int64_t batch_per_csm;   // csm of batch item b is csm[b / batch_per_csm]
    int64_t batch_per_traj;  // trajectory of batch item b is trajectory[b / batch_per_traj]
    int64_t gz, gy, gx;      // the grid; gz == 1 when ndim == 2
    int width;               // of the spreading kernel, in grid cells along each axis
    int64_t coils_at_once;   // at most, for less memory; 0: as many as are quick together

    int64_t trajectories() const { return batch / batch_per_traj; }
};

// How k-space lies in memory: as the user has it, (coils, samples); or sorted with the coil innermost, (samples,
// coils).
enum class SampleLayout : int { user = 0, sorted = 1 };

// One instance per instruction set; `threads` is the number of threads a call may use. csm and dcf may be null. dcf of
// batch item b starts at dcf + (b / batch_per_traj) * dcf_stride.
struct NufftKernels {
    void (*nufft_points)(const NufftProblem&, Dtype, const void* trajectory, void* points, int32_t* order, int threads);
    void (*nufft)(const NufftProblem&, Dtype, const void* image, const void* csm, const void* points,
                  const int32_t* order, void* kspace, SampleLayout, int threads);
    void (*nufft_adjoint)(const NufftProblem&, Dtype, const void* kspace, const void* csm, const void* dcf,
                          int64_t dcf_stride, const void* points, const int32_t* order, void* image, SampleLayout,
                          int threads);
    void (*nufft_gram)(const NufftProblem&, Dtype, const void* image, const void* csm, const void* dcf,
                       int64_t dcf_stride, const void* points, const int32_t* order, void* out, int threads);
    void (*nufft_trajectory_grad)(const NufftProblem&, Dtype, const void* image, const void* csm, const void* kspace,
                                  const void* points, const int32_t* order, void* trajectory, int threads);
    void (*nufft_trajectory_jvp)(const NufftProblem&, Dtype, const void* image, const void* csm, const void* tangent,
                                 const void* points, const int32_t* order, void* kspace, int threads);
};

// Defined once per instruction set by the sources of this room (see core/isa.h).
extern const NufftKernels nufft_kernels_v2, nufft_kernels_v3, nufft_kernels_v4, nufft_kernels_generic;

}  // namespace mriops
