// A namespace of its own for each instruction set that a kernel source is compiled for.
#pragma once

#define MRIOPS_PASTE_(a, b) a##b
#define MRIOPS_PASTE(a, b) MRIOPS_PASTE_(a, b)
#define MRIOPS_ISA_NAMESPACE MRIOPS_PASTE(isa_, MRIOPS_ISA)
