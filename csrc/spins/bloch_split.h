// The split integrator where it is quick: nutation is one matrix per step for all isochromats (no transmit
// sensitivities), and precession one complex factor for as long as the gradient does not change.
#pragma once
#include "bloch_walk.h"

namespace mriops {
namespace {

template <class N>
class SplitPlan {
  public:
    SplitPlan(const BlochProblem&, const BlochTable<N>&) {}
    static constexpr bool quick() { return false; }
    template <int G, class Block>
    void walk(const BlochProblem&, Block*) {}
};

template <class T>
class SplitPlan<Values<T>> {
    using N = Values<T>;
    using Vec = LaneVec<T>;

  public:
    SplitPlan(const BlochProblem& p, const BlochTable<N>& table)
        : table_(table), quick_(p.split && !p.b1 && p.channels == 1) {
        if (!quick_) return;
        matrices_ = scratch<T>(Scratch::columns, size_t(9 * p.steps));
        same_ = scratch<char>(Scratch::work, size_t(p.steps));
        for (int64_t n = 0; n < p.steps; ++n) {
            const T* row = table.step(n);
            matrix(double(row[0]), double(row[1]), matrices_ + 9 * n);
            same_[n] = n > 0 && std::equal(row + 2, row + table.step_width, row - table.step_width + 2);
        }
    }

    bool quick() const { return quick_; }

    // G blocks at once: one alone would wait for its own last step.
    template <int G, class Block>
    void walk(const BlochProblem& p, Block* blocks) {
        Triple<Vec> m[G];
        Vec k1[G], re[G], im[G];
        for (int g = 0; g < G; ++g) m[g] = blocks[g].start;
        int64_t n = 0;
        for (int64_t j = 0; j < p.records; ++j) {
            for (; n < p.record[j]; ++n) {
                if (!same_[n])
                    for (int g = 0; g < G; ++g) precess(blocks[g].spins, table_.step(n) + 2, k1[g], re[g], im[g]);
                const T* r = matrices_ + 9 * n;
#pragma GCC unroll 8
                for (int g = 0; g < G; ++g) {
                    const Triple<Vec> a = m[g];
                    const Vec x = a.x + (re[g] * a.x + im[g] * a.y), y = a.y + (re[g] * a.y - im[g] * a.x);
                    const Vec z = a.z + k1[g] * (T(1) - a.z);
                    m[g] = {r[0] * x + r[1] * y + r[2] * z, r[3] * x + r[4] * y + r[5] * z,
                            r[6] * x + r[7] * y + r[8] * z};
                }
            }
            for (int g = 0; g < G; ++g) {
                Walk<N> slow(p, table_, blocks[g].spins);
                blocks[g].sink.take(j, n > 0 ? slow.completed(m[g], n - 1) : m[g]);
            }
        }
    }

  private:
    void precess(const Isochromats<N>& spins, const T* rest, Vec& k1, Vec& re, Vec& im) const {
        Vec sine, cosine;
        lane_sincos<T>(spins.precession(rest, table_.axes) * T(0.5), sine, cosine);
        const Vec k2 = lost<N>(spins.r2(), rest[table_.axes + 1]), less = T(2) * sine * sine;
        k1 = lost<N>(spins.r1(), rest[table_.axes + 1]);
        // The factor minus one: what is lost in a short step would be rounded away beside one.
        re = k2 * less - less - k2;
        im = T(2) * sine * cosine * (T(1) - k2);
    }
    static void matrix(double x, double y, T* r) {
        const double u = x * x + y * y, angle = __builtin_sqrt(u);
        const double half = angle > 1e-8 ? __builtin_sin(0.5 * angle) / (0.5 * angle) : 1.0;
        const double c = 0.5 * half * half, s = half * __builtin_cos(0.5 * angle);
        r[0] = T(1 - c * y * y);
        r[1] = r[3] = T(c * x * y);
        r[4] = T(1 - c * x * x);
        r[8] = T(1 - c * u);
        r[2] = T(-s * y);  // M x w
        r[6] = T(s * y);
        r[5] = T(s * x);
        r[7] = T(-s * x);
    }

    const BlochTable<N>& table_;
    bool quick_;
    T* matrices_ = nullptr;
    char* same_ = nullptr;
};

}  // namespace
}  // namespace mriops
