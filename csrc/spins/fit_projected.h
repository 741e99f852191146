// A fit by variable projection: m0 and at most one more parameter w, in which the signal m0 (u + w v) is affine, take
// their best values in closed form for each value of the one or two others, which Gauss-Newton steps find. One lane is
// one voxel. Voxels whose best values are out of bounds, or that do not converge, are left to the general fit.
#pragma once
#include "fit_start.h"
#include "fit_steps.h"
#include "models_sweep.h"

namespace mriops {
namespace {

// The best coefficients c of the columns u, v for what is measured, and what they leave: half the sum of squares and
// its normal equations for the other parameters, from which everything that the columns span is projected out
// (Kaufman).
template <class T, int L, int K>
struct Projection {
    using V = LaneVec<T>;
    static constexpr int W = LaneOf<T>::width, kColumns = L * (1 + K), kPairs = K * (K + 1) / 2;
    V c[L], cost, b[K], h[kPairs];
    V follow[K][L];              // c moves by -follow for each unit of a parameter
    V inverse[L * (L + 1) / 2];  // of the columns' Gram matrix
    LaneBits<T> fine;            // the columns are told apart

    // x = Gram^-1 x
    void solve(V* x) const {
        const V first = inverse[0] * x[0];
        if constexpr (L == 1) {
            x[0] = first;
        } else {
            const V both = inverse[1] * x[0] + inverse[2] * x[1];
            x[0] = first + inverse[1] * x[1], x[1] = both;
        }
    }

    void invert(const V* gram) {
        const V one = lane_fill<T>(T(1));
        if constexpr (L == 1) {
            fine = gram[0] > V{};
            inverse[0] = one / (fine ? gram[0] : one);
        } else {
            const V det = gram[0] * gram[2] - gram[1] * gram[1];
            fine = det > gram[0] * gram[2] * (T(64) * rounding<T>());
            const V scale = one / (fine ? det : one);
            inverse[0] = gram[2] * scale, inverse[1] = -gram[1] * scale, inverse[2] = gram[0] * scale;
        }
    }

    // columns[row][u, (v), du, (dv), ...][lane], y[row][lane]
    void build(const T* columns, const T* y, int64_t rows) {
        V gram[L * (L + 1) / 2], along[L];
        for (V& x : gram) x = V{};
        for (V& x : along) x = V{};
        for (int64_t i = 0; i < rows; ++i) {
            const T* const row = columns + i * kColumns * W;
            const V v = lane_load(y + i * W);
            for (int k = 0; k < L; ++k) {
                const V column = lane_load(row + k * W);
                along[k] = along[k] + column * v;
                for (int l = 0; l <= k; ++l)
                    gram[triangle(k, l)] = gram[triangle(k, l)] + column * lane_load(row + l * W);
            }
        }
        invert(gram);
        for (int k = 0; k < L; ++k) c[k] = along[k];
        solve(c);
        reduce(columns, y, rows);
    }

    void reduce(const T* columns, const T* y, int64_t rows) {
        V left = {}, off[L], cross[K][L];
        for (V& x : off) x = V{};
        for (int k = 0; k < K; ++k) {
            b[k] = V{};
            for (int l = 0; l < L; ++l) cross[k][l] = V{};
        }
        for (V& x : h) x = V{};
        for (int64_t i = 0; i < rows; ++i) {
            const T* const row = columns + i * kColumns * W;
            V r = lane_load(y + i * W), column[L], slope[K];
            for (int l = 0; l < L; ++l) column[l] = lane_load(row + l * W), r = r - c[l] * column[l];
            left = left + r * r;
            for (int l = 0; l < L; ++l) off[l] = off[l] + r * column[l];
            for (int k = 0; k < K; ++k) {
                const T* const d = row + (1 + k) * L * W;
                slope[k] = c[0] * lane_load(d);
                if constexpr (L == 2) slope[k] = slope[k] + c[1] * lane_load(d + W);
                b[k] = b[k] + slope[k] * r;
                for (int l = 0; l < L; ++l) cross[k][l] = cross[k][l] + slope[k] * column[l];
                for (int l = 0; l <= k; ++l) h[triangle(k, l)] = h[triangle(k, l)] + slope[k] * slope[l];
            }
        }
        cost = T(0.5) * left;
        project(off, cross);
    }

