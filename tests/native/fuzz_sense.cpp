// Random problems against the SENSE kernels: fuzz_sense [cases] [seed].
//
// Each case runs one entry point with every instruction set this processor has, once on one thread and once on several:
// both must agree bit for bit, agree with direct sums in double precision, write every element of the output, leave
// the inputs alone and touch nothing beside the arrays (guard zones; exact allocations under AddressSanitizer).
#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <type_traits>

#include "core/isa.h"
#include "expect.h"
#include "reference.h"
#include "sense/dispatch.h"
#include "sense/problem.h"

namespace {

using mriops::Dtype;
using mriops::FftProblem;
using mriops::MaskKind;
using mriops::SenseProblem;
using reference::Array;
using reference::cd;

std::mt19937_64 random_bits;

int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_bits() % static_cast<uint64_t>(high - low + 1));
}
bool one_in(int64_t n) { return between(1, n) == 1; }
double normal() {
    static std::normal_distribution<double> distribution;
    return distribution(random_bits);
}

// An array aligned to one element and no more, as a view of a tensor may be, with guard zones on both sides.
template <class T>
class Guarded {
    static constexpr unsigned char pattern = 0xA5;
    static constexpr size_t zone = 192;

  public:
    explicit Guarded(size_t n)
        : bytes_(n * sizeof(T)),
          shift_(zone + static_cast<size_t>(between(0, 15)) * alignof(T)),
          memory_(new unsigned char[shift_ + bytes_ + zone]) {
        std::memset(memory_.get(), pattern, shift_ + bytes_ + zone);
    }
    T* data() { return reinterpret_cast<T*>(memory_.get() + shift_); }
    size_t size() const { return bytes_ / sizeof(T); }
    void check(const std::string& what) const {
        for (size_t i = 0; i < shift_; ++i) EXPECT(memory_[i] == pattern, "%s: written before its start", what.c_str());
        for (size_t i = 0; i < zone; ++i)
            EXPECT(memory_[shift_ + bytes_ + i] == pattern, "%s: written %zu bytes after its end", what.c_str(), i);
    }

  private:
    size_t bytes_, shift_;
    std::unique_ptr<unsigned char[]> memory_;
};

// Rounds to T, so that kernel and reference see the same numbers.
template <class T>
Array random_array(int64_t n) {
    Array x(static_cast<size_t>(n));
    for (auto& v : x) v = cd(static_cast<T>(normal()), static_cast<T>(normal()));
    return x;
}

template <class T>
Guarded<std::complex<T>> stored(const Array& x) {
    Guarded<std::complex<T>> out(x.size());
    for (size_t i = 0; i < x.size(); ++i) out.data()[i] = {static_cast<T>(x[i].real()), static_cast<T>(x[i].imag())};
    return out;
}

double norm(const Array& x) {
    double sum = 0;
    for (auto v : x) sum += std::norm(v);
    return std::sqrt(sum);
}

int64_t random_size() {
    if (one_in(12)) return between(1, 130);
    return one_in(3) ? between(1, 40) : between(1, 17);
}

SenseProblem random_problem() {
    SenseProblem p{};
    p.ndim = one_in(3) ? 3 : 2;
    do {
        p.nz = p.ndim == 3 ? between(1, 9) : 1;
        p.ny = random_size();
        p.nx = random_size();
        p.coils = between(1, 6);
        p.maps = one_in(3) ? between(2, 3) : 1;
        p.batch_per_csm = between(1, 3);
        p.batch = p.batch_per_csm * between(1, 2);
    } while (p.batch * p.coils * p.maps * p.nz * p.ny * p.nx > 6000);
    p.mask_kind = static_cast<MaskKind>(between(0, 2));
    // Strides of an array in any axis order, padded here and there, then some axes broadcast.
    int64_t* const strides[] = {&p.mask_sx, &p.mask_sy, &p.mask_sz, &p.mask_sb};
    const int64_t sizes[] = {p.nx, p.ny, p.nz, p.batch};
    int order[] = {0, 1, 2, 3};
    if (one_in(3)) std::shuffle(order, order + 4, random_bits);
    int64_t stride = one_in(4) ? between(1, 3) : 1;
    for (int axis : order) {
        const bool broadcast = one_in(3);
        *strides[axis] = broadcast ? 0 : stride;
        if (!broadcast) stride *= sizes[axis] + (one_in(4) ? between(0, 2) : 0);
    }
    return p;
}

std::string describe(const char* name, const SenseProblem& p) {
    char text[400];
    std::snprintf(
        text, sizeof text,
        "%s batch %ld maps %ld coils %ld z %ld y %ld x %ld ndim %d batch_per_csm %ld mask %d (%ld %ld %ld %ld)", name,
        long(p.batch), long(p.maps), long(p.coils), long(p.nz), long(p.ny), long(p.nx), p.ndim, long(p.batch_per_csm),
        int(p.mask_kind), long(p.mask_sb), long(p.mask_sz), long(p.mask_sy), long(p.mask_sx));
    return text;
}

