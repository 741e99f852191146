// Random problems against the NUFFT kernels: fuzz_nufft [cases] [seed].
//
// Each case runs all entry points with every instruction set this processor has, on one thread and on several: both
// must agree bit for bit, agree with direct sums in double precision to the accuracy of the kernel, write every element
// of the output and touch nothing beside the arrays (exact allocations under AddressSanitizer).
#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "core/isa.h"
#include "expect.h"
#include "nufft/dispatch.h"
#include "nufft/problem.h"
#include "nufft/spreading_kernel.h"

namespace {

using mriops::Dtype;
using mriops::NufftProblem;
using mriops::SampleLayout;
using cd = std::complex<double>;

std::mt19937_64 random_bits;

int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_bits() % static_cast<uint64_t>(high - low + 1));
}
bool one_in(int64_t n) { return between(1, n) == 1; }
double uniform() { return std::uniform_real_distribution<double>(-1, 1)(random_bits); }

NufftProblem random_problem() {
    const auto size = [] { return one_in(4) ? 1 : one_in(3) ? (one_in(2) ? 17 : 13) : between(2, 20); };
    const int ndim = one_in(3) ? 3 : 2, width = static_cast<int>(between(2, 16));
    const int64_t nz = ndim == 3 ? size() : 1, ny = size(), nx = size();
    const double sigma = 1.125 + 0.25 * double(between(0, 3));
    const auto grid = [&](int64_t n) { return std::max<int64_t>(width, int64_t(std::ceil(sigma * double(n)))); };
    if (one_in(100)) {  // so much that it is cut into chunks; rare, for its direct sums take long
        const int64_t rows = between(60, 100), columns = between(1, 2);
        return mriops::make_nufft_problem(1, 4, between(8192, 8400), 1, rows, columns, 2, 1, 1, 1, grid(rows),
                                          grid(columns), width, 0);
    }
    const int64_t per_csm = between(1, 2), per_traj = between(1, 2);
    const int64_t samples = one_in(6) ? 0 : one_in(5) ? 1 : one_in(8) ? between(250, 600) : between(2, 120);
    return mriops::make_nufft_problem(per_csm * per_traj, between(1, one_in(6) ? 19 : 5), samples, nz, ny, nx, ndim,
                                      per_csm, per_traj, ndim == 3 ? grid(nz) : 1, grid(ny), grid(nx), width,
                                      one_in(3) ? between(1, 6) : 0);
}

template <class T>
using Complexes = std::vector<std::complex<T>>;

template <class T>
Complexes<T> random_complexes(int64_t n) {
    Complexes<T> x(static_cast<size_t>(n));
    for (auto& v : x) v = {T(uniform()), T(uniform())};
    return x;
}

// Exact values, on the border, beyond it, all equal: coordinates that bite.
template <class T>
std::vector<T> random_trajectory(const NufftProblem& p) {
    const int64_t n[] = {p.nz, p.ny, p.nx};
    std::vector<T> out;
    const int64_t kind = between(0, 5);
    for (int64_t s = 0; s < p.trajectories() * p.samples; ++s)
        for (int a = 3 - p.ndim; a < 3; ++a) {
            const double half = double(n[a]) / 2;
            double k = half * uniform();
            if (kind == 0) k = half;
            if (kind == 1) k = one_in(2) ? -half : std::nextafter(T(half), T(0));
            if (kind == 2) k *= 5;
            if (kind == 3) k = std::round(k);
            if (kind == 4 && s >= 1) k = double(out[size_t(a - 3 + p.ndim)]);
            out.push_back(T(k));
        }
    return out;
}

// exp(-2 pi i k (r - n//2) / n) summed over the axes, times the orthonormal scale.
template <class T>
cd wave(const NufftProblem& p, const T* k, int64_t z, int64_t y, int64_t x) {
    const int64_t n[] = {p.nz, p.ny, p.nx}, r[] = {z, y, x};
    double turns = 0, scale = 1;
    for (int a = 3 - p.ndim; a < 3; ++a) {
        turns += double(k[a - 3 + p.ndim]) * double(r[a] - n[a] / 2) / double(n[a]);
        scale /= std::sqrt(double(n[a]));
    }
    return std::polar(scale, -2 * 3.14159265358979323846 * turns);
}

template <class T>
double difference(const Complexes<T>& got, const std::vector<cd>& want, double& size) {
    double error = 0, total = 0;
    for (size_t i = 0; i < want.size(); ++i) {
        error += std::norm(cd(got[i].real(), got[i].imag()) - want[i]);
        total += std::norm(want[i]);
    }
    size = std::sqrt(total);
    return std::sqrt(error);
}

