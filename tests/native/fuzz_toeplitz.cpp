// Random problems against the Toeplitz kernel: fuzz_toeplitz [cases] [seed].
//
// Each case runs every instruction set of this processor on one thread and on several: both must agree bit for bit,
// agree with direct sums over 2n points in double precision, write the whole output and touch nothing beside it.
#include <complex>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "core/isa.h"
#include "expect.h"
#include "nufft/toeplitz_problem.h"

namespace {

using mriops::Dtype;
using mriops::ToeplitzProblem;
using cd = std::complex<double>;

std::mt19937_64 random_bits;

int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_bits() % static_cast<uint64_t>(high - low + 1));
}
bool one_in(int64_t n) { return between(1, n) == 1; }

template <class T>
std::vector<T> random_reals(int64_t n) {
    std::normal_distribution<double> normal;
    std::vector<T> x(static_cast<size_t>(n));
    for (auto& v : x) v = static_cast<T>(normal(random_bits));
    return x;
}

// The DFT of m points with a stride, from its definition; without a factor.
void dft(cd* x, int64_t m, int64_t stride, double sign) {
    std::vector<cd> out(static_cast<size_t>(m));
    for (int64_t k = 0; k < m; ++k)
        for (int64_t j = 0; j < m; ++j)
            out[k] += x[j * stride] * std::polar(1.0, sign * 2 * M_PI * double(j * k % m) / double(m));
    for (int64_t k = 0; k < m; ++k) x[k * stride] = out[k];
}

void dft(std::vector<cd>& x, const int64_t (&m)[3], double sign) {
    for (int64_t i = 0; i < m[0] * m[1]; ++i) dft(&x[i * m[2]], m[2], 1, sign);
    for (int64_t z = 0; z < m[0]; ++z)
        for (int64_t i = 0; i < m[2]; ++i) dft(&x[z * m[1] * m[2] + i], m[1], m[2], sign);
    for (int64_t i = 0; m[0] > 1 && i < m[1] * m[2]; ++i) dft(&x[i], m[0], m[1] * m[2], sign);
}

// crop IDFT (kernel * DFT (pad x)) of one volume.
template <class T>
std::vector<cd> toeplitz(const ToeplitzProblem& p, const std::vector<cd>& x, const T* kernel) {
    const int64_t m[3] = {p.ndim == 3 ? 2 * p.nz : 1, 2 * p.ny, 2 * p.nx};
    std::vector<cd> big(static_cast<size_t>(m[0] * m[1] * m[2])), out(x.size());
    const auto at = [&](int64_t i) { return (i / (p.ny * p.nx) * m[1] + i / p.nx % p.ny) * m[2] + i % p.nx; };
    for (size_t i = 0; i < x.size(); ++i) big[at(int64_t(i))] = x[i];
    dft(big, m, -1);
    for (size_t i = 0; i < big.size(); ++i) big[i] *= double(kernel[i]) / double(big.size());
    dft(big, m, 1);
    for (size_t i = 0; i < x.size(); ++i) out[i] = big[at(int64_t(i))];
    return out;
}