    // What rounding has left of the columns in the residual goes as well.
    void project(V* off, V (*cross)[L]) {
        solve(off);
        for (int l = 0; l < L; ++l) c[l] = c[l] + off[l];
        for (int k = 0; k < K; ++k) {
            for (int l = 0; l < L; ++l) follow[k][l] = cross[k][l];
            solve(follow[k]);
            for (int l = 0; l < L; ++l) b[k] = b[k] - off[l] * cross[k][l];
        }
        for (int k = 0; k < K; ++k)
            for (int m = 0; m <= k; ++m) {
                const V all = h[triangle(k, m)];
                V out = {};
                for (int l = 0; l < L; ++l) out = out + follow[k][l] * cross[m][l];
                h[triangle(k, m)] = all - out;
                // A parameter that the columns can stand in for: nothing but rounding is left.
                if (k == m) fine = fine & (all - out > all * (T(64) * rounding<T>()));
            }
    }

    void take(LaneBits<T> where, const Projection& from) {
        for (int l = 0; l < L; ++l) c[l] = where ? from.c[l] : c[l];
        for (int i = 0; i < L * (L + 1) / 2; ++i) inverse[i] = where ? from.inverse[i] : inverse[i];
        for (int i = 0; i < kPairs; ++i) h[i] = where ? from.h[i] : h[i];
        for (int k = 0; k < K; ++k) {
            b[k] = where ? from.b[k] : b[k];
            for (int l = 0; l < L; ++l) follow[k][l] = where ? from.follow[k][l] : follow[k][l];
        }
        cost = where ? from.cost : cost;
    }
};

// One vector of voxels on its way.
template <class T, int L, int K>
struct Path {
    using V = LaneVec<T>;
    using Bits = LaneBits<T>;
    Projection<T, L, K> point;
    V power, p[K], trial[K], last[K], gain, before, drop, damping, took;
    Bits done, converged;
};

template <class T, int L, int K>
struct ProjectedFit {
    using V = LaneVec<T>;
    using M = LaneBits<T>;
    using Normal = NormalEquations<T, K>;
    using Point = Projection<T, L, K>;
    using State = Path<T, L, K>;
    static constexpr int W = LaneOf<T>::width;
    // Vectors that take their steps together: each is a chain of dependent operations, beside which others find room.
    static constexpr int kTogether = 4;
    // Steps at most: voxels that need more are noise or out of bounds, for the most part, and others wait for them.
    static constexpr int kMostSteps = 8 * K;

    const Inputs<T>& a;
    Parts<T> parts;
    int affine = -1, others[K];
    int64_t rows;
    int together;
    GridSearch<T> search;
    T *samples, *columns, *values;  // (vectors, rows, lanes); (rows, columns, lanes); (vectors, parameters, lanes)
    V low[K], high[K];

    ProjectedFit(const Inputs<T>& inputs, Parts<T> f, const GridSpacing& spacing)
        : a(inputs), parts(f), rows(inputs.rows()) {
        search.bases = a.grid, search.parameters = a.grid_parameters, search.points = a.p.n_grid;
        search.linear = L, search.rows = rows, search.spacing = spacing, search.along = nullptr;
        search.positive = L == 1 && a.p.positive;
        const int P = a.p.signal.size.parameters;
        for (int k = 1, n = 0; k < P; ++k) {
            if (a.p.affine >> k & 1)
                affine = k;
            else if (a.p.free >> k & 1)
                low[n] = lane_fill<T>(a.bounds[k]), high[n] = lane_fill<T>(a.bounds[P + k]), others[n++] = k;
        }
        // Their samples stay in the first cache.
        const int64_t fit = (int64_t(16) << 10) / (rows * W * int64_t(sizeof(T)));
        together = int(fit < 1 ? 1 : (fit < kTogether ? fit : kTogether));
    }

    size_t scratch_count() const {
        return size_t(W * (together * (rows + a.p.signal.size.parameters) + rows * Point::kColumns));
    }
    void use(T* work) {
        samples = work, columns = samples + together * rows * W, values = columns + rows * Point::kColumns * W;
    }
    T* samples_of(int j) const { return samples + j * rows * W; }
    T* values_of(int j) const { return values + j * a.p.signal.size.parameters * W; }

    void evaluate(int j, const V* p, Point& point) {
        for (int k = 0; k < K; ++k) lane_store(values_of(j) + others[k] * W, p[k]);
        parts(values_of(j), a.design, rows, columns);
        point.build(columns, samples_of(j), rows);
    }

