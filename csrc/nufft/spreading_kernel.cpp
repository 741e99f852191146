// Finds beta by search, the deconvolution by quadrature and the polynomials by interpolation, all in double precision.
#include "spreading_kernel.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>

namespace mriops {
namespace {

constexpr double kPi = 3.14159265358979323846;

double bessel_i0(double x) {
    double term = 1, sum = 1;
    const double q = x * x / 4;
    for (int k = 1; term > 1e-18 * sum; ++k) sum += term *= q / (double(k) * k);
    return sum;
}

// exp(-beta) I0(beta sqrt(1 - z^2)); `z2` = z^2 may pass 1 a little when a polynomial is fitted to the last cell.
double window(double beta, double z2) {
    if (z2 <= 1) return bessel_i0(beta * std::sqrt(1 - z2)) * std::exp(-beta);
    double term = 1, sum = 1;  // I0 of an imaginary argument: alternating
    const double q = -beta * beta * (z2 - 1) / 4;
    for (int k = 1; k < 60; ++k) sum += term *= q / (double(k) * k);
    return sum * std::exp(-beta);
}

// Fourier transform of the window at frequency f (cycles per grid cell), in closed form and to a constant factor.
double window_spectrum(double beta, int width, double f) {
    const double a = kPi * width * f, d = beta * beta - a * a;
    if (std::abs(d) < 1e-12) return 1;
    if (d < 0) return std::sin(std::sqrt(-d)) / std::sqrt(-d);
    return std::sinh(std::sqrt(d)) / std::sqrt(d);
}

// Nodes and weights of Gauss-Legendre quadrature on [0, 1].
struct Quadrature {
    std::vector<double> node, weight;
    explicit Quadrature(int count);
};
Quadrature::Quadrature(int count) {
    for (int i = 0; i < count; ++i) {
        double x = std::cos(kPi * (i + 0.75) / (count + 0.5)), slope = 0;
        for (int step = 0; step < 100; ++step) {
            double p0 = 1, p1 = x;
            for (int k = 2; k <= count; ++k) {
                const double p2 = ((2 * k - 1) * x * p1 - (k - 1) * p0) / k;
                p0 = p1;
                p1 = p2;
            }
            slope = count * (x * p1 - p0) / (x * x - 1);
            const double change = p1 / slope;
            x -= change;
            if (std::abs(change) < 1e-16) break;
        }
        node.push_back((x + 1) / 2);
        weight.push_back(1 / ((1 - x * x) * slope * slope));
    }
}

// Root mean square over the image of what all aliases of a voxel add up to, relative to the voxel. Of wide kernels most
// of it comes from the outermost voxels, where it grows exponentially: a quadrature that follows it to the edge.
double aliasing(double beta, int width, double half_band) {
    static const Quadrature image(48);
    constexpr int aliases = 6;
    double total = 0;
    for (size_t i = 0; i < image.node.size(); ++i) {
        const double f = half_band * image.node[i], own = window_spectrum(beta, width, f);
        for (int m = 1; m <= aliases; ++m)
            for (double other : {f + m, f - m}) {
                const double ratio = window_spectrum(beta, width, other) / own;
                total += image.weight[i] * ratio * ratio;
            }
    }
    return std::sqrt(total);
}

double best_beta(int width, double half_band) {
    // The first zero of the spectrum lies near the nearest alias: a scan around it, then a narrower one.
    double centre = kPi * width * (1 - half_band), reach = 0.35 * centre, best = centre, least = 1e300;
    for (int round = 0; round < 4; ++round, reach /= 8) {
        centre = best;
        for (int i = -16; i <= 16; ++i) {
            const double beta = centre + reach * i / 16, error = aliasing(beta, width, half_band);
            if (error < least) least = error, best = beta;
        }
    }
    return best;
}

std::vector<double> deconvolution_of(double beta, int width, int64_t n, int64_t grid) {
    Quadrature half(64);
    for (size_t i = 0; i < half.node.size(); ++i) {
        half.weight[i] *= width * window(beta, half.node[i] * half.node[i]);
        half.node[i] *= width / 2.0;
    }
    std::vector<double> out;
    for (int64_t r = 0; r < n; ++r) {
        double spectrum = 0;
        const double f = 2 * kPi * double(r - n / 2) / double(grid);
        for (size_t i = 0; i < half.node.size(); ++i) spectrum += half.weight[i] * std::cos(f * half.node[i]);
        out.push_back(1 / (spectrum * std::sqrt(double(n))));
    }
    return out;
}

// Chebyshev coefficients of tap j: the window over one cell, as a function of x in [-1, 1].
std::vector<double> fit_tap(double beta, int width, int tap, int terms) {
    std::vector<double> value, fitted;
    for (int i = 0; i < terms; ++i) {
        const double x = std::cos(kPi * (i + 0.5) / terms), d = -width / 2.0 + tap + (x + 1) / 2, z = 2 * d / width;
        value.push_back(window(beta, z * z));
    }
    for (int k = 0; k < terms; ++k) {
        double sum = 0;
        for (int i = 0; i < terms; ++i) sum += value[size_t(i)] * std::cos(kPi * k * (i + 0.5) / terms);
        fitted.push_back(sum * (k ? 2.0 : 1.0) / terms);
    }
    return fitted;
}

SpreadingKernel make(int width, int64_t n, int64_t grid, bool single_precision) {
    SpreadingKernel kernel;
    const double half_band = double(n) / (2.0 * double(grid));
    kernel.width = width;
    kernel.beta = best_beta(width, half_band);
    kernel.aliasing = aliasing(kernel.beta, width, half_band);
    kernel.deconvolution = deconvolution_of(kernel.beta, width, n, grid);

    const int terms = width + 12;
    std::vector<std::vector<double>> fitted;
    for (int tap = 0; tap < width; ++tap) fitted.push_back(fit_tap(kernel.beta, width, tap, terms));
    // Terms are dropped while all that is dropped stays well below the error of the kernel itself. What is wrong with a
    // tap is amplified by the deconvolution at the edge of the image.
    const double edge =
        std::abs(window_spectrum(kernel.beta, width, half_band) / window_spectrum(kernel.beta, width, 0));
    const double tolerance = std::max(kernel.aliasing * edge / 8, single_precision ? 3e-8 : 1e-16);
    double dropped = 0;
    kernel.degree = terms - 1;
    for (; kernel.degree > 2; --kernel.degree) {
        double largest = 0;
        for (const auto& tap : fitted) largest = std::max(largest, std::abs(tap[size_t(kernel.degree)]));
        if (dropped + largest > tolerance) break;
        dropped += largest;
    }
    const int count = kernel.degree + 1;
    kernel.taps.assign(size_t(count * width), 0.0);
    for (int tap = 0; tap < width; ++tap) {
        // T0 = 1, T1 = x, Tk = 2 x T(k-1) - T(k-2), as lists of powers.
        std::vector<double> before(size_t(count), 0.0), current(size_t(count), 0.0), sum(size_t(count), 0.0);
        before[0] = 1;
        current[1] = 1;
        for (int k = 0; k < count; ++k) {
            const std::vector<double>& polynomial = k == 0 ? before : current;
            for (int i = 0; i < count; ++i) sum[size_t(i)] += fitted[size_t(tap)][size_t(k)] * polynomial[size_t(i)];
            if (k == 0) continue;
            std::vector<double> next(size_t(count), 0.0);
            for (int i = 0; i < count; ++i) next[size_t(i)] = (i ? 2 * current[size_t(i) - 1] : 0) - before[size_t(i)];
            before = current;
            current = next;
        }
        for (int i = 0; i < count; ++i) kernel.taps[size_t((count - 1 - i) * width + tap)] = sum[size_t(i)];
    }
    return kernel;
}

}  // namespace

const SpreadingKernel& spreading_kernel(int width, int64_t n, int64_t grid, bool single_precision) {
    static std::mutex mutex;
    static std::map<std::tuple<int, int64_t, int64_t, bool>, std::unique_ptr<const SpreadingKernel>> known;
    const std::lock_guard<std::mutex> lock(mutex);
    auto& slot = known[{width, n, grid, single_precision}];
    if (!slot) slot = std::make_unique<const SpreadingKernel>(make(width, n, grid, single_precision));
    return *slot;
}

}  // namespace mriops
