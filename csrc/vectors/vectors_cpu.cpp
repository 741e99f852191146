// dot, add_scaled, descend, and their table for one instruction set.
#include "vectors.h"

#include <algorithm>

#include "../core/by_dtype.h"
#include "../core/isa_namespace.h"
#include "../core/parallel.h"
#include "../core/scratch.h"

namespace mriops {
namespace {

constexpr int64_t kChunk = 8192;    // numbers a job handles: its sums are rounded the same whoever makes them
constexpr int64_t kWritten = 1024;  // numbers written before they are read again, while the first-level cache has them
constexpr int kSums = 32;           // running sums side by side, which the compiler keeps in registers

int64_t chunks_of(const VectorRows& rows) { return (rows.n + kChunk - 1) / kChunk; }

// f(row, first number, count) for every chunk of every row.
template <class F>
void over_chunks(const VectorRows& rows, int threads, const F& f) {
    const int64_t chunks = chunks_of(rows), jobs = rows.batch * chunks;
    threads = int(std::min<int64_t>(threads, 1 + rows.batch * rows.n / (4 * kChunk)));
    parallel_for(jobs, threads, [&](int64_t job, int) {
        const int64_t row = job / chunks, from = (job % chunks) * kChunk;
        f(row, row * rows.n + from, std::min(kChunk, rows.n - from));
    });
}

// sum over i of a[i] * b[i]. Nothing is written, so that the compiler has no reason to make it twice, for arrays that
// lie near each other and apart: the two would be rounded differently.
template <class T>
double sum_of_products(int64_t n, const T* a, const T* b) {
    T sums[kSums] = {};
    int64_t i = 0;
    for (; i + kSums <= n; i += kSums)
#pragma GCC unroll 32
        for (int l = 0; l < kSums; ++l) sums[l] += a[i + l] * b[i + l];
    double total = 0;
    for (; i < n; ++i) total += double(a[i] * b[i]);
    for (const T s : sums) total += double(s);
    return total;
}

// out[row] = sum over the row of what f(first number, count) returns for its chunks.
template <class T, class F>
void reduce(const VectorRows& rows, T* out, int threads, const F& f) {
    const int64_t chunks = chunks_of(rows);
    double* parts = scratch<double>(Scratch::accumulator, size_t(rows.batch * chunks));
    over_chunks(rows, threads, [&](int64_t row, int64_t at, int64_t count) {
        parts[row * chunks + (at - row * rows.n) / kChunk] = f(row, at, count);
    });
    for (int64_t row = 0; row < rows.batch; ++row) {
        double total = 0;
        for (int64_t c = 0; c < chunks; ++c) total += parts[row * chunks + c];
        out[row] = T(total);
    }
}

template <class T>
void run_dot(const VectorRows& rows, const T* x, const T* y, T* out, int threads) {
    reduce(rows, out, threads,
           [=](int64_t, int64_t at, int64_t count) { return sum_of_products(count, x + at, y + at); });
}

template <class T>
void run_add_scaled(const VectorRows& rows, const T* x, const T* y, const T* factor, T* out, int threads) {
    over_chunks(rows, threads, [=](int64_t row, int64_t at, int64_t count) {
        const T *b = y + at, f = factor[row];
        T* to = out + at;
        if (!x) {
#pragma GCC ivdep
            for (int64_t i = 0; i < count; ++i) to[i] = f * b[i];
            return;
        }
        const T* a = x + at;
#pragma GCC ivdep
        for (int64_t i = 0; i < count; ++i) to[i] = a[i] + f * b[i];
    });
}

template <class T>
void run_descend(const VectorRows& rows, const T* p, const T* q, const T* step, T* x, T* r, T* norm2, int threads) {
    reduce(rows, norm2, threads, [=](int64_t row, int64_t at, int64_t count) {
        const T *direction = p + at, *image = q + at, length = step[row];
        T *solution = x + at, *residual = r + at;
        double sum = 0;
        for (int64_t done = 0; done < count; done += kWritten) {
            const int64_t end = std::min(done + kWritten, count);
#pragma GCC ivdep
            for (int64_t i = done; i < end; ++i) solution[i] += length * direction[i];
#pragma GCC ivdep
            for (int64_t i = done; i < end; ++i) residual[i] -= length * image[i];
            sum += sum_of_products(end - done, residual + done, residual + done);
        }
        return sum;
    });
}

}  // namespace

namespace MRIOPS_ISA_NAMESPACE {

static void dot(const VectorRows& rows, Dtype dtype, const void* x, const void* y, void* out, int threads) {
    MRIOPS_BY_DTYPE(run_dot<T>, rows, MRIOPS_IN(x), MRIOPS_IN(y), MRIOPS_OUT(out), threads)
}
static void add_scaled(const VectorRows& rows, Dtype dtype, const void* x, const void* y, const void* factor, void* out,
                       int threads) {
    MRIOPS_BY_DTYPE(run_add_scaled<T>, rows, MRIOPS_IN(x), MRIOPS_IN(y), MRIOPS_IN(factor), MRIOPS_OUT(out), threads)
}
static void descend(const VectorRows& rows, Dtype dtype, const void* p, const void* q, const void* step, void* x,
                    void* r, void* norm2, int threads) {
    MRIOPS_BY_DTYPE(run_descend<T>, rows, MRIOPS_IN(p), MRIOPS_IN(q), MRIOPS_IN(step), MRIOPS_OUT(x), MRIOPS_OUT(r),
                    MRIOPS_OUT(norm2), threads)
}

}  // namespace MRIOPS_ISA_NAMESPACE

namespace isa = MRIOPS_ISA_NAMESPACE;

extern const VectorKernels MRIOPS_PASTE(vector_kernels_, MRIOPS_ISA) = {isa::dot, isa::add_scaled, isa::descend};

}  // namespace mriops
