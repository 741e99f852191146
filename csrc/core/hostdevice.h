// MRIOPS_HD marks per-element maths that both the CPU and the CUDA sources inline.
#pragma once

#if defined(__CUDACC__)
#define MRIOPS_HD __host__ __device__ __forceinline__
#elif defined(__GNUC__)
// Forced inlining leaves no out-of-line copy, so that a copy built for AVX-512 can never be the one the linker keeps.
#define MRIOPS_HD inline __attribute__((always_inline))
#else
#define MRIOPS_HD inline
#endif
