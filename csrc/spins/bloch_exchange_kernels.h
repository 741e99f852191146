// The Bloch-McConnell kernels of one instruction set.
#pragma once
#include "../core/isa_namespace.h"
#include "bloch_exchange.h"

namespace mriops {
namespace MRIOPS_ISA_NAMESPACE {

void bloch_exchange_forward(const BlochExchangeProblem&, Dtype, const BlochExchangeArrays&, int threads);
void bloch_exchange_jvp(const BlochExchangeProblem&, Dtype, const BlochExchangeArrays&, int threads);
void bloch_exchange_vjp(const BlochExchangeProblem&, Dtype, const BlochExchangeArrays&, int threads);
void bloch_exchange_hvp(const BlochExchangeProblem&, Dtype, const BlochExchangeArrays&, int threads);

}  // namespace MRIOPS_ISA_NAMESPACE
}  // namespace mriops