// Runs call(out, threads) with every instruction set; `scale` bounds the norm of what the sums went through.
template <class T, class Call>
void compare(const std::string& what, const Array& expected, double scale, double depth, Call&& call) {
    // Each of the `depth` butterflies and sums in a row adds about eps of the norm it acts on; roundings are
    // independent, so they add in squares. The factor 4 is for sizes whose transform goes through a longer one.
    const double limit = 4 * static_cast<double>(std::numeric_limits<T>::epsilon()) * std::sqrt(depth) * scale;
    for (const auto& isa : mriops::isa_choices()) {
        mriops::set_isa(isa);
        const std::string label = what + (sizeof(T) == 4 ? " complex64 " : " complex128 ") + isa;
        Guarded<std::complex<T>> out(expected.size()), again(expected.size());
        call(out.data(), 1);
        call(again.data(), static_cast<int>(between(2, 5)));
        out.check(label);
        again.check(label);
        EXPECT(std::memcmp(out.data(), again.data(), out.size() * sizeof(std::complex<T>)) == 0,
               "%s: depends on the number of threads", label.c_str());
        double error = 0;
        for (size_t i = 0; i < expected.size(); ++i)
            error += std::norm(cd(out.data()[i].real(), out.data()[i].imag()) - expected[i]);
        EXPECT(std::sqrt(error) <= limit, "%s: error %.3g, limit %.3g (norm %.3g)", label.c_str(), std::sqrt(error),
               limit, norm(expected));
    }
}

template <class T>
void sense_case() {
    const SenseProblem drawn = random_problem();
    const SenseProblem p = mriops::make_problem(drawn.batch, drawn.maps, drawn.coils, drawn.nz, drawn.ny, drawn.nx,
                                                drawn.ndim, drawn.batch_per_csm, static_cast<int>(drawn.mask_kind),
                                                drawn.mask_sb, drawn.mask_sz, drawn.mask_sy, drawn.mask_sx);
    const int64_t n = reference::voxels(p);
    const Array image = random_array<T>(p.batch * p.maps * n), kspace = random_array<T>(p.batch * p.coils * n);
    const Array csm = random_array<T>(p.batch / p.batch_per_csm * p.maps * p.coils * n);

    std::vector<double> weights;
    if (p.mask_kind != MaskKind::none) {
        weights.resize(reference::weight_at(p, p.batch - 1, n - 1) + 1);
        for (auto& w : weights)
            w = p.mask_kind == MaskKind::bytes ? double(one_in(2)) : double(static_cast<T>(normal()));
    }
    Guarded<T> real_weights(weights.size());
    Guarded<unsigned char> byte_weights(weights.size());
    for (size_t i = 0; i < weights.size(); ++i) {
        real_weights.data()[i] = static_cast<T>(weights[i]);
        byte_weights.data()[i] = static_cast<unsigned char>(weights[i]);
    }
    const void* mask = p.mask_kind == MaskKind::none    ? nullptr
                       : p.mask_kind == MaskKind::bytes ? static_cast<const void*>(byte_weights.data())
                                                        : real_weights.data();

    auto x = stored<T>(image), s = stored<T>(csm), k = stored<T>(kspace);
    const Dtype t = sizeof(T) == 4 ? Dtype::complex64 : Dtype::complex128;
    double heaviest = 1;
    for (double w : weights) heaviest = std::max(heaviest, std::abs(w));
    const double strength = std::sqrt(2.0 * double(p.maps * p.coils));  // rms of the maps, all sets and coils
    const double transforms = 2 + 2 * std::log2(double(n) + 1), sums = double(p.maps + p.coils);
    const auto kernels = [] { return mriops::sense_kernels(); };

    switch (between(0, 5)) {
        case 0:
            compare<T>(describe("sense", p), reference::sense(p, image, csm, weights),
                       heaviest * strength * norm(image), transforms + sums,
                       [&](void* out, int threads) { kernels().sense(p, t, x.data(), s.data(), mask, out, threads); });
            break;
        case 1:
            compare<T>(describe("sense_adjoint", p), reference::sense_adjoint(p, kspace, csm, weights),
                       heaviest * strength * norm(kspace), transforms + sums, [&](void* out, int threads) {
                           kernels().sense_adjoint(p, t, k.data(), s.data(), mask, out, threads);
                       });
            break;
        case 2:
            compare<T>(
                describe("sense_gram", p),
                reference::sense_adjoint(p, reference::sense(p, image, csm, weights), csm, weights),
                heaviest * heaviest * strength * strength * norm(image), 2 * transforms + 2 * sums,
                [&](void* out, int threads) { kernels().sense_gram(p, t, x.data(), s.data(), mask, out, threads); });
            break;
        case 3:
            compare<T>(describe("sense_csm_adjoint", p), reference::sense_csm_adjoint(p, kspace, image, weights),
                       heaviest * std::sqrt(2.0 * double(p.maps * p.batch)) * norm(kspace),
                       transforms + double(p.batch), [&](void* out, int threads) {
                           kernels().sense_csm_adjoint(p, t, k.data(), x.data(), mask, out, threads);
                       });
            break;
        case 4:
            compare<T>(describe("coil_expand", p), reference::coil_expand(p, image, csm), strength * norm(image),
                       2 + sums,
                       [&](void* out, int threads) { kernels().coil_expand(p, t, x.data(), s.data(), out, threads); });
            break;
        default:
            compare<T>(describe("coil_combine", p), reference::coil_combine(p, kspace, csm), strength * norm(kspace),
                       2 + sums,
                       [&](void* out, int threads) { kernels().coil_combine(p, t, k.data(), s.data(), out, threads); });
    }
    const auto unchanged = [](Guarded<std::complex<T>>& now, const Array& before, const char* name) {
        now.check(name);
        auto again = stored<T>(before);
        EXPECT(std::memcmp(now.data(), again.data(), now.size() * sizeof(std::complex<T>)) == 0, "%s was written to",
               name);
    };
    unchanged(x, image, "image");
    unchanged(s, csm, "csm");
    unchanged(k, kspace, "kspace");
}

