// The one-way passes for lengths with a large prime factor: x times a chirp, convolved with the conjugate chirp through
// lines of a fast length, times the chirp. (Bluestein, IEEE Trans. Audio Electroacoust. 18:451, 1970.)
#include "line_kernels.cuh"

namespace mriops::cuda {
namespace {

template <class T>
struct Spectrum {
    const Complex<T>* values;
    __device__ __forceinline__ const Spectrum& line(unsigned) const { return *this; }
    template <int R>
    __device__ __forceinline__ void apply(Complex<T> (&v)[R], unsigned first, unsigned step) const {
        MRIOPS_UNROLL
        for (int j = 0; j < R; ++j) v[j] = v[j] * values[first + j * step];
    }
};

template <class T, Load kLoad, Store kStore>
__global__ void __launch_bounds__(kMaxThreads, (kMinBlocks<T, kLoad, kStore>))
    bluestein(const __grid_constant__ Pass<T> a) {
    MRIOPS_SHARED_BYTES(shared);
    Work<T> work;
    if (!find_work(a, shared, work)) return;
    Tile<T> tile = make_tile(a, shared, false, a.rows);
    for (int64_t step = work.first_step; step < work.end_step; ++step) {
        __syncthreads();  // tables are there; or the step before has read its last
        const Loader<T, kLoad, Turn::chirped> load{a, work.lines, step};
        const Storer<T, kStore, Turn::chirped> store{a, work, reinterpret_cast<Complex<T>*>(shared + a.sums_at), step};
        convolve(tile, a.plan, load, Spectrum<T>{a.spectrum}, store);
    }
}

struct Tables {
    LinePlan plan;
    int n, centre;
};

// The conjugate chirp, wrapped around the end of the line, and its spectrum / m on the way out.
struct WrappedChirp {
    int n, m;
    __device__ __forceinline__ const WrappedChirp& line(unsigned) const { return *this; }
    template <int R>
    __device__ __forceinline__ void read(Complex<double> (&v)[R], unsigned first, unsigned step) const {
        MRIOPS_UNROLL
        for (int j = 0; j < R; ++j) {
            const int i = first + j * step, distance = i <= m - i ? i : m - i;
            v[j] = distance < n ? conj(chirp<double>(distance, n)) : Complex<double>{0, 0};
        }
    }
};
template <class T>
struct ScaledSpectrum {
    Complex<T>* values;
    double scale;
    __device__ __forceinline__ const ScaledSpectrum& line(unsigned) const { return *this; }
    template <int R>
    __device__ __forceinline__ void write(const Complex<double> (&v)[R], unsigned first, unsigned step) const {
        MRIOPS_UNROLL
        for (int j = 0; j < R; ++j) values[first + j * step] = {T(scale * v[j].re), T(scale * v[j].im)};
    }
};

// One block, always in double precision: the tables are short and every result depends on them.
template <class T>
__global__ void __launch_bounds__(kMaxThreads, 1)
    bluestein_tables(const __grid_constant__ Tables a, Complex<T>* chirps, Complex<T>* spectrum) {
    MRIOPS_SHARED_BYTES(shared);
    const int m = a.plan.n;
    Complex<double>* const twiddle = reinterpret_cast<Complex<double>*>(shared);
    Complex<double>* const buffer = twiddle + m;
    uint16_t* const order = reinterpret_cast<uint16_t*>(buffer + m);
    for (int k = threadIdx.x; k < m; k += blockDim.x) twiddle[k] = unit_root<double>(k, m);
    fill_order(order, a.plan, false, threadIdx.x, blockDim.x);
    for (int i = threadIdx.x; i < a.n; i += blockDim.x) {
        const int j = i - a.centre;  // entries count from the centre, so that no shift is left to do
        const Complex<double> c = chirp<double>(j < 0 ? -j : j, a.n);
        chirps[i] = {T(c.re), T(c.im)};
    }
    __syncthreads();
    Tile<double> tile{buffer, buffer, twiddle, order, 1, 0, 1, threadIdx.x, blockDim.x, false};
    transform(tile, a.plan, WrappedChirp{a.n, m}, ScaledSpectrum<T>{spectrum, 1.0 / m});
}

}  // namespace

template <class T>
void launch_bluestein(const Pass<T>& a, Load load, Store store, gpu::Stream stream) {
    const dim3 grid = grid_of(a), block(a.threads);
    if (load == Load::maps)
        MRIOPS_LAUNCH((bluestein<T, Load::maps, Store::plain>), grid, block, a.shared_bytes, stream, a);
    else if (store == Store::sum)
        MRIOPS_LAUNCH((bluestein<T, Load::data, Store::sum>), grid, block, a.shared_bytes, stream, a);
    else
        MRIOPS_LAUNCH((bluestein<T, Load::data, Store::plain>), grid, block, a.shared_bytes, stream, a);
}

template <class T>
void launch_bluestein_tables(int64_t n, int64_t m, Complex<T>* chirps, Complex<T>* spectrum, gpu::Stream stream) {
    const Tables tables{line_plan(m), static_cast<int>(n), static_cast<int>(n / 2)};
    MRIOPS_LAUNCH((bluestein_tables<T>), dim3(1), dim3(kMaxThreads), bluestein_tables_shared_bytes(m), stream, tables,
                  chirps, spectrum);
}

std::size_t bluestein_tables_shared_bytes(int64_t m) {
    return static_cast<std::size_t>(m) * (2 * sizeof(Complex<double>) + sizeof(uint16_t));
}

template void launch_bluestein<float>(const Pass<float>&, Load, Store, gpu::Stream);
template void launch_bluestein<double>(const Pass<double>&, Load, Store, gpu::Stream);
template void launch_bluestein_tables<float>(int64_t, int64_t, Complex<float>*, Complex<float>*, gpu::Stream);
template void launch_bluestein_tables<double>(int64_t, int64_t, Complex<double>*, Complex<double>*, gpu::Stream);

}  // namespace mriops::cuda
