// The scheduler of the GPU emulator: fibres for the threads of a block, barriers, shuffles, shared memory.
#ifdef MRIOPS_EMU
#include "gpu_emulator.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "gpu_emulator_fibre.h"

namespace mriops::emu {

thread_local Thread* self = nullptr;

namespace {

constexpr unsigned kMaxThreads = 1024;

std::atomic<uint64_t> chosen_seed{~uint64_t(0)};  // all ones: not chosen, the environment decides

uint64_t current_seed() {
    const uint64_t seed = chosen_seed.load(std::memory_order_relaxed);
    if (seed != ~uint64_t(0)) return seed;
    const char* text = std::getenv("MRIOPS_EMU_SEED");
    return text ? std::strtoull(text, nullptr, 10) : 0;
}

struct Random {
    uint64_t state;
    uint64_t next() {  // splitmix64
        uint64_t z = (state += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    template <class T>
    void shuffle(T* items, std::size_t count) {
        for (std::size_t i = count; i > 1; --i) std::swap(items[i - 1], items[next() % i]);
    }
};

enum class State : unsigned char { unstarted, running, at_barrier, in_warp, finished };

struct Slot {
    Thread view;
    Fibre* fibre;
    State state;
    const char* file;
    int line;
    unsigned mask;        // of the warp operation it waits in
    unsigned operations;  // warp operations begun, whose parity picks the table
    alignas(16) unsigned char table[2][16];
};

struct SharedArray {
    const void* tag;
    std::unique_ptr<unsigned char[]> bytes;
};

[[noreturn]] void fibre_main();

// One per CPU thread that launches kernels.
struct Machine {
    std::vector<Slot> slots;
    std::vector<Fibre*> idle, all;
    std::vector<unsigned> order;
    std::vector<SharedArray> arrays;
    std::size_t cursor = 0;
    unsigned threads = 0, current = 0, finished = 0;
    Fibre main;
    Fibre* active = nullptr;
    Body body = nullptr;
    void* context = nullptr;
    const char* name = "";
    std::string failure;
    Random random{0};
    bool shuffled = false, vacant = false;
    std::size_t main_size = 0;

    ~Machine() {
        for (Fibre* fibre : all) delete fibre;
    }

    Fibre* idle_fibre() {
        if (idle.empty()) {
            Fibre* fibre = new Fibre;
            fibre->allocate();
            fibre->rewind(&fibre_main);
            all.push_back(fibre);
            return fibre;
        }
        Fibre* fibre = idle.back();
        idle.pop_back();
        return fibre;
    }

    void switch_to(Fibre* to) {
        Fibre* from = active;
        active = to;
#ifdef MRIOPS_ASAN
        if (to == &main)
            __sanitizer_start_switch_fiber(&from->fake_stack, main.bottom, main_size);
        else
            __sanitizer_start_switch_fiber(&from->fake_stack, to->bottom, kStackBytes);
#endif
#ifdef MRIOPS_UCONTEXT
        swapcontext(&from->context, &to->context);
#else
        mriops_emu_switch(&from->left_at, to->left_at);
#endif
        arrived(from);
    }

    // Called first thing on the stack that was switched to.
    void arrived([[maybe_unused]] Fibre* here) {
#ifdef MRIOPS_ASAN
        const void* bottom = nullptr;
        std::size_t size = 0;
        __sanitizer_finish_switch_fiber(here->fake_stack, &bottom, &size);
        if (main.bottom == nullptr) {  // the first switch of all came from the CPU thread's own stack
            main.bottom = static_cast<char*>(const_cast<void*>(bottom));
            main_size = size;
        }
#endif
    }

    void fail(std::string text) {
        if (failure.empty()) failure = "mriops emulator, kernel " + std::string(name) + ": " + std::move(text);
    }

    std::string where(const Slot& slot) const {
        return std::string(slot.file) + ":" + std::to_string(slot.line) + " (thread " +
               std::to_string(slot.view.thread.x) + ", block " + std::to_string(slot.view.block.x) + ")";
    }

    // Every thread of the round has stopped: decide who goes on. False when the block is done or has failed.
    bool next_round() {
        if (finished == threads) return false;
        order.clear();
        const Slot *first = nullptr, *other = nullptr;
        unsigned waiting = 0;
        for (unsigned t = 0; t < threads; ++t) {
            const Slot& slot = slots[t];
            if (slot.state != State::at_barrier) continue;
            ++waiting;
            if (!first) first = &slot;
            if (slot.line != first->line || std::strcmp(slot.file, first->file) != 0) other = &slot;
        }
        if (other) {
            fail("divergent barrier: threads wait at " + where(*first) + " and at " + where(*other));
            return false;
        }
        if (waiting == threads) {
            for (unsigned t = 0; t < threads; ++t) order.push_back(t);
        } else {
            for (unsigned warp = 0; warp < threads; warp += 32) release_warp(warp);
        }
        if (order.empty()) {
            for (unsigned t = 0; t < threads && !first; ++t)
                if (slots[t].state == State::in_warp) first = &slots[t];
            fail("deadlock: " + std::to_string(waiting) + " of " + std::to_string(threads) +
                 " threads wait at a barrier, " + std::to_string(finished) + " have returned; one waits at " +
                 where(*first));
            return false;
        }
        if (shuffled) random.shuffle(order.data(), order.size());
        cursor = 0;
        return true;
    }

    void release_warp(unsigned warp) {
        unsigned arrived_lanes = 0;
        const unsigned lanes = threads - warp < 32 ? threads - warp : 32;
        const unsigned existing = lanes == 32 ? 0xffffffffu : (1u << lanes) - 1;
        for (unsigned lane = 0; lane < lanes; ++lane)
            if (slots[warp + lane].state == State::in_warp) arrived_lanes |= 1u << lane;
        for (unsigned lane = 0; lane < lanes; ++lane) {
            const Slot& slot = slots[warp + lane];
            if (slot.state == State::in_warp && (slot.mask & existing & ~arrived_lanes) == 0)
                order.push_back(warp + lane);
        }
    }

    // Goes on with the next thread of the round. Returns when the caller's thread is up again; for a fibre whose thread
    // has returned (`vacant`), when `current` is a fresh thread for it to run.
    void advance() {
        if (!failure.empty() || (cursor == order.size() && !next_round())) {
            if (vacant) idle.push_back(active);
            vacant = false;
            switch_to(&main);
            return;
        }
        current = order[cursor++];
        Slot& slot = slots[current];
        self = &slot.view;
        const bool fresh = slot.state == State::unstarted;
        slot.state = State::running;
        if (fresh && vacant) {  // kernels without a barrier run all their threads this way, without a switch
            slot.fibre = active;
            vacant = false;
            return;
        }
        if (fresh) slot.fibre = idle_fibre();
        if (vacant) idle.push_back(active);
        vacant = false;
        if (slot.fibre != active) switch_to(slot.fibre);
    }

    void wait(State state, unsigned mask, const char* file, int line) {
        Slot& slot = slots[current];
        slot.state = state;
        slot.mask = mask;
        slot.file = file;
        slot.line = line;
        advance();
    }

    void run_block(dim3 block_index, dim3 block, dim3 grid, unsigned char* shared) {
        unsigned t = 0;
        for (unsigned z = 0; z < block.z; ++z)
            for (unsigned y = 0; y < block.y; ++y)
                for (unsigned x = 0; x < block.x; ++x, ++t) {
                    Slot& slot = slots[t];
                    slot.view = {dim3(x, y, z), block_index, block, grid, shared};
                    slot.state = State::unstarted;
                    slot.operations = 0;
                }
        order.resize(threads);
        for (unsigned i = 0; i < threads; ++i) order[i] = i;
        if (shuffled) random.shuffle(order.data(), order.size());
        cursor = 0;
        finished = 0;
        arrays.clear();
        active = &main;
        vacant = false;
        advance();  // comes back when the block is done or has failed
        if (!failure.empty()) {
            idle = all;  // stacks of unfinished threads are dropped: kernels own nothing
            for (Fibre* fibre : idle) fibre->rewind(&fibre_main);
            throw std::runtime_error(std::exchange(failure, std::string()));
        }
    }
};

Machine& machine() {
    static thread_local Machine instance;
    return instance;
}

void fibre_main() {
    Machine& m = machine();
    m.arrived(m.active);
    for (;;) {
        m.body(m.context);
        m.slots[m.current].state = State::finished;
        ++m.finished;
        m.vacant = true;
        m.advance();
    }
}

}  // namespace

void set_seed(uint64_t seed) { chosen_seed.store(seed, std::memory_order_relaxed); }

void barrier(const char* file, int line) { machine().wait(State::at_barrier, 0, file, line); }

void warp_barrier(unsigned mask, const char* file, int line) { machine().wait(State::in_warp, mask, file, line); }

int lane_index() {
    const Machine& m = machine();
    return static_cast<int>(m.current % 32);
}

void exchange(unsigned mask, const void* mine, void* theirs, std::size_t bytes, int lane, const char* file, int line) {
    Machine& m = machine();
    const unsigned me = m.current;
    const unsigned parity = m.slots[me].operations++ & 1;
    std::memcpy(m.slots[me].table[parity], mine, bytes);
    m.wait(State::in_warp, mask, file, line);
    const unsigned source = me / 32 * 32 + static_cast<unsigned>(lane);
    std::memcpy(theirs, m.slots[source < m.threads ? source : me].table[parity], bytes);
}

unsigned ballot(unsigned mask, bool predicate, const char* file, int line) {
    Machine& m = machine();
    const unsigned me = m.current, warp = me / 32 * 32;
    const unsigned parity = m.slots[me].operations++ & 1;
    m.slots[me].table[parity][0] = predicate;
    m.wait(State::in_warp, mask, file, line);
    unsigned bits = 0;
    for (unsigned lane = 0; lane < 32 && warp + lane < m.threads; ++lane)
        if (mask >> lane & 1 && m.slots[warp + lane].table[parity][0]) bits |= 1u << lane;
    return bits;
}

void* shared_array(const void* tag, std::size_t bytes) {
    Machine& m = machine();
    for (SharedArray& array : m.arrays)
        if (array.tag == tag) return array.bytes.get();
    m.arrays.push_back({tag, std::unique_ptr<unsigned char[]>(new unsigned char[bytes])});
    std::memset(m.arrays.back().bytes.get(), 0xCD, bytes);
    return m.arrays.back().bytes.get();
}

void run_grid(const char* name, dim3 grid, dim3 block, std::size_t shared_bytes, Body body, void* context) {
    Machine& m = machine();
    const uint64_t threads = uint64_t(block.x) * block.y * block.z;
    const uint64_t blocks = uint64_t(grid.x) * grid.y * grid.z;
    m.name = name;
    if (threads == 0 || threads > kMaxThreads || blocks == 0 || grid.x > 0x7fffffffu || grid.y > 65535 ||
        grid.z > 65535)
        throw std::runtime_error("mriops emulator, kernel " + std::string(name) + ": invalid grid or block size");
    if (shared_bytes > 227 * 1024)
        throw std::runtime_error("mriops emulator, kernel " + std::string(name) + ": too much shared memory");
    m.threads = static_cast<unsigned>(threads);
    if (m.slots.size() < threads) m.slots.resize(threads);
    m.body = body;
    m.context = context;
    const uint64_t seed = current_seed();
    m.shuffled = seed != 0;
    m.random.state = seed;
    // Its own allocation, so that AddressSanitizer sees where it ends.
    std::unique_ptr<unsigned char[]> shared(new unsigned char[shared_bytes]);
    unsigned char* const base = shared.get();
    uint64_t start = 0, step = 1;
    if (m.shuffled) {  // blocks backwards or forwards from anywhere: order between blocks means nothing
        start = m.random.next() % blocks;
        step = m.random.next() % 2 ? 1 : blocks - 1;
    }
    uint64_t index = start;
    for (uint64_t i = 0; i < blocks; ++i) {
        std::memset(base, 0xCD, shared_bytes);
        const dim3 block_index(unsigned(index % grid.x), unsigned(index / grid.x % grid.y),
                               unsigned(index / grid.x / grid.y));
        m.run_block(block_index, block, grid, base);
        index = (index + step) % blocks;
    }
}

}  // namespace mriops::emu
#endif  // MRIOPS_EMU
