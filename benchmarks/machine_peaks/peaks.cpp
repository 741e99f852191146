// Peaks of one core: bandwidth of copy and read per working-set size, and multiply-add rate; bandwidths of two cores at
// once, each with a working set of its own. Arguments: levels and their bytes. Prints "name value" lines; GB/s
// count bytes read plus bytes written, GFlop/s count a multiply-add as two.
// Compiled once per instruction set (-march=...): LANES is the vector width in floats.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>
#include <vector>

#ifndef LANES
#define LANES 4
#endif

typedef float vec __attribute__((vector_size(LANES * 4), aligned(LANES * 4)));

static double now() {
    using namespace std::chrono;
    return duration<double>(steady_clock::now().time_since_epoch()).count();
}

// Best of some runs of at least 20 ms each: the peak, not the mood of a shared machine. body(core) on each of `cores`.
template <class F>
static double best_rate(double work, F&& body, int cores = 1) {
    double best = 0;
    int64_t repeats = 1;
    for (int tries = 0; tries < 12;) {
        const double t0 = now();
        const auto repeat = [&](int core) {
            for (int64_t r = 0; r < repeats; ++r) body(core);
        };
        std::vector<std::thread> others;
        for (int core = 1; core < cores; ++core) others.emplace_back(repeat, core);
        repeat(0);
        for (std::thread& other : others) other.join();
        const double t = now() - t0;
        if (t < 0.02) {
            repeats *= 2;
            continue;
        }
        const double rate = work * double(cores) * double(repeats) / t;
        best = rate > best ? rate : best;
        ++tries;
    }
    return best * 1e-9;
}

static void bandwidth(int cores, const char* level, int64_t bytes) {
    const int64_t n = bytes / 2 / int64_t(sizeof(vec));
    std::vector<vec*> from, to;
    for (int core = 0; core < cores; ++core)
        for (std::vector<vec*>* arrays : {&from, &to}) {
            vec* const array = static_cast<vec*>(std::aligned_alloc(4096, size_t(n) * sizeof(vec)));
            if (!array) std::exit(1);
            std::memset(static_cast<void*>(array), 0, size_t(n) * sizeof(vec));
            arrays->push_back(array);
        }
    const double copied = double(2 * n) * sizeof(vec);
    const auto copy = [&](int core) {
        const vec* const a = from[size_t(core)];
        vec* const b = to[size_t(core)];
        for (int64_t i = 0; i < n; ++i) b[i] = a[i];
        asm volatile("" : : "r"(b) : "memory");
    };
    const auto read = [&](int core) {
        const vec *const a = from[size_t(core)], *const b = to[size_t(core)];
        vec s0{}, s1{}, s2{}, s3{};
        for (int64_t i = 0; i + 2 <= n; i += 2) s0 += a[i], s1 += a[i + 1], s2 += b[i], s3 += b[i + 1];
        s0 += s1 + s2 + s3;
        asm volatile("" : : "r"(&s0) : "memory");
    };
    const double copies = best_rate(copied, copy, cores), reads = best_rate(copied, read, cores);
    const char* const of_two = cores == 1 ? "" : "_two_cores";
    std::printf("copy_%s%s %.3f\nread_%s%s %.3f\n", level, of_two, copies, level, of_two, reads);
    for (std::vector<vec*>* arrays : {&from, &to})
        for (vec* array : *arrays) std::free(array);
}

static void multiply_add() {
    // 12 independent chains hide the latency (4-5 cycles x 2 units) and still fit 16 registers.
    vec acc[12], x, y;
    for (int l = 0; l < LANES; ++l) x[l] = 0.999f, y[l] = 1e-3f;
    for (auto& v : acc) v = y;
    asm volatile("" : "+m"(x), "+m"(y));
    const vec xx = x, yy = y;
    const int64_t steps = 4096;
    const double rate = best_rate(double(steps) * 12 * LANES * 2, [&](int) {
        vec r0 = acc[0], r1 = acc[1], r2 = acc[2], r3 = acc[3], r4 = acc[4], r5 = acc[5];
        vec r6 = acc[6], r7 = acc[7], r8 = acc[8], r9 = acc[9], ra = acc[10], rb = acc[11];
        for (int64_t i = 0; i < steps; ++i) {
            r0 = r0 * xx + yy, r1 = r1 * xx + yy, r2 = r2 * xx + yy, r3 = r3 * xx + yy;
            r4 = r4 * xx + yy, r5 = r5 * xx + yy, r6 = r6 * xx + yy, r7 = r7 * xx + yy;
            r8 = r8 * xx + yy, r9 = r9 * xx + yy, ra = ra * xx + yy, rb = rb * xx + yy;
        }
        acc[0] = r0, acc[1] = r1, acc[2] = r2, acc[3] = r3, acc[4] = r4, acc[5] = r5;
        acc[6] = r6, acc[7] = r7, acc[8] = r8, acc[9] = r9, acc[10] = ra, acc[11] = rb;
        asm volatile("" : : "r"(acc) : "memory");
    });
    std::printf("fma %.3f\n", rate);
}

int main(int argc, char** argv) {
    multiply_add();
    for (int i = 1; i + 1 < argc; i += 2)
        for (int cores = 1; cores <= 2; ++cores) bandwidth(cores, argv[i], std::atoll(argv[i + 1]));
    return 0;
}
