// Plans by length, made once per process and kept.
#pragma once
#include <map>
#include <memory>
#include <mutex>

#include "plan.h"

namespace mriops {
namespace {

template <class T>
const Plan<T>& plan_for(int64_t n) {
    static std::mutex mutex;
    static std::map<int64_t, std::unique_ptr<const Plan<T>>> plans;
    const std::lock_guard<std::mutex> lock(mutex);
    auto& slot = plans[n];
    if (!slot) slot = std::make_unique<const Plan<T>>(n);
    return *slot;
}

}  // namespace
}  // namespace mriops
