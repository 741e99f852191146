// The EPG kernels of one instruction set.
#pragma once
#include "../core/isa_namespace.h"
#include "epg.h"

namespace mriops {
namespace MRIOPS_ISA_NAMESPACE {

void epg_forward(const EpgProblem&, Dtype, const EpgArrays&, int threads);
void epg_jvp(const EpgProblem&, Dtype, const EpgArrays&, int threads);
void epg_jacobian(const EpgProblem&, Dtype, const EpgArrays&, const EpgDirections&, int threads);
void epg_vjp(const EpgProblem&, Dtype, const EpgArrays&, int threads);
void epg_hvp(const EpgProblem&, Dtype, const EpgArrays&, int threads);

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
