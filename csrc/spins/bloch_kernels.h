// The Bloch kernels of one instruction set.
#pragma once
#include "../core/isa_namespace.h"
#include "bloch.h"

namespace mriops {
namespace MRIOPS_ISA_NAMESPACE {

void bloch_forward(const BlochProblem&, Dtype, const BlochArrays&, int threads);
void bloch_jvp(const BlochProblem&, Dtype, const BlochArrays&, int threads);
void bloch_vjp(const BlochProblem&, Dtype, const BlochArrays&, int threads);
void bloch_hvp(const BlochProblem&, Dtype, const BlochArrays&, int threads);
void bloch_spinor_forward(const BlochProblem&, Dtype, const BlochArrays&, int threads);
void bloch_spinor_jvp(const BlochProblem&, Dtype, const BlochArrays&, int threads);
void bloch_spinor_vjp(const BlochProblem&, Dtype, const BlochArrays&, int threads);
void bloch_spinor_hvp(const BlochProblem&, Dtype, const BlochArrays&, int threads);

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