template <class T>
void run_case() {
    const NufftProblem p = random_problem();
    const Dtype t = sizeof(T) == 4 ? Dtype::complex64 : Dtype::complex128;
    const bool maps = one_in(2), weighted = one_in(2);
    const int64_t voxels = p.nz * p.ny * p.nx, images = p.batch * (maps ? 1 : p.coils) * voxels;
    const std::vector<T> trajectory = random_trajectory<T>(p);
    const auto image = random_complexes<T>(images),
               csm = random_complexes<T>(p.batch / p.batch_per_csm * p.coils * voxels),
               kspace = random_complexes<T>(p.batch * p.coils * p.samples);
    std::vector<T> weight(static_cast<size_t>(p.trajectories() * p.samples), T(1));
    for (auto& w : weight) w = weighted ? T(uniform()) : T(1);
    char what[300];
    std::snprintf(what, sizeof what,
                  "batch %ld coils %ld samples %ld size %ld %ld %ld grid %ld %ld %ld width %d maps %d", long(p.batch),
                  long(p.coils), long(p.samples), long(p.nz), long(p.ny), long(p.nx), long(p.gz), long(p.gy),
                  long(p.gx), p.width, int(maps));

    // Direct sums.
    const auto coil_value = [&](int64_t b, int64_t c, int64_t v) {
        const auto x = image[size_t(maps ? b * voxels + v : (b * p.coils + c) * voxels + v)];
        if (!maps) return cd(x.real(), x.imag());
        const auto s = csm[size_t((b / p.batch_per_csm * p.coils + c) * voxels + v)];
        return cd(x.real(), x.imag()) * cd(s.real(), s.imag());
    };
    std::vector<cd> forward(kspace.size()), adjoint(image.size());
    for (int64_t b = 0; b < p.batch; ++b)
        for (int64_t s = 0; s < p.samples; ++s) {
            const int64_t at = b / p.batch_per_traj * p.samples + s;
            for (int64_t v = 0; v < voxels; ++v) {
                const cd e = wave(p, trajectory.data() + at * p.ndim, v / (p.ny * p.nx), v / p.nx % p.ny, v % p.nx);
                for (int64_t c = 0; c < p.coils; ++c) {
                    const auto k = kspace[size_t((b * p.coils + c) * p.samples + s)];
                    forward[size_t((b * p.coils + c) * p.samples + s)] += e * coil_value(b, c, v);
                    cd u = std::conj(e) * cd(k.real(), k.imag()) * double(weight[size_t(at)]);
                    if (maps) {
                        const auto m = csm[size_t((b / p.batch_per_csm * p.coils + c) * voxels + v)];
                        u *= cd(m.real(), -m.imag());
                    }
                    adjoint[size_t(maps ? b * voxels + v : (b * p.coils + c) * voxels + v)] += u;
                }
            }
        }

    // The aliasing of an axis is a root mean square over the image, or what theory promises of such kernels where that
    // is more; a few samples may fare worse. Rounding is amplified by the deconvolution where a wide kernel meets
    // little oversampling.
    double accuracy = 0, amplified = 1;
    const int64_t n[] = {p.nz, p.ny, p.nx}, g[] = {p.gz, p.gy, p.gx};
    for (int a = 3 - p.ndim; a < 3; ++a) {
        const auto& kernel = mriops::spreading_kernel(p.width, n[a], g[a], sizeof(T) == 4);
        accuracy +=
            std::max(kernel.aliasing, 2 * std::exp(-3.14159 * p.width * std::sqrt(1 - double(n[a]) / double(g[a]))));
        amplified *= kernel.deconvolution[0] / kernel.deconvolution[size_t(n[a] / 2)];
    }
    accuracy = 20 * (accuracy + amplified * 30 * double(std::numeric_limits<T>::epsilon()));
    double strength = 0;
    for (const auto& x : image) strength += std::norm(x);
    double energy = 0;
    for (const auto& k : kspace) energy += std::norm(k);
    strength = std::sqrt(strength * double(p.coils * std::max<int64_t>(p.samples, 1)));
    energy = std::sqrt(energy * double(p.coils * voxels));

    for (const auto& isa : mriops::isa_choices()) {
        mriops::set_isa(isa);
        const auto& kernels = mriops::nufft_kernels();
        std::vector<T> points(trajectory.size()), gradient(trajectory.size(), T(NAN));
        std::vector<int32_t> order(size_t(p.trajectories() * p.samples));
        kernels.nufft_points(p, t, trajectory.data(), points.data(), order.data(), 2);
        const void* const csm_or_null = maps ? csm.data() : nullptr;
        const int threads = int(between(2, 5));
        const auto both = [&](const char* name, size_t size, const auto& call) {
            Complexes<T> one(size, {T(NAN), T(NAN)}), several = one;
            call(one.data(), 1);
            call(several.data(), threads);
            EXPECT(size == 0 || std::memcmp(one.data(), several.data(), size * sizeof one[0]) == 0,
                   "%s %s %s: depends on the number of threads", name, what, isa.c_str());
            for (const auto& v : one)
                EXPECT(std::isfinite(v.real()) && std::isfinite(v.imag()), "%s %s %s: not written", name, what,
                       isa.c_str());
            return one;
        };
        double size;
        const auto y = both("nufft", forward.size(), [&](void* out, int n_threads) {
            kernels.nufft(p, t, image.data(), csm_or_null, points.data(), order.data(), out, SampleLayout::user,
                          n_threads);
        });
        double error = difference(y, forward, size);
        EXPECT(error <= accuracy * strength, "nufft %s %s: error %.3g of %.3g", what, isa.c_str(), error, size);
        const auto x = both("nufft_adjoint", adjoint.size(), [&](void* out, int n_threads) {
            kernels.nufft_adjoint(p, t, kspace.data(), csm_or_null, weight.data(), p.samples, points.data(),
                                  order.data(), out, SampleLayout::user, n_threads);
        });
        error = difference(x, adjoint, size);
        EXPECT(error <= accuracy * energy, "nufft_adjoint %s %s: error %.3g of %.3g", what, isa.c_str(), error, size);
        // The normal operator is the adjoint of the forward to rounding.
        const auto n1 = both("nufft_gram", image.size(), [&](void* out, int n_threads) {
            kernels.nufft_gram(p, t, image.data(), csm_or_null, weight.data(), p.samples, points.data(), order.data(),
                               out, n_threads);
        });
        Complexes<T> n2(image.size());
        kernels.nufft_adjoint(p, t, y.data(), csm_or_null, weight.data(), p.samples, points.data(), order.data(),
                              n2.data(), SampleLayout::user, 1);
        const std::vector<cd> wide(n2.begin(), n2.end());
        error = difference(n1, wide, size);
        EXPECT(error <= 300 * amplified * double(std::numeric_limits<T>::epsilon()) *
                            (size + strength * std::sqrt(double(voxels))),
               "nufft_gram %s %s: differs by %.3g of %.3g", what, isa.c_str(), error, size);
        // Sorted layout: there and back.
        const auto sorted = both("nufft sorted", forward.size(), [&](void* out, int n_threads) {
            kernels.nufft(p, t, image.data(), csm_or_null, points.data(), order.data(), out, SampleLayout::sorted,
                          n_threads);
        });
        for (int64_t b = 0; b < p.batch; ++b)
            for (int64_t s = 0; s < p.samples; ++s)
                for (int64_t c = 0; c < p.coils; ++c) {
                    const int64_t user = order[size_t(b / p.batch_per_traj * p.samples + s)];
                    EXPECT(sorted[size_t((b * p.samples + s) * p.coils + c)] ==
                               y[size_t((b * p.coils + c) * p.samples + user)],
                           "nufft sorted %s %s: another value", what, isa.c_str());
                }
        // Derivatives: <k, jvp(v)> = <grad(k), v>.
        const auto moved = both("nufft_trajectory_jvp", forward.size(), [&](void* out, int n_threads) {
            kernels.nufft_trajectory_jvp(p, t, image.data(), csm_or_null, trajectory.data(), points.data(),
                                         order.data(), out, n_threads);
        });
        kernels.nufft_trajectory_grad(p, t, image.data(), csm_or_null, kspace.data(), points.data(), order.data(),
                                      gradient.data(), threads);
        double left = 0, right = 0, bound = 0;
        for (size_t i = 0; i < moved.size(); ++i) {
            left += double(moved[i].real()) * kspace[i].real() + double(moved[i].imag()) * kspace[i].imag();
            bound += std::abs(cd(moved[i])) * std::abs(cd(kspace[i]));
        }
        for (size_t i = 0; i < gradient.size(); ++i) right += double(gradient[i]) * trajectory[i];
        EXPECT(std::isfinite(right) && std::abs(left - right) <= 1e3 * double(std::numeric_limits<T>::epsilon()) *
                                                                     amplified * (bound + strength),
               "nufft_trajectory_grad %s %s: %.9g, jvp %.9g", what, isa.c_str(), right, left);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const long cases = argc > 1 ? std::atol(argv[1]) : 60;
    const unsigned long seed = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1;
    for (long i = 0; i < cases; ++i) {
        random_bits.seed(seed * 1000003 + static_cast<unsigned long>(i));
        if (std::getenv("MRIOPS_FUZZ_VERBOSE")) std::fprintf(stderr, "case %ld\n", i);
        one_in(2) ? run_case<float>() : run_case<double>();
    }
    std::printf("%ld cases, seed %lu: all well\n", cases, seed);
    return 0;
}
