// The three axes of a volume as a transform sees them: which are transformed, and what each position of a plan stands
// for.
#pragma once
#include <algorithm>
#include <cmath>
#include "../fft/plan_cache.h"

#include "weights.h"

namespace mriops {
namespace {

template <class T>
struct Axis {
    int64_t n;
    const Plan<T>* plan;  // null: not transformed, and nothing moves

    Axis(int64_t size, bool active, Stay stay)
        : n(size), plan(active && size > 1 ? &plan_for<T>(size, stay) : nullptr) {}

    // Array index of transform index i.
    int64_t spatial(int64_t i) const { return plan ? centred(i, n) : i; }
    // Array index of the frequency that a transform leaves at `position`.
    int64_t spectral(int64_t position) const { return plan ? centred(plan->frequency[size_t(position)], n) : position; }
    // The inverse of both.
    int64_t index_of_spatial(int64_t at) const { return plan ? from_centre(at) : at; }
    int64_t position_of_spectral(int64_t at) const { return plan ? plan->position[size_t(from_centre(at))] : at; }
    int64_t work_rows() const { return plan ? plan->work_rows() : 0; }

  private:
    int64_t from_centre(int64_t at) const { return at < n / 2 ? at - n / 2 + n : at - n / 2; }
};

template <class T>
struct Axes {
    Axis<T> z, y, x;
    Axes(int64_t nz, int64_t ny, int64_t nx, bool do_z, bool do_y, bool do_x, Stay stay = Stay::anywhere)
        : z(nz, do_z, stay), y(ny, do_y, stay), x(nx, do_x, stay) {}
    int64_t volume() const { return z.n * y.n * x.n; }
    int64_t plane() const { return y.n * x.n; }
    int64_t work_rows() const { return std::max(z.work_rows(), std::max(y.work_rows(), x.work_rows())); }
    // 1 / sqrt(product of the transformed lengths)
    T scale() const {
        double n = 1;
        for (const Axis<T>* a : {&z, &y, &x}) n *= a->plan ? double(a->n) : 1;
        return T(1 / std::sqrt(n));
    }
};

}  // namespace
}  // namespace mriops