    void begin(const Voxels<T>& at, int j, State& s) {
        T* const v = values_of(j);
        s.power = at.load_signal(a, samples_of(j));
        at.load_start(a, v);
        search.find(samples_of(j));
        for (int k = 0; k < K; ++k) search.take(others[k], a.p.signal.size.parameters, v + others[k] * W);
        search.between(v);
        for (int k = 0; k < K; ++k) s.last[k] = s.p[k] = clamp_lanes<T>(lane_load(v + others[k] * W), low[k], high[k]);
        s.took = s.damping = s.before = s.drop = V{};
    }

    void look(int j, State& s) {
        const V inf = lane_fill<T>(T(__builtin_inf()));
        evaluate(j, s.p, s.point);
        const M valid = (s.point.cost < inf) & (s.power < inf) & s.point.fine;
        s.done = ~valid, s.converged = valid & ~valid;
    }

    // Normal equations in which parameters that sit on a bound and would leave it are held: x = 0.
    void equations(const V* p, const Point& point, V* h, V* b) const {
        for (int i = 0; i < Point::kPairs; ++i) h[i] = point.h[i];
        for (int k = 0; k < K; ++k) {
            const M held = ((p[k] <= low[k]) & (point.b[k] < T(0))) | ((p[k] >= high[k]) & (point.b[k] > T(0)));
            b[k] = held ? V{} : point.b[k];
            for (int l = 0; l < K; ++l) {
                V& x = h[l < k ? triangle(k, l) : triangle(l, k)];
                x = held ? V{} : x;
            }
        }
    }

    // Returns the gain that the step is expected to bring.
    V step(const V* p, const Point& point, V damping, V* move) const {
        V h[Point::kPairs], b[K], inverse[K], gain = {};
        equations(p, point, h, b);
        Normal::factor(K, h, damping, inverse);
        Normal::solve(K, h, inverse, b, move);
        for (int k = 0; k < K; ++k) gain = gain + b[k] * move[k];
        return gain;
    }

    // Chooses the next place of each voxel, or finds that it has arrived.
    void choose(State& s) const {
        const T freedom = T(rows > L + K ? rows - L - K : 1), threshold = T(2 * a.p.tol * a.p.tol);
        const V floor = s.power * (T(64) * rounding<T>() * rounding<T>());
        V move[K];
        s.gain = step(s.p, s.point, s.damping, move);
        // Expected decrease against the noise: (step / standard error)^2 is about gain over cost per degree of freedom.
        const V left = s.gain * freedom, near = threshold * s.point.cost + floor;
        M short_enough = left <= near;
        // One parameter: the next step is expected to be smaller than this one by what this one was than that before
        // it, at best by 100, and has to be a fourth of what would do.
        if constexpr (K == 1)
            short_enough = short_enough | ((T(16) * left * s.gain <= near * s.before) & (T(16e-4) * left <= near));
        const M arrived = short_enough & (s.damping <= T(1)) & ~s.done;
        for (int k = 0; k < K; ++k) {
            const V moved = clamp_lanes<T>(s.p[k] + move[k], low[k], high[k]);
            s.trial[k] = (s.done | (moved != moved)) ? s.p[k] : moved;
            s.last[k] = arrived ? s.trial[k] : s.last[k];
        }
        s.drop = arrived ? T(0.5) * s.gain : s.drop;
        s.took = s.done ? s.took : s.took + T(1);
        s.converged = s.converged | arrived, s.done = s.done | arrived;
    }

    void move(int j, State& s) {
        Point there;
        evaluate(j, s.trial, there);
        const M better = (there.cost <= s.point.cost + cost_rounding<T>(s.power, s.point.cost)) & there.fine & ~s.done;
        s.point.take(better, there);
        for (int k = 0; k < K; ++k) s.p[k] = better ? s.trial[k] : s.p[k];
        s.before = better ? s.gain : V{};
        s.damping = better ? s.damping * T(0.1) : s.damping * T(10) + T(0.01);
        s.done = s.done | (s.damping > T(1e10));
    }

