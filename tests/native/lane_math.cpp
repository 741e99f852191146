// The errors that csrc/spins/lane_math.h states for its exp, sin and cos, against long double.
#include "spins/lane_math.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>

#include "expect.h"

using namespace mriops;

template <class T>
void check(double angles, double low, double high) {
    constexpr int W = LaneOf<T>::width;
    const double eps = std::numeric_limits<T>::epsilon();
    std::mt19937_64 generator(7);
    std::uniform_real_distribution<double> angle(-angles, angles), exponent(low, high);
    double sin_error = 0, cos_error = 0, exp_error = 0;
    for (int i = 0; i < 200000 / W; ++i) {
        LaneVec<T> x, e, s, c;
        for (int j = 0; j < W; ++j) x[j] = T(angle(generator)), e[j] = T(exponent(generator));
        lane_sincos<T>(x, s, c);
        const LaneVec<T> y = lane_exp<T>(e);
        for (int j = 0; j < W; ++j) {
            const long double truth = expl(static_cast<long double>(e[j]));
            sin_error = std::max(sin_error, static_cast<double>(fabsl(s[j] - sinl(static_cast<long double>(x[j])))));
            cos_error = std::max(cos_error, static_cast<double>(fabsl(c[j] - cosl(static_cast<long double>(x[j])))));
            exp_error = std::max(exp_error, static_cast<double>(fabsl(y[j] - truth) / truth));
        }
    }
    std::printf("%zu bytes: sin %.2f cos %.2f exp %.2f eps\n", sizeof(T), sin_error / eps, cos_error / eps,
                exp_error / eps);
    EXPECT(sin_error < 0.95 * eps, "%g", sin_error);
    EXPECT(cos_error < 0.95 * eps, "%g", cos_error);
    EXPECT(exp_error < 0.8 * eps, "%g", exp_error);
}

template <class T>
void check_near() {
    constexpr int W = LaneOf<T>::width;
    const double eps = std::numeric_limits<T>::epsilon();
    double sin_error = 0, cos_error = 0, exp_error = 0;
    for (int i = -20000; i <= 20000; ++i) {
        LaneVec<T> x = lane_fill<T>(T(lane_sincos_near) * T(i) / 20000), s, c;
        const LaneVec<T> e = lane_fill<T>(T(lane_exp_near) * T(i) / 20000), y = lane_exp_of_near<T>(e);
        lane_sincos_of_near<T>(x, s, c);
        const long double truth = expl(static_cast<long double>(e[0]));
        sin_error = std::max(sin_error, static_cast<double>(fabsl(s[W - 1] - sinl(static_cast<long double>(x[0])))));
        cos_error = std::max(cos_error, static_cast<double>(fabsl(c[W - 1] - cosl(static_cast<long double>(x[0])))));
        exp_error = std::max(exp_error, static_cast<double>(fabsl(y[W - 1] - truth) / truth));
    }
    std::printf("%zu bytes, near 0: sin %.2f cos %.2f exp %.2f eps\n", sizeof(T), sin_error / eps, cos_error / eps,
                exp_error / eps);
    EXPECT(sin_error < 1.4 * eps, "%g", sin_error);
    EXPECT(cos_error < 1.4 * eps, "%g", cos_error);
    EXPECT(exp_error < 0.75 * eps, "%g", exp_error);
}

template <class T>
void special() {
    const T infinity = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
    EXPECT(lane_exp<T>(lane_fill<T>(-infinity))[0] == 0, "%zu bytes", sizeof(T));
    EXPECT(lane_exp<T>(lane_fill<T>(infinity))[0] == infinity, "%zu bytes", sizeof(T));
    EXPECT(lane_exp<T>(lane_fill<T>(T(0)))[0] == 1, "%zu bytes", sizeof(T));
    EXPECT(std::isnan(lane_exp<T>(lane_fill<T>(nan))[0]), "%zu bytes", sizeof(T));
    LaneVec<T> s, c;
    lane_sincos<T>(lane_fill<T>(nan), s, c);
    EXPECT(std::isnan(s[0]) && std::isnan(c[0]), "%zu bytes", sizeof(T));
    lane_sincos<T>(lane_fill<T>(T(0)), s, c);
    EXPECT(s[0] == 0 && c[0] == 1, "%zu bytes", sizeof(T));
    T few[3] = {1, 2, 3}, back[4] = {0, 0, 0, 9};
    const LaneVec<T> v = lane_load(few, 1, T(5));
    EXPECT(v[0] == 1 && v[LaneOf<T>::width - 1] == 5, "%zu bytes", sizeof(T));
    lane_store(back, v, 1);
    EXPECT(back[0] == 1 && back[1] == 0 && back[3] == 9, "%zu bytes", sizeof(T));
}

int main() {
    check<float>(10, -20, 1);
    check<float>(25000, -87.3, 88.3);
    check<double>(10, -20, 1);
    check<double>(3e6, -708, 709.4);
    check_near<float>();
    check_near<double>();
    special<float>();
    special<double>();
    return 0;
}
