// The thread pool: every index once, slots that never meet, exceptions, nesting, many callers, forks, dispatch time.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/parallel.h"
#include "expect.h"

using mriops::parallel_for;

namespace {

void every_index_once_and_slots_never_meet() {
    for (int threads : {1, 2, 3, 8}) {
        for (int64_t n : {0, 1, 2, 3, 7, 1000}) {
            std::vector<std::atomic<int>> visits(static_cast<size_t>(n));
            std::vector<std::atomic<int>> inside(static_cast<size_t>(threads));
            std::atomic<int> met{0}, foreign{0};
            parallel_for(n, threads, [&](int64_t i, int slot) {
                if (slot < 0 || slot >= threads) {
                    ++foreign;
                    return;
                }
                if (inside[static_cast<size_t>(slot)].fetch_add(1) != 0) ++met;
                ++visits[static_cast<size_t>(i)];
                inside[static_cast<size_t>(slot)].fetch_sub(1);
            });
            EXPECT(foreign == 0, "%d slots outside [0, %d)", foreign.load(), threads);
            EXPECT(met == 0, "a slot was used by two threads at once, %d times", met.load());
            for (auto& count : visits) EXPECT(count == 1, "an index ran %d times", count.load());
        }
    }
}

void workers_take_part() {
    std::atomic<int> arrived{0};
    parallel_for(2, 2, [&](int64_t, int) {
        ++arrived;
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (arrived < 2 && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
    });
    EXPECT(arrived == 2, "two items did not run side by side");
    EXPECT(mriops::pool_workers() >= 1, "the pool has no worker");
}

void exceptions_reach_the_caller() {
    for (int threads : {1, 4}) {
        for (int repeat = 0; repeat < 200; ++repeat) {
            bool caught = false;
            try {
                parallel_for(100, threads, [&](int64_t i, int) {
                    if (i == 13) throw std::runtime_error("thirteen");
                });
            } catch (const std::runtime_error& error) {
                caught = std::strcmp(error.what(), "thirteen") == 0;
            }
            EXPECT(caught, "the exception was lost with %d threads", threads);
        }
    }
}

void nested_calls_run_serially() {
    std::atomic<int> count{0}, foreign{0};
    parallel_for(16, 4, [&](int64_t, int) {
        const auto self = std::this_thread::get_id();
        parallel_for(16, 4, [&](int64_t, int slot) {
            ++count;
            if (slot != 0 || std::this_thread::get_id() != self) ++foreign;
        });
    });
    EXPECT(count == 256, "%d of 256 ran", count.load());
    EXPECT(foreign == 0, "%d nested items left their thread", foreign.load());
}

int64_t sum_in_parallel(int64_t n, int threads) {
    std::atomic<int64_t> sum{0};
    parallel_for(n, threads, [&](int64_t i, int) { sum += i; });
    return sum;
}

void many_callers_at_once() {
    std::atomic<int> wrong{0};
    std::vector<std::thread> callers;
    for (int c = 0; c < 6; ++c)
        callers.emplace_back([&, c] {
            for (int repeat = 0; repeat < 500; ++repeat)
                if (sum_in_parallel(10 + c, 3) != (10 + c) * (9 + c) / 2) ++wrong;
        });
    for (auto& caller : callers) caller.join();
    EXPECT(wrong == 0, "%d sums were wrong", wrong.load());
}

void works_after_fork(int depth) {
    EXPECT(sum_in_parallel(100, 4) == 4950, "wrong sum before the fork");
    const pid_t child = fork();
    EXPECT(child >= 0, "fork failed");
    if (child == 0) {
        alarm(60);  // a pool that hangs ends the child with a signal
        if (mriops::pool_workers() != 0) _exit(2);
        if (sum_in_parallel(100, 4) != 4950) _exit(3);
        if (mriops::pool_workers() == 0) _exit(4);
        if (depth > 1) works_after_fork(depth - 1);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with status %d", status);
    EXPECT(sum_in_parallel(100, 4) == 4950, "wrong sum in the parent after the fork");
}

void say_dispatch_time() {
    std::vector<double> micros;
    for (int repeat = 0; repeat < 2000; ++repeat) {
        const auto start = std::chrono::steady_clock::now();
        parallel_for(2, 2, [](int64_t, int) {});
        micros.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
    }
    std::nth_element(micros.begin(), micros.begin() + 1000, micros.end());
    std::printf("dispatch to two threads: %.2f us (median of 2000)\n", micros[1000]);
}

}  // namespace

int main() {
    every_index_once_and_slots_never_meet();
    workers_take_part();
    exceptions_reach_the_caller();
    nested_calls_run_serially();
    many_callers_at_once();
    works_after_fork(2);
    say_dispatch_time();
    return 0;
}
