// Host entry points of the SENSE family on a CUDA device (and, built with MRIOPS_EMULATE, on fibres of the CPU).
//
// Pointers are device pointers. Nothing is allocated and nothing synchronises, so that every call can be captured into
// a CUDA graph: the caller hands over `workspace`, at least *_workspace_bytes(...) bytes on the same device (256-byte
// aligned, as every allocator gives; may be null when the size is 0). Errors of a launch throw std::runtime_error.
// `stream` is a cudaStream_t; the emulator ignores it. Input and output must not overlap, except fft: x == out.
#pragma once
#include <cstddef>

#include "sense.h"

namespace mriops::cuda {

void sense(const SenseProblem&, Dtype, const void* image, const void* csm, const void* mask, void* kspace,
           void* workspace, void* stream);
void sense_adjoint(const SenseProblem&, Dtype, const void* kspace, const void* csm, const void* mask, void* image,
                   void* workspace, void* stream);
void sense_gram(const SenseProblem&, Dtype, const void* image, const void* csm, const void* mask, void* out,
                void* workspace, void* stream);
void sense_csm_adjoint(const SenseProblem&, Dtype, const void* kspace, const void* image, const void* mask, void* csm,
                       void* workspace, void* stream);
void coil_expand(const SenseProblem&, Dtype, const void* image, const void* csm, void* coil_images, void* workspace,
                 void* stream);
void coil_combine(const SenseProblem&, Dtype, const void* coil_images, const void* csm, void* image, void* workspace,
                  void* stream);
void fft(const FftProblem&, Dtype, const void* x, void* out, void* workspace, void* stream);

std::size_t sense_workspace_bytes(const SenseProblem&, Dtype);
std::size_t sense_adjoint_workspace_bytes(const SenseProblem&, Dtype);
std::size_t sense_gram_workspace_bytes(const SenseProblem&, Dtype);
std::size_t sense_csm_adjoint_workspace_bytes(const SenseProblem&, Dtype);
std::size_t coil_expand_workspace_bytes(const SenseProblem&, Dtype);
std::size_t coil_combine_workspace_bytes(const SenseProblem&, Dtype);
std::size_t fft_workspace_bytes(const FftProblem&, Dtype);

}  // namespace mriops::cuda
