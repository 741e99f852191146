// The kernels of one instruction set, one function per source file of this room.
#pragma once
#include "../core/isa_namespace.h"
#include "sense.h"

namespace mriops {
namespace MRIOPS_ISA_NAMESPACE {

void sense(const SenseProblem&, Dtype, const void* image, const void* csm, const void* mask, void* kspace, int threads);
void sense_adjoint(const SenseProblem&, Dtype, const void* kspace, const void* csm, const void* mask, void* image,
                   int threads);
void sense_gram(const SenseProblem&, Dtype, const void* image, const void* csm, const void* mask, void* out,
                int threads);
void sense_csm_adjoint(const SenseProblem&, Dtype, const void* kspace, const void* image, const void* mask, void* csm,
                       int threads);
void coil_expand(const SenseProblem&, Dtype, const void* image, const void* csm, void* out, int threads);
void coil_combine(const SenseProblem&, Dtype, const void* coil_images, const void* csm, void* image, int threads);
void fft(const FftProblem&, Dtype, const void* x, void* out, int threads);

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
