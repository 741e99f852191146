// Normal operator where weights vary along x but not along z: plane by plane.
#pragma once
#include "coil_sums.h"
#include "gram_split.h"
#include "gram_tiled.h"

namespace mriops {
namespace {

// A plane kernel (SplitPlane or TiledPlane) with the arrays of a call, as sum_coils wants it.
template <class T, class Plane>
struct GramSum {
    const Arrays<T>& at;
    const Plane& plane;
    const ArrangedWeights<T>& weights;
    const T *image, *csm;
    T* out;

    int64_t planar_rows() const { return plane.planar_rows(); }
    void coils(int64_t b, int64_t z, int64_t begin, int64_t end, const CoilSums<T>& sums) const {
        const int64_t offset = at.tile(z, 0);
        plane.coils(csm + at.csm(b, 0) + offset, image + at.image(b) + offset, weights.of(b), begin, end, sums);
    }
    void write(const Cx<T>* parts, int64_t count, int64_t b, int64_t z, int64_t y0, int64_t y1) const {
        plane.write(parts, count, out + at.image(b) + at.tile(z, 0), y0, y1);
    }
};

template <class T, class Plane>
void run_planes(const SenseProblem& p, const Plane& plane, const T* image, const T* csm, const void* mask, T* out,
                int threads) {
    const Arrays<T> at(p);
    const ArrangedWeights<T> weights(p, plane, mask, threads);
    sum_coils<T>(p, GramSum<T, Plane>{at, plane, weights, image, csm, out}, threads);
}

template <class T>
void gram_planes(const SenseProblem& p, const ActiveAxes& active, const T* image, const T* csm, const void* mask,
                 T* out, int threads) {
    if (SplitPlane<T>::possible(p))
        run_planes(p, SplitPlane<T>(p, active), image, csm, mask, out, threads);
    else
        run_planes(p, TiledPlane<T>(p, active), image, csm, mask, out, threads);
}

}  // namespace
}  // namespace mriops
