// parallel_for over a fork-aware thread pool of our own: no OpenMP, which hangs in forked children and slows torch
// when a wheel brings a second copy of libgomp.
#pragma once
#include <cstdint>
#include <memory>
#include <type_traits>

namespace mriops {

// Calls body(context, i, slot) for every i in [0, n) on at most `threads` threads, the calling one included.
void parallel_run(int64_t n, int threads, void (*body)(void* context, int64_t i, int slot), void* context);

// Threads that the pool has started in this process (0 before first use and after a fork).
int pool_workers();

// Calls f(int64_t i, int slot) for every i in [0, n). Each i runs exactly once, in no fixed order; two calls that run
// at the same time have different slots, 0 <= slot < nthreads, so a slot can index scratch. The first exception thrown
// by f stops the rest and is rethrown here. A call made from inside f runs serially with slot 0. Results must not
// depend on the slot nor on how many threads take part: split reductions by a fixed number of chunks.
template <class F>
void parallel_for(int64_t n, int nthreads, F&& f) {
    using Body = std::remove_reference_t<F>;
    parallel_run(
        n, nthreads, [](void* context, int64_t i, int slot) { (*static_cast<Body*>(context))(i, slot); },
        const_cast<void*>(static_cast<const void*>(std::addressof(f))));
}

}  // namespace mriops
