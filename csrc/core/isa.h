// Which instruction set the kernels of this process use: the best the processor has, or the one asked for.
#pragma once
#include <string>
#include <vector>

namespace mriops {

enum class Isa : int { generic = 0, v2 = 2, v3 = 3, v4 = 4 };

// The first call reads the processor and the environment variable MRIOPS_ISA; a bad value throws std::invalid_argument.
Isa isa();
const char* isa_name();                  // "x86-64-v4", "x86-64-v3", "x86-64-v2" or "generic"
std::vector<std::string> isa_choices();  // what this build and this processor can run, slowest first

// Takes "x86-64-v3" or "v3", or "" for the best there is; throws std::invalid_argument for anything not in
// isa_choices().
void set_isa(const std::string& name);

// MRIOPS_PICK(sense_kernels) is the table sense_kernels_v2, _v3, _v4 or _generic that belongs to isa().
#if defined(MRIOPS_ONLY_ISA)  // a quick build, for tests
#define MRIOPS_PICK_(table, isa) (table##_##isa)
#define MRIOPS_PICK_ONLY(table, isa) MRIOPS_PICK_(table, isa)
#define MRIOPS_PICK(table) MRIOPS_PICK_ONLY(table, MRIOPS_ONLY_ISA)
#elif defined(__x86_64__)
#define MRIOPS_PICK(table) \
    (::mriops::isa() == ::mriops::Isa::v4 ? table##_v4 : ::mriops::isa() == ::mriops::Isa::v3 ? table##_v3 : table##_v2)
#else
#define MRIOPS_PICK(table) (table##_generic)
#endif

}  // namespace mriops
