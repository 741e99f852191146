// The EPG-X kernels of one instruction set.
#pragma once
#include "../core/isa_namespace.h"
#include "epgx.h"

namespace mriops {
namespace MRIOPS_ISA_NAMESPACE {

void epgx_forward(const EpgxProblem&, Dtype, const EpgxArrays&, int threads);
void epgx_jvp(const EpgxProblem&, Dtype, const EpgxArrays&, int threads);
void epgx_vjp(const EpgxProblem&, Dtype, const EpgxArrays&, int threads);
void epgx_hvp(const EpgxProblem&, Dtype, const EpgxArrays&, int threads);

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
