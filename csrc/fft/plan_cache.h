// Plans by length and by where rows stay, made once per process and kept.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "plan.h"

namespace mriops {
namespace {

template <class T>
const Plan<T>& plan_for(int64_t n, Stay stay = Stay::anywhere) {
    static std::mutex mutex;
    static std::map<std::pair<int64_t, Stay>, std::unique_ptr<const Plan<T>>> plans;
    const std::lock_guard<std::mutex> lock(mutex);
    auto& slot = plans[{n, stay}];
    if (!slot) slot = std::make_unique<const Plan<T>>(n, stay);
    return *slot;
}

}  // namespace
}  // namespace mriops
