// Where the arrays of a problem keep map set, coil and batch item; steps and offsets in units of the real type.
#pragma once
#include "coils.h"

namespace mriops {
namespace {

template <class T>
struct Arrays {
    explicit Arrays(const SenseProblem& p) : p(p), volume(2 * p.nz * p.ny * p.nx) {}
    SenseProblem p;
    int64_t volume;

    int64_t csm(int64_t b, int64_t c) const { return ((b / p.batch_per_csm) * p.maps * p.coils + c) * volume; }
    int64_t csm_map_step() const { return p.coils * volume; }
    int64_t image(int64_t b) const { return b * p.maps * volume; }
    int64_t image_map_step() const { return volume; }
    int64_t kspace(int64_t b, int64_t c) const { return (b * p.coils + c) * volume; }
    int64_t tile(int64_t z, int64_t t) const { return 2 * (z * p.ny * p.nx + t * kWidth<T>); }
    int64_t row_step() const { return 2 * p.nx; }
    int lanes(int64_t t) const { return tile_lanes<T>(p.nx, t); }
    bool fast(int64_t t) const { return p.maps == 1 && lanes(t) == kWidth<T>; }
};

// Calls f with std::true_type for full tiles of a single map, which need no lane counts and no loop.
template <class F>
inline void with_fast(bool fast, const F& f) {
    if (fast)
        f(std::true_type{});
    else
        f(std::false_type{});
}

// Rows [y0, y1) of the sum of `count` planar partial sums, maps after one another, to an
// interleaved image.
template <class T>
inline void write_planar(const Cx<T>* parts, int64_t count, int64_t maps, int64_t vectors, int64_t ny, T* image,
                         int64_t image_map_step, int64_t y0, int64_t y1) {
    const int64_t plane = ny * vectors, item = maps * plane;
    for (int64_t m = 0; m < maps; ++m)
        for (int64_t i = y0 * vectors; i < y1 * vectors; ++i) {
            const Cx<T>* from = parts + m * plane + i;
            Cx<T> v = from[0];
            for (int64_t n = 1; n < count; ++n) v = v + from[n * item];
            store_complex(image + m * image_map_step + 2 * i * kWidth<T>, v);
        }
}

// Whether an array is written round the caches: aligned, and larger than those of a core. One that is read again at
// once has to be larger than the cache that cores share, too.
template <class T>
inline bool streamed(const T* array, int64_t values, bool read_again = false) {
    const int64_t kept = int64_t(read_again ? 16 : 4) << 20;
    return reinterpret_cast<uintptr_t>(array) % sizeof(Vec<T>) == 0 && int64_t(2 * sizeof(T)) * values >= kept;
}

// As many threads as there is work for: waking one costs as much as some ten thousand samples.
inline int useful_threads(int threads, int64_t samples) { return int(std::min<int64_t>(threads, 1 + samples / 16384)); }

// Sums over coils are split into this many parts, whatever the number of threads, so that results do not depend on it;
// with many images to share among the threads none is needed.
inline int64_t coil_chunks(int64_t images, int64_t coils) { return images >= 8 ? 1 : std::min<int64_t>(coils, 8); }

}  // namespace
}  // namespace mriops