template <class T>
void one_case() {
    int64_t batch, coils, nz, ny, nx, per_csm, per_kernel;
    const int ndim = one_in(3) ? 3 : 2;
    const auto size = [] { return one_in(3) ? between(1, 40) : between(1, 12); };
    do {
        nz = ndim == 3 ? between(1, 7) : 1;
        ny = size();
        nx = one_in(12) ? between(30, 150) : size();  // a prime above 64 has no plan of small radices
        coils = between(1, 10);
        per_csm = between(1, 2), per_kernel = between(1, 2);
        batch = 2 * between(1, 5);
    } while (batch * coils * nz * ny * nx > 2500);
    const ToeplitzProblem p = mriops::make_toeplitz_problem(batch, coils, nz, ny, nx, ndim, per_csm, per_kernel);
    const bool maps = !one_in(3);
    const int64_t n = nz * ny * nx, big = n * (ndim == 3 ? 8 : 4), items = maps ? batch : batch * coils;
    auto image = random_reals<T>(2 * items * n), csm = random_reals<T>(2 * batch / per_csm * coils * n),
         kernel = random_reals<T>(batch / per_kernel * big);
    char what[300];
    std::snprintf(what, sizeof what, "batch %ld coils %ld z %ld y %ld x %ld ndim %d per_csm %ld per_kernel %ld maps %d",
                  long(batch), long(coils), long(nz), long(ny), long(nx), ndim, long(per_csm), long(per_kernel), maps);

    std::vector<cd> expected(static_cast<size_t>(items * n)), coil(static_cast<size_t>(n));
    double heaviest = 0, scale = 0;
    for (T v : kernel) heaviest = std::max(heaviest, std::abs(double(v)));
    const auto value = [](const std::vector<T>& x, int64_t i) { return cd(x[2 * i], x[2 * i + 1]); };
    for (int64_t b = 0; b < batch; ++b)
        for (int64_t c = 0; c < coils; ++c) {
            const int64_t from = (maps ? b : b * coils + c) * n, s = (b / per_csm * coils + c) * n;
            for (int64_t i = 0; i < n; ++i) coil[i] = value(image, from + i) * (maps ? value(csm, s + i) : cd(1));
            const auto out = toeplitz(p, coil, kernel.data() + b / per_kernel * big);
            for (int64_t i = 0; i < n; ++i) {
                const cd weight = maps ? value(csm, s + i) : cd(1);
                expected[from + i] += std::conj(weight) * out[i];
                scale += std::norm(weight) * std::norm(coil[i]);
            }
        }
    // Each of the butterflies in a row, forward and back, adds about eps of the norm it acts on, in squares, as do the
    // sums over coils and over the two halves per axis. The factor 4 is for lengths that go through a longer one.
    const double depth = 12 + 4 * std::log2(double(big)) + double(coils);
    const double limit = 4 * double(std::numeric_limits<T>::epsilon()) * std::sqrt(depth * scale) * heaviest;

    const auto image_before = image, csm_before = csm, kernel_before = kernel;
    for (const auto& isa : mriops::isa_choices()) {
        mriops::set_isa(isa);
        constexpr size_t kZone = 24;
        const size_t reals = static_cast<size_t>(2 * items * n);
        std::vector<T> out[2];
        for (int run = 0; run < 2; ++run) {
            out[run].assign(reals + 2 * kZone, T(123));
            mriops::toeplitz_kernels().sense_toeplitz(p, sizeof(T) == 4 ? Dtype::complex64 : Dtype::complex128,
                                                      image.data(), maps ? csm.data() : nullptr, kernel.data(),
                                                      out[run].data() + kZone, run ? int(between(2, 5)) : 1);
            for (size_t i = 0; i < kZone; ++i)
                EXPECT(out[run][i] == T(123) && out[run][reals + kZone + i] == T(123), "%s %s: written outside", what,
                       isa.c_str());
        }
        EXPECT(out[0] == out[1], "%s %s: depends on the number of threads", what, isa.c_str());
        double error = 0;
        for (size_t i = 0; i < expected.size(); ++i)
            error += std::norm(cd(out[0][kZone + 2 * i], out[0][kZone + 2 * i + 1]) - expected[i]);
        EXPECT(std::sqrt(error) <= limit, "%s %s %zu bytes: error %.3g, limit %.3g", what, isa.c_str(), sizeof(T),
               std::sqrt(error), limit);
    }
    EXPECT(image == image_before && csm == csm_before && kernel == kernel_before, "%s: an input was written to", what);
}

// Sizes that cannot be are refused by name.
void door_case() {
    int64_t v[] = {2, 3, 1, 4, 5, 1, 1};
    const int which = int(between(0, 6));
    const int64_t bad[] = {0, -1, int64_t{1} << 62};
    v[which] = bad[between(which == 0 ? 1 : 0, 2)];
    try {
        mriops::make_toeplitz_problem(v[0], v[1], v[2], v[3], v[4], 2, v[5], v[6]);
        EXPECT(false, "size %d = %ld passed", which, long(v[which]));
    } catch (const std::invalid_argument& error) {
        EXPECT(std::strstr(error.what(), "expected") && std::strstr(error.what(), "got"), "message: %s", error.what());
    }
}

}  // namespace

int main(int argc, char** argv) {
    const long cases = argc > 1 ? std::atol(argv[1]) : 200;
    const unsigned long seed = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1;
    for (long i = 0; i < cases; ++i) {
        random_bits.seed(seed * 1000003 + static_cast<unsigned long>(i));
        one_in(2) ? one_case<float>() : one_case<double>();
        door_case();
    }
    std::printf("%ld cases, seed %lu: all well\n", cases, seed);
    return 0;
}
