// The thread pool behind parallel_for.
//
// The caller works too and waits only for the workers that joined its job, so a small job never waits for a sleeping
// thread to wake. Several threads may call at once: their jobs stand in one list and workers take the first that has a
// free slot. After a fork the child starts with an empty pool (its parent's threads do not exist there).
#include "parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>

namespace mriops {
namespace {

constexpr int max_workers = 255;
using Clock = std::chrono::steady_clock;
constexpr Clock::duration longest_wait_awake = std::chrono::milliseconds(1);
// About 20 us on current machines: longer than the gap between two kernels of a solver, too short to be felt elsewhere.
constexpr int spins_before_sleep = 500;

void pause_briefly() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// A sleeping thread is often woken on the processor of the one that wakes it, and waits there although another is free,
// until the system notices some milliseconds later. To go away is to be forbidden that processor for a moment.
void leave_processor([[maybe_unused]] int processor) {
#if defined(__linux__)
    if (processor < 0 || sched_getcpu() != processor) return;
    cpu_set_t allowed, others;
    if (pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed)) return;
    others = allowed;
    CPU_CLR(processor, &others);
    if (CPU_COUNT(&others) > 0 && !pthread_setaffinity_np(pthread_self(), sizeof others, &others))
        pthread_setaffinity_np(pthread_self(), sizeof allowed, &allowed);
#endif
}

int this_processor() {
#if defined(__linux__)
    return sched_getcpu();
#else
    return -1;
#endif
}

struct Job {
    Job(int64_t n, int slots, void (*body)(void*, int64_t, int), void* context)
        : n(n), slots(slots), body(body), context(context) {}

    void work(int slot) {
        try {
            for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < n;) body(context, i, slot);
        } catch (...) {
            next.store(n, std::memory_order_relaxed);
            std::lock_guard<std::mutex> lock(failure_mutex);
            if (!failure) failure = std::current_exception();
        }
    }
    bool open() const { return slots_taken < slots && next.load(std::memory_order_relaxed) < n; }

    const int64_t n;
    const int slots;
    void (*const body)(void*, int64_t, int);
    void* const context;
    const int processor = this_processor();  // the caller's
    std::atomic<int64_t> next{0};
    int slots_taken = 1;          // guarded by the pool's mutex; slot 0 is the caller's
    std::atomic<int> running{0};  // workers inside work(); written under the pool's mutex
    Job* following = nullptr;     // guarded by the pool's mutex
    std::mutex failure_mutex;
    std::exception_ptr failure;
};

class Pool {
  public:
    void run(Job& job) {
        {
            std::lock_guard<std::mutex> lock(mutex_);
            start_workers(job.slots - 1);
            Job** end = &jobs_;
            while (*end) end = &(*end)->following;
            *end = &job;
            published_.fetch_add(1, std::memory_order_release);
        }
        if (sleeping_.load(std::memory_order_relaxed) > 0) {
            if (job.slots == 2)
                wake_.notify_one();
            else
                wake_.notify_all();
        }
        const Clock::time_point begun = Clock::now();
        job.work(0);
        wait_awake(job, begun);
        std::unique_lock<std::mutex> lock(mutex_);
        Job** link = &jobs_;
        while (*link != &job) link = &(*link)->following;
        *link = job.following;
        finished_.wait(lock, [&] { return job.running.load(std::memory_order_relaxed) == 0; });
    }

    int workers() const { return workers_.load(std::memory_order_relaxed); }

  private:
    // Until the workers are done, but no longer than a quarter of the time that the job took so far: to be woken takes
    // a tenth of a millisecond, in which the workers fall asleep as well.
    static void wait_awake(const Job& job, Clock::time_point begun) {
        const Clock::time_point now = Clock::now(), until = now + std::min((now - begun) / 4, longest_wait_awake);
        do {
            for (int i = 0; i < spins_before_sleep; ++i) {
                if (job.running.load(std::memory_order_relaxed) == 0) return;
                pause_briefly();
            }
        } while (Clock::now() < until);
    }

    // Needs the mutex. A system that refuses more threads leaves the job with those there are.
    void start_workers(int wanted) {
        wanted = std::min(wanted, max_workers);
        if (workers() >= wanted) return;
        sigset_t all, before;  // signals belong to the interpreter's own threads
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        while (workers() < wanted) {
            pthread_t thread;
            if (pthread_create(&thread, nullptr, [](void* pool) { return static_cast<Pool*>(pool)->serve(); }, this))
                break;
            pthread_detach(thread);
            workers_.fetch_add(1, std::memory_order_relaxed);
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    Job* first_open() const {
        Job* job = jobs_;
        while (job && !job->open()) job = job->following;
        return job;
    }

    void* serve();

    std::mutex mutex_;
    std::condition_variable wake_, finished_;
    Job* jobs_ = nullptr;
    std::atomic<uint64_t> published_{0};
    std::atomic<int> workers_{0}, sleeping_{0};
};

thread_local bool inside_job = false;

void* Pool::serve() {
    inside_job = true;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
        Job* job = first_open();
        if (!job) {
            const uint64_t seen = published_.load(std::memory_order_relaxed);
            lock.unlock();
            for (int i = 0; i < spins_before_sleep && published_.load(std::memory_order_relaxed) == seen; ++i)
                pause_briefly();
            lock.lock();
            if (first_open()) continue;
            sleeping_.fetch_add(1, std::memory_order_relaxed);
            wake_.wait(lock);
            sleeping_.fetch_sub(1, std::memory_order_relaxed);
            continue;
        }
        const int slot = job->slots_taken++;
        job->running.fetch_add(1, std::memory_order_relaxed);
        lock.unlock();
        leave_processor(job->processor);
        job->work(slot);
        lock.lock();
        if (job->running.fetch_sub(1, std::memory_order_relaxed) == 1) finished_.notify_all();
    }
}

// Never destroyed: its detached threads may still sleep in it when the process ends.
alignas(Pool) unsigned char pool_storage[sizeof(Pool)];

Pool& pool() {
    static Pool* const instance = [] {
        auto* made = new (pool_storage) Pool;
        // Built anew in place, for the old state may hold a locked mutex and counts threads that are gone.
        pthread_atfork(nullptr, nullptr, [] { new (pool_storage) Pool; });
        return made;
    }();
    return *instance;
}

}  // namespace

int pool_workers() { return pool().workers(); }

void parallel_run(int64_t n, int threads, void (*body)(void*, int64_t, int), void* context) {
    const int slots = static_cast<int>(std::min<int64_t>({n, threads, max_workers + 1}));
    if (slots <= 1 || inside_job) {
        for (int64_t i = 0; i < n; ++i) body(context, i, 0);
        return;
    }
    Job job(n, slots, body, context);
    inside_job = true;
    pool().run(job);
    inside_job = false;
    if (job.failure) std::rethrow_exception(job.failure);
}

}  // namespace mriops
