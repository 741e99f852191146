// The Cartesian multi-coil SENSE family: what a problem is, and the table of kernels that solve it.
//
//   sense          kspace[b,c] = w F sum_m s[m,c] x[b,m]
//   sense_adjoint  image[b,m]  = sum_c conj(s[m,c]) F^H w k[b,c]
//   sense_gram     the second applied to the first (weights count squared), fused
//   sense_csm_adjoint   csm[g,m,c] = sum_{b in group g} conj(x[b,m]) F^H w k[b,c]
//   coil_expand / coil_combine   the first two without F and w
//   fft            centred orthonormal transform over chosen axes
// F is the centred orthonormal DFT over the last ndim axes. All arrays are contiguous, C order, interleaved complex.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../core/dtype.h"

namespace mriops {

enum class MaskKind : int { none = 0, bytes = 1, real = 2 };

struct SenseProblem {
    int64_t batch, maps, coils;
    int64_t nz, ny, nx;  // nz == 1 when ndim == 2
    int ndim;
    int64_t batch_per_csm;  // csm of batch item b is csm[b / batch_per_csm]
    MaskKind mask_kind;
    int64_t mask_sb, mask_sz, mask_sy, mask_sx;  // elements; 0 broadcasts
};

struct FftProblem {
    int64_t batch, nz, ny, nx;
    int axes;  // bit 0: x, bit 1: y, bit 2: z
    bool inverse;
};

// One instance per instruction set; `threads` is the number of threads a call may use.
struct SenseKernels {
    void (*sense)(const SenseProblem&, Dtype, const void* image, const void* csm, const void* mask, void* kspace,
                  int threads);
    void (*sense_adjoint)(const SenseProblem&, Dtype, const void* kspace, const void* csm, const void* mask,
                          void* image, int threads);
    void (*sense_gram)(const SenseProblem&, Dtype, const void* image, const void* csm, const void* mask, void* out,
                       int threads);
    void (*sense_csm_adjoint)(const SenseProblem&, Dtype, const void* kspace, const void* image, const void* mask,
                              void* csm, int threads);
    void (*coil_expand)(const SenseProblem&, Dtype, const void* image, const void* csm, void* out, int threads);
    void (*coil_combine)(const SenseProblem&, Dtype, const void* coil_images, const void* csm, void* image,
                         int threads);
    void (*fft)(const FftProblem&, Dtype, const void* x, void* out, int threads);
};

// Defined once per instruction set by the sources of this room (see core/isa.h).
extern const SenseKernels sense_kernels_v2, sense_kernels_v3, sense_kernels_v4, sense_kernels_generic;

}  // namespace mriops
