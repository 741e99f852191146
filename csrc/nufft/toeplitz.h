// The Toeplitz normal operator of a non-Cartesian acquisition: what a problem is, and the table of kernels.
//
//   sense_toeplitz   out[b] = sum_c conj(s_c) T (s_c x[b]),   without maps: out[b,c] = T x[b,c]
//   T x = crop IDFT_2N ( kernel * DFT_2N ( pad x ) )
// DFT_2N has length 2n along every spatial axis (an axis of size 1 included), without a factor forward and with
// 1 / prod(2n) backward. `kernel` is the DFT_2N of the point-spread function psf[d], lag d at index d mod 2n: natural
// order, frequency f at index f, nothing shifted. Lags are differences, so the centre of the image does not enter. A
// psf of real weights has psf[-d] = conj(psf[d]), so the spectrum is real and that is what is stored: half of the
// complex one. The lag -n, which no pair of voxels has, is free; 0 or its real part keeps the spectrum real.
//
// Arrays are contiguous, C order: image (batch, *im), csm (batch / batch_per_csm, coils, *im), kernel real
// (batch / batch_per_kernel, *2im), out as image; without maps image and out are (batch, coils, *im).
#pragma once
#include <cstdint>

#include "../core/dtype.h"

namespace mriops {

struct ToeplitzProblem {
    int64_t batch, coils;
    int64_t nz, ny, nx;  // nz == 1 when ndim == 2
    int ndim;
    int64_t batch_per_csm;     // csm of batch item b is csm[b / batch_per_csm]
    int64_t batch_per_kernel;  // kernel of batch item b is kernel[b / batch_per_kernel]
};

// One instance per instruction set; `threads` is the number of threads a call may use.
struct ToeplitzKernels {
    void (*sense_toeplitz)(const ToeplitzProblem&, Dtype, const void* image, const void* csm, const void* kernel,
                           void* out, int threads);
};

// Defined once per instruction set by the sources of this room (see core/isa.h).
extern const ToeplitzKernels toeplitz_kernels_v2, toeplitz_kernels_v3, toeplitz_kernels_v4, toeplitz_kernels_generic;

// The kernels of the instruction set in use.
const ToeplitzKernels& toeplitz_kernels();

}  // namespace mriops