template <class T>
void fft_case() {
    int64_t nz, ny, nx, batch;
    do {
        nz = one_in(2) ? 1 : random_size();
        ny = random_size();
        nx = one_in(10) ? between(1, 600) : random_size();
        batch = between(1, 4);
    } while (batch * nz * ny * nx > 6000);
    const FftProblem p = mriops::make_fft_problem(batch, nz, ny, nx, static_cast<int>(between(0, 7)), one_in(2));
    const Array input = random_array<T>(batch * nz * ny * nx);
    Array expected = input;
    for (int64_t b = 0; b < batch; ++b)
        reference::fft(expected.data() + b * nz * ny * nx, nz, ny, nx, p.axes, p.inverse);
    auto x = stored<T>(input);
    const bool in_place = one_in(2);
    char what[200];
    std::snprintf(what, sizeof what, "fft batch %ld z %ld y %ld x %ld axes %d inverse %d in place %d", long(batch),
                  long(nz), long(ny), long(nx), p.axes, int(p.inverse), int(in_place));
    compare<T>(what, expected, norm(input), 2 + 2 * std::log2(double(nz * ny * nx) + 1),
               [&](std::complex<T>* out, int threads) {
                   if (in_place) std::memcpy(static_cast<void*>(out), x.data(), x.size() * sizeof(std::complex<T>));
                   mriops::sense_kernels().fft(p, sizeof(T) == 4 ? Dtype::complex64 : Dtype::complex128,
                                               in_place ? out : x.data(), out, threads);
               });
}

// Sizes that cannot be are refused, and what passes the door can be addressed with 64 bits.
void door_case() {
    const auto wild = [] {
        switch (between(0, 5)) {
            case 0: return -between(0, 3);
            case 1: return static_cast<int64_t>(random_bits());
            case 2: return int64_t{1} << between(0, 62);
            case 3: return std::numeric_limits<int64_t>::max() - between(0, 2);
            default: return between(0, 40);
        }
    };
    int64_t v[9];
    for (auto& value : v) value = wild();
    const int ndim = static_cast<int>(between(1, 4)), kind = static_cast<int>(between(-1, 3));
    const int64_t mask_sx = wild();
    try {
        const SenseProblem p =
            mriops::make_problem(v[0], v[1], v[2], v[3], v[4], v[5], ndim, v[6], kind, v[7], v[8], 1, mask_sx);
        EXPECT(p.batch >= 0 && p.maps > 0 && p.coils > 0 && p.nz > 0 && p.ny > 0 && p.nx > 0, "a size passed: %s",
               describe("door", p).c_str());
        __extension__ typedef __int128 wide;
        const wide n = wide(p.batch) * p.coils;
        EXPECT(p.batch == 0 || (n <= (wide(1) << 62) && n * p.nz <= (wide(1) << 62) &&
                                n * p.nz * p.ny <= (wide(1) << 62) && n * p.nz * p.ny * p.nx * 16 < (wide(1) << 63)),
               "an overflow passed: %s", describe("door", p).c_str());
    } catch (const std::invalid_argument& error) {
        EXPECT(std::strstr(error.what(), "expected") && std::strstr(error.what(), "got"), "message: %s", error.what());
    }
}

}  // namespace

int main(int argc, char** argv) {
    const long cases = argc > 1 ? std::atol(argv[1]) : 300;
    const unsigned long seed = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1;
    for (long i = 0; i < cases; ++i) {
        random_bits.seed(seed * 1000003 + static_cast<unsigned long>(i));
        if (std::getenv("MRIOPS_FUZZ_VERBOSE")) std::fprintf(stderr, "case %ld\n", i);
        if (one_in(4))
            one_in(2) ? fft_case<float>() : fft_case<double>();
        else
            one_in(2) ? sense_case<float>() : sense_case<double>();
        door_case();
    }
    std::printf("%ld cases, seed %lu: all well\n", cases, seed);
    return 0;
}
