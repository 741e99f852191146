// The spreading kernel of one axis: its taps as polynomials and what undoes it in the image. Shared by all devices.
#pragma once
#include <cstdint>
#include <vector>

namespace mriops {

// A Kaiser-Bessel window I0(beta sqrt(1 - (2 d / width)^2)) whose beta gives the least aliasing at the oversampling in
// use, found by search.
struct SpreadingKernel {
    int width;
    int degree;
    double beta;
    double aliasing;  // expected relative error of a transform along this axis (root mean square over the image)
    // [degree + 1][width], highest power first, in x = 2 fraction - 1: weight of each tap, see points.h
    std::vector<double> taps;
    std::vector<double> deconvolution;  // [n], 1 / (sqrt(n) Fourier transform of the window at (r - n//2) / grid)
};

// Made once per process for every combination. `single_precision` asks for no more terms than float can tell apart.
const SpreadingKernel& spreading_kernel(int width, int64_t n, int64_t grid, bool single_precision);

}  // namespace mriops
