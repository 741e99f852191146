// Reads the processor and MRIOPS_ISA once; set_isa changes the choice later.
#include "isa.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace mriops {
namespace {

const char* name_of(Isa value) {
    switch (value) {
        case Isa::v4: return "x86-64-v4";
        case Isa::v3: return "x86-64-v3";
        case Isa::v2: return "x86-64-v2";
        default: return "generic";
    }
}

std::vector<Isa> available() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    std::vector<Isa> found{Isa::v2};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
        __builtin_cpu_supports("bmi2")) {
        found.push_back(Isa::v3);
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl"))
            found.push_back(Isa::v4);
    }
#if defined(MRIOPS_ONLY_ISA)
    for (Isa choice : found)
        if (choice == Isa::MRIOPS_ONLY_ISA) return {choice};
    throw std::runtime_error(std::string("mriops was built for ") + name_of(Isa::MRIOPS_ONLY_ISA) +
                             " alone, which this processor does not have");
#endif
    return found;
#else
    return {Isa::generic};
#endif
}

Isa parse(const std::string& name, const char* argument) {
    const auto choices = available();
    if (name.empty()) return choices.back();
    std::string list;
    for (Isa choice : choices) {
        const std::string full = name_of(choice);
        if (name == full || "x86-64-" + name == full) return choice;
        list += (list.empty() ? "" : ", ") + full;
    }
    throw std::invalid_argument(std::string(argument) + ": expected one of " + list + " on this processor, got '" +
                                name + "'");
}

std::atomic<Isa>& chosen() {
    static std::atomic<Isa> value{[] {
        const char* wish = std::getenv("MRIOPS_ISA");
        return parse(wish ? wish : "", "MRIOPS_ISA");
    }()};
    return value;
}

}  // namespace

Isa isa() { return chosen().load(std::memory_order_relaxed); }
const char* isa_name() { return name_of(isa()); }

std::vector<std::string> isa_choices() {
    std::vector<std::string> names;
    for (Isa choice : available()) names.emplace_back(name_of(choice));
    return names;
}

void set_isa(const std::string& name) { chosen().store(parse(name, "isa"), std::memory_order_relaxed); }

}  // namespace mriops