    // Fits `count` vectors of voxels; found[j] says where. All lanes are written.
    void run(const Voxels<T>* at, int count, M* found) {
        State paths[kTogether];
        bool open[kTogether];
        int left = 0;
        for (int j = 0; j < count; ++j) begin(at[j], j, paths[j]);
        for (int j = 0; j < count; ++j) look(j, paths[j]);
        for (int j = 0; j < count; ++j) left += open[j] = !all_lanes<T>(paths[j].done, at[j].count);
        const int most = a.p.max_iter < kMostSteps ? a.p.max_iter : kMostSteps;
        for (int iteration = 0; iteration < most && left > 0; ++iteration) {
            for (int j = 0; j < count; ++j)
                if (open[j]) choose(paths[j]);
            for (int j = 0; j < count; ++j)
                if (open[j] && all_lanes<T>(paths[j].done, at[j].count)) open[j] = false, --left;
            for (int j = 0; j < count; ++j)
                if (open[j]) move(j, paths[j]);
        }
        for (int j = 0; j < count; ++j) found[j] = finish(at[j], j, paths[j]);
    }

    // The last step, too short to be worth another look at the signal: coefficients and cost follow it to first and
    // second order. One that is not short, where the signal says nothing of a parameter, is not taken.
    M finish(const Voxels<T>& at, int j, State& s) const {
        V q[K];
        const V *const p = s.p, *const last = s.last;
        Point& point = s.point;
        M all_short = s.converged;
        for (int k = 0; k < K; ++k) {
            const V far = last[k] - p[k], size = p[k] < V{} ? -p[k] : p[k];
            all_short = all_short & (far <= T(0.05) * size) & (far >= T(-0.05) * size);
        }
        for (int k = 0; k < K; ++k) {
            q[k] = all_short ? last[k] : p[k];
            for (int l = 0; l < L; ++l) point.c[l] = point.c[l] - (q[k] - p[k]) * point.follow[k][l];
        }
        const V most = T(0.5) * point.cost, drop = s.drop < most ? s.drop : most;
        point.cost = all_short ? point.cost - drop : point.cost;
        const int P = a.p.signal.size.parameters;
        const V one = lane_fill<T>(T(1)), m0 = point.c[0], per_m0 = one / (m0 != V{} ? m0 : one);
        M found = s.converged & (m0 > a.bounds[0]) & (m0 < a.bounds[P]) & (m0 != V{});
        if constexpr (L == 2) {
            const V w = point.c[1] * per_m0;
            found = found & (w >= a.bounds[affine]) & (w <= a.bounds[P + affine]);
        }
        store(at, j, q, point, per_m0);
        at.store_steps(a.iterations, s.took, s.converged);
        return found;
    }

    void store(const Voxels<T>& at, int j, const V* q, const Point& point, V per_m0) const {
        const int P = a.p.signal.size.parameters;
        const int64_t voxels = a.p.signal.voxels;
        V covariance[L * (L + 1) / 2], h[Point::kPairs], b[K], inverse[K], variance[K];
        equations(q, point, h, b);
        Normal::factor(K, h, V{}, inverse);
        Normal::inverse_diagonal(K, h, inverse, variance);
        for (int i = 0; i < L * (L + 1) / 2; ++i) covariance[i] = point.inverse[i];
        for (int l = 0; l < L; ++l) {
            V column[K], x[K];
            for (int k = 0; k < K; ++k) column[k] = point.follow[k][l];
            Normal::solve(K, h, inverse, column, x);
            for (int m = l; m < L; ++m)
                for (int k = 0; k < K; ++k)
                    covariance[triangle(m, l)] = covariance[triangle(m, l)] + point.follow[k][m] * x[k];
        }
        const V noise = at.store_noise(a, point.cost, L + K), m0 = point.c[0];
        const auto put = [&](int k, V value, V spread) {
            at.store(a.parameters + k * voxels, value);
            at.store(a.deviation + k * voxels, at.deviation(noise, spread));
        };
        put(0, m0, covariance[0]);
        if constexpr (L == 2) {  // w is the ratio of two coefficients
            const V w = point.c[1] * per_m0;
            const V spread = covariance[2] + w * (w * covariance[0] - T(2) * covariance[1]);
            put(affine, w, (spread > V{} ? spread : V{}) * (per_m0 * per_m0));
        }
        for (int k = 0; k < K; ++k) put(others[k], q[k], variance[k]);
        for (int k = 1; k < P; ++k) {
            if (a.p.free >> k & 1) continue;
            at.store(a.parameters + k * voxels, lane_load(values_of(j) + k * W));
            at.store(a.deviation + k * voxels, V{});
        }
    }
};

}  // namespace
}  // namespace mriops
