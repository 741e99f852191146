// Interpolation and its derivatives: a warp takes 32 neighbours of the sorted samples, one coil after another; taps are
// computed once per block for all coils.
#include "gridding.cuh"

namespace mriops::cuda::gridding {
namespace {

constexpr int kPoints = 32, kRows = 8;  // threads: samples across, coils down

enum class Out { value, jvp, grad };

template <class T, int N>
struct Taps {  // what the threads of a block share
    int index[N][kWidest][kPoints];
    T tap[N][kWidest][kPoints];
    T slope[N][kWidest][kPoints];  // derivatives; last, because plain interpolation leaves it out
};

template <class T, int N, Out kOut>
__global__ void __launch_bounds__(kPoints* kRows, sizeof(T) == 4 ? 3 : 2)
    interpolate(const __grid_constant__ Gridding<T> a, const T* tangent, T* trajectory_out, bool add) {
    MRIOPS_SHARED_BYTES(shared);
    Taps<T, N>& taps = *reinterpret_cast<Taps<T, N>*>(shared);
    constexpr bool kSlopes = kOut != Out::value;
    const int p = int(threadIdx.x), row = int(threadIdx.y), w = a.width;
    const int s = int(blockIdx.x) * kPoints + p;
    const bool exists = s < a.samples;
    // Items that share a trajectory and are summed by a gradient are taken in turn by one block.
    const int group = kOut == Out::grad ? a.items : 1;
    const int64_t trajectory = (a.first_item + int(blockIdx.y) * group) / a.batch_per_traj;
    int64_t user = exists ? a.order[trajectory * a.samples + s] : 0;
    user = user < 0 || user >= a.samples ? 0 : user;
    for (int i = row; i < N * w; i += kRows) {
        const int d = i / w, j = i - d * w;
        const GridAxis<T>& axis = a.axis[3 - N + d];
        T x = 0;
        const T k = exists ? a.points[(trajectory * a.samples + s) * N + d] : T(0);
        const int cell = place_sample(axis, w, k, &x);
        taps.index[d][j][p] = cell_index(axis, w, cell + j);
        taps.tap[d][j][p] = tap(axis, w, j, x);
        if (kSlopes) {
            T slope = tap_slope(axis, w, j, x);
            if (kOut == Out::jvp) slope *= tangent[(trajectory * a.samples + user) * N + d];
            taps.slope[d][j][p] = slope;
        }
    }
    __syncthreads();
    T sum[N];
    MRIOPS_UNROLL
    for (int d = 0; d < N; ++d) sum[d] = 0;
    if (exists)
        for (int item = int(blockIdx.y) * group, end = item + group; item < end; ++item)
            for (int c = int(blockIdx.z) * kRows + row; c < a.coils; c += int(gridDim.z) * kRows) {
                const Complex<T>* const grid = a.grid + (int64_t(item) * a.coils + c) * a.volume;
                // value, or derivatives by z, y, x; a jvp has their sum in the last
                Complex<T> v[N];
                MRIOPS_UNROLL
                for (int d = 0; d < N; ++d) v[d] = {T(0), T(0)};
                for (int i = 0; i < (N == 3 ? w : 1); ++i)
                    for (int j = 0; j < w; ++j) {
                        const int64_t plane = N == 3 ? int64_t(taps.index[0][i][p]) * a.axis[1].grid : 0;
                        const Complex<T>* const line = grid + (plane + taps.index[N - 2][j][p]) * a.axis[2].grid;
                        Complex<T> r = {T(0), T(0)}, rs = {T(0), T(0)};
                        for (int l = 0; l < w; ++l) {
                            const Complex<T> g = line[taps.index[N - 1][l][p]];
                            r = r + taps.tap[N - 1][l][p] * g;
                            if (kSlopes) rs = rs + taps.slope[N - 1][l][p] * g;
                        }
                        const T tz = N == 3 ? taps.tap[0][i][p] : T(1), ty = taps.tap[N - 2][j][p];
                        if (!kSlopes) {
                            v[N - 1] = v[N - 1] + (tz * ty) * r;
                            continue;
                        }
                        const T sy = tz * taps.slope[N - 2][j][p], sz = N == 3 ? taps.slope[0][i][p] * ty : T(0);
                        v[N - 1] = v[N - 1] + (tz * ty) * rs;
                        if (kOut == Out::jvp) {
                            v[N - 1] = v[N - 1] + (sy + sz) * r;
                        } else {
                            v[N - 2] = v[N - 2] + sy * r;
                            if (N == 3) v[0] = v[0] + sz * r;
                        }
                    }
                Complex<T>* const at =
                    a.kspace + item * a.item_step + (a.sorted ? s : user) * a.sample_step + c * a.coil_step;
                if (kOut != Out::grad) {
                    *at = v[N - 1];
                } else {
                    const Complex<T> y = *at;
                    MRIOPS_UNROLL
                    for (int d = 0; d < N; ++d) sum[d] += y.re * v[d].re + y.im * v[d].im;
                }
            }
    if (kOut != Out::grad) return;
    __syncthreads();
    T* const parts = reinterpret_cast<T*>(shared);  // [row][N][point]
    MRIOPS_UNROLL
    for (int d = 0; d < N; ++d) parts[(row * N + d) * kPoints + p] = sum[d];
    __syncthreads();
    if (row >= N || !exists) return;
    T total = 0;
    for (int r = 0; r < kRows; ++r) total += parts[(r * N + row) * kPoints + p];
    T* const out = trajectory_out + (trajectory * a.samples + user) * N + row;
    *out = add ? *out + total : total;
}

template <class T, int N, Out kOut>
void launch(const Gridding<T>& a, const T* tangent, T* trajectory, bool add, gpu::Stream stream) {
    const unsigned points = unsigned((a.samples + kPoints - 1) / kPoints);
    if (points == 0) return;
    // A gradient sums all coils of a sample in one block.
    const int rows = kOut == Out::grad ? 1 : (a.coils + kRows - 1) / kRows;
    const dim3 blocks(points, kOut == Out::grad ? 1 : unsigned(a.items), unsigned(rows < 65535 ? rows : 65535));
    constexpr std::size_t plain = (sizeof(int) + sizeof(T)) * N * kWidest * kPoints,
                          sums = sizeof(T) * kRows * N * kPoints;
    constexpr std::size_t bytes = kOut == Out::value ? plain : sizeof(Taps<T, N>) > sums ? sizeof(Taps<T, N>) : sums;
    MRIOPS_LAUNCH((interpolate<T, N, kOut>), blocks, dim3(kPoints, kRows), bytes, stream, a, tangent, trajectory, add);
}

template <class T, Out kOut>
void launch_any(const Gridding<T>& a, const T* tangent, T* trajectory, bool add, gpu::Stream stream) {
    a.ndim == 2 ? launch<T, 2, kOut>(a, tangent, trajectory, add, stream)
                : launch<T, 3, kOut>(a, tangent, trajectory, add, stream);
}

}  // namespace

template <class T>
void launch_interpolate(const Gridding<T>& a, gpu::Stream stream) {
    launch_any<T, Out::value>(a, nullptr, nullptr, false, stream);
}
template <class T>
void launch_interpolate_jvp(const Gridding<T>& a, const T* tangent, gpu::Stream stream) {
    launch_any<T, Out::jvp>(a, tangent, nullptr, false, stream);
}
template <class T>
void launch_interpolate_grad(const Gridding<T>& a, T* trajectory, bool add, gpu::Stream stream) {
    launch_any<T, Out::grad>(a, nullptr, trajectory, add, stream);
}

#define MRIOPS_INSTANTIATE(T)                                                        \
    template void launch_interpolate(const Gridding<T>&, gpu::Stream);               \
    template void launch_interpolate_jvp(const Gridding<T>&, const T*, gpu::Stream); \
    template void launch_interpolate_grad(const Gridding<T>&, T*, bool, gpu::Stream);
MRIOPS_INSTANTIATE(float)
MRIOPS_INSTANTIATE(double)
#undef MRIOPS_INSTANTIATE

}  // namespace mriops::cuda::gridding
