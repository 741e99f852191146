// Where a fit begins: the point of a grid whose signals span most of the energy of what was measured, and the maximum
// of the polynomial through that energy and its neighbours'.
#pragma once
#include <cmath>

#include "fit_voxels.h"

namespace mriops {
namespace {

// The parameter in which consecutive points differ, how many values it has, the logarithm of their ratio.
struct GridSpacing {
    int parameter = -1;
    int64_t count = 0;
    double ratio = 0;

    template <class T>
    static GridSpacing of(const T* values, int64_t points, const FitProblem& p) {
        const int P = p.signal.size.parameters;
        const auto value = [&](int64_t m, int k) { return double(values[m * P + k]); };
        int found = -1;
        for (int k = 0; k < P && points > 2; ++k)
            if ((p.free >> k & 1) && value(1, k) > value(0, k) && value(0, k) > 0) found = found < 0 ? k : P;
        if (found < 0 || found == P) return {};
        const double first = value(0, found), step = value(1, found) / first;
        int64_t count = 1;
        while (count < points && value(count, found) > value(count - 1, found)) ++count;
        // The same all over the grid, from which points may be missing.
        bool even = points % count == 0;
        for (int64_t m = 1; m < points; ++m) {
            const double here = value(m, found), expected = m % count == 0 ? first : step * value(m - 1, found);
            even = even && std::abs(here - expected) <= 1e-3 * expected;
        }
        if (!even) return {};
        return {found, count, std::log(step)};
    }
};

template <class T>
struct GridSearch {
    using V = LaneVec<T>;
    using M = LaneBits<T>;
    static constexpr int W = LaneOf<T>::width;

    const T *bases, *parameters;  // (points, linear, rows), (points, parameters)
    int64_t points, linear, rows;
    bool positive;
    GridSpacing spacing;
    T* along;  // (points, linear, lanes) or null: projections on the bases
    // The largest energy, those of two points before it and two after it, and where it is.
    V best, before[2], after[2], index;
    int32_t chosen[W];

    // y[row][lane]
    void find(const T* y) {
        V last[2] = {}, zero = {};
        M fresh[2] = {zero != zero, zero != zero};
        best = lane_fill<T>(T(-1)), index = before[0] = before[1] = after[0] = after[1] = zero;
        const T* atom = bases;
        const auto add = [&](int64_t m, V e) {
            const M better = e > best;
            after[1] = fresh[1] ? e : after[1], after[0] = fresh[0] ? e : after[0];
            before[1] = better ? last[1] : before[1], before[0] = better ? last[0] : before[0];
            best = better ? e : best, index = better ? lane_fill<T>(T(m)) : index;
            fresh[1] = fresh[0], fresh[0] = better, last[1] = last[0], last[0] = e;
        };
        int64_t m = 0;
        for (; m + 4 <= points; m += 4, atom += 4 * linear * rows) {
            V e[4];
            energies(m, atom, y, e);
            for (int j = 0; j < 4; ++j) add(m + j, e[j]);
        }
        for (; m < points; ++m, atom += linear * rows) {
            V e;
            energies_of<0, 1>(m, atom, y, &e);
            add(m, e);
        }
        // Through memory: a lane of a register that is picked at run time costs more than the store.
        T at[W];
        lane_store(at, index);
        for (int lane = 0; lane < W; ++lane) chosen[lane] = int32_t(at[lane]);
    }

    void energies(int64_t m, const T* atom, const T* y, V* e) const {
        if (linear == 1) return energies_of<1, 4>(m, atom, y, e);
        if (linear == 2) return energies_of<2, 2>(m, atom, y, e), energies_of<2, 2>(m + 2, atom + 4 * rows, y, e + 2);
        for (int j = 0; j < 4; ++j) energies_of<0, 1>(m + j, atom + j * linear * rows, y, e + j);
    }

    // Several points at a time, for fewer loads. L is the number of linear parameters or 0.
    template <int L, int Points>
    void energies_of(int64_t m, const T* atom, const T* y, V* e) const {
        constexpr int kMost = L > 0 ? L : kMaxModelParameters;
        const int n = L > 0 ? L : int(linear);
        V sum[Points][kMost];
        for (int j = 0; j < Points; ++j)
            for (int l = 0; l < n; ++l) sum[j][l] = V{};
        for (int64_t i = 0; i < rows; ++i) {
            const V v = lane_load(y + i * W);
            for (int j = 0; j < Points; ++j)
                for (int l = 0; l < n; ++l) sum[j][l] = sum[j][l] + atom[(j * n + l) * rows + i] * v;
        }
        for (int j = 0; j < Points; ++j) {
            e[j] = sum[j][0] * sum[j][0];
            for (int l = 1; l < n; ++l) e[j] = e[j] + sum[j][l] * sum[j][l];
            if (positive) e[j] = sum[j][0] > T(0) ? e[j] : V{};
            for (int l = 0; along != nullptr && l < n; ++l) lane_store(along + ((m + j) * n + l) * W, sum[j][l]);
        }
    }

    // The parameter k of the points that were found.
    void take(int k, int n_parameters, T* to) const {
        for (int lane = 0; lane < W; ++lane) to[lane] = parameters[chosen[lane] * n_parameters + k];
    }

    // The linear parameter l from the projections on the bases of the points that were found.
    void solve(const T* matrices, int l, T* to) const {
        for (int lane = 0; lane < W; ++lane) {
            const T *row = matrices + (chosen[lane] * linear + l) * linear, *from = along + chosen[lane] * linear * W;
            T sum = 0;
            for (int64_t j = 0; j < linear; ++j) sum += row[j] * from[j * W + lane];
            to[lane] = sum;
        }
    }

    // Place of the points that were found along the grid.
    V place() const {
        if (spacing.count == points) return index;
        T at[W];
        for (int lane = 0; lane < W; ++lane) at[lane] = T(chosen[lane] % int32_t(spacing.count));
        return lane_load(at);
    }

    // Moves values[spacing.parameter][lane] to where the polynomial of fourth (near the ends second) order through the
    // energies of its neighbours along the grid has its maximum: points lie evenly by powers.
    void between(T* values) const {
        if (spacing.parameter < 0) return;
        const V from_first = place(), to_last = T(spacing.count - 1) - from_first, minus = lane_fill<T>(T(-1));
        const V l = before[0], ll = before[1], r = after[0], rr = after[1];
        const V slope = T(0.5) * (r - l), bend = (l - best) + (r - best);
        const M inner = (from_first >= T(1)) & (to_last >= T(1)) & (bend < V{});
        const V x = slope / (inner ? -bend : lane_fill<T>(T(1)));
        // One step of Newton for the fourth order.
        const V third = T(0.5) * (rr - ll) - (r - l), fourth = (rr + ll) - T(4) * (r + l) + T(6) * best;
        const V steep = bend - fourth * T(1. / 12);
        const V value = (slope - third * T(1. / 6)) + x * (steep + x * (T(0.5) * third + x * fourth * T(1. / 6)));
        const V curve = steep + x * (third + T(0.5) * x * fourth);
        const M fine = inner & (from_first >= T(2)) & (to_last >= T(2)) & (curve < V{});
        const V y = x - (fine ? value / (fine ? curve : minus) : V{});
        const V move = (y > T(-1)) & (y < T(1)) ? y : x;
        T* const at = values + spacing.parameter * W;
        lane_store(at, inner ? lane_load(at) * lane_exp<T>(move * T(spacing.ratio)) : lane_load(at));
    }
};

}  // namespace
}  // namespace mriops
