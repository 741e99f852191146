// Sizes of a pass: lines per tile, threads per block, how sums are split. All depend on the problem alone, never on the
// device, so that workspaces and results are the same everywhere.
#include "line_pass.cuh"

#include <algorithm>

namespace mriops::cuda {
namespace {

// A multiprocessor of an H100 then holds three or four blocks, of smaller GPUs one.
constexpr std::size_t kComfortableBytes = 56 * 1024;
// Two blocks for each of an H100's 132 multiprocessors; fewer leave some of them idle.
constexpr int64_t kEnoughBlocks = 264;
constexpr unsigned kWidestTile = 64, kNarrowTile = 4;
constexpr int64_t kEnoughEntries = 2048;  // per tile: 8 per thread

template <class T>
void place(Pass<T>& a, unsigned lanes, int64_t sums) {
    constexpr std::size_t item = sizeof(Complex<T>);
    a.lanes = lanes;
    a.lane_shift = 0;
    while ((1u << a.lane_shift) < lanes) ++a.lane_shift;
    // Threads that run along the line step by `pitch`: an odd one spreads them over the banks.
    a.pitch = a.rows && lanes > 1 ? lanes + 1 : lanes;
    const std::size_t buffer = static_cast<std::size_t>(a.plan.n) * a.pitch * item;
    std::size_t at = lanes * sizeof(Line);
    const auto take = [&at](std::size_t bytes) {
        at = (at + 15) / 16 * 16;
        const std::size_t here = at;
        at += bytes;
        return static_cast<unsigned>(here);
    };
    a.twiddle_at = take(a.plan.n * item);
    a.order_at = take(a.plan.n * sizeof(uint16_t));
    a.buffer_at = take(buffer);
    a.second_at = take(a.plan.second_buffer ? buffer : 0);
    a.sums_at = take(static_cast<std::size_t>(sums) * a.n * a.pitch * item);
    a.shared_bytes = static_cast<unsigned>(std::min(at, std::size_t(1) << 30));
}

template <class T>
int64_t tiles_of(const Pass<T>& a) {
    return (a.lines + a.lanes - 1) / a.lanes;
}

// Threads that keep busy: butterflies come in whole rounds, and a radix-R butterfly takes about R + 4 turns.
template <class T>
unsigned choose_threads(const Pass<T>& a) {
    unsigned best = 64;
    double best_cost = 1e30;
    for (unsigned threads = 64; threads <= 256; threads += 32) {
        double cost = 0;
        for (int i = 0; i < a.plan.stages; ++i) {
            const LineStage& s = a.plan.stage[i];
            const double work = double(a.plan.n / s.radix) * s.units * a.lanes;
            const double rounds = double(int64_t(work + threads - 1) / threads);
            // A round costs its latency and, on a shared processor, its threads' work.
            cost += rounds * (s.radix + 4) * (64 + threads);
        }
        if (cost < best_cost) best_cost = cost, best = threads;
    }
    return best;
}

template <class T>
void choose_tile(Pass<T>& a, int64_t sums, int64_t blocks_per_tile) {
    unsigned lanes = 128 / sizeof(Complex<T>);  // a whole cache line of neighbouring columns
    while (lanes < kWidestTile && lanes * int64_t(a.plan.n) < kEnoughEntries) lanes *= 2;
    const auto shrink_while = [&](unsigned least, auto&& too_large) {
        for (place(a, lanes, sums); lanes > least && too_large(); place(a, lanes, sums)) lanes /= 2;
    };
    shrink_while(kNarrowTile, [&] { return a.shared_bytes > kComfortableBytes; });
    shrink_while(1, [&] { return a.shared_bytes > gpu::kSharedBytesAnywhere; });
    shrink_while(kNarrowTile, [&] { return tiles_of(a) * blocks_per_tile < kEnoughBlocks; });
}

}  // namespace

template <class T>
Route route_of(int64_t n) {
    const auto fits = [n](int64_t length) {
        Pass<T> a;
        a.plan = line_plan(length);
        if (a.plan.stages == 0) return false;
        a.n = static_cast<int>(n);
        place(a, 1, 1);
        return a.shared_bytes <= gpu::kSharedBytesAnywhere;
    };
    if (n <= kLongestLine && fits(n)) return Route::direct;
    if (2 * n > kLongestLine || line_plan(n).stages != 0) return Route::global;
    const int64_t m = bluestein_length(n);
    return fits(m) && bluestein_tables_shared_bytes(m) <= gpu::kSharedBytesAnywhere ? Route::bluestein : Route::global;
}

template <class T>
void lay_out(Pass<T>& a, int64_t m, Sums sums) {
    a.plan = line_plan(m > 0 ? m : a.n);
    a.rows = a.inner == 1;
    a.maps_per_group = a.maps;
    if (sums == Sums::none) {
        choose_tile(a, 0, 1);
        a.threads = choose_threads(a);
        return;
    }
    // Sums of several maps are kept side by side; when shared memory does not hold them, the maps take turns.
    const int64_t shares = sums == Sums::split ? a.steps : 1;
    choose_tile(a, a.maps_per_group, shares);
    while (a.maps_per_group > 1 && (a.lanes < kNarrowTile || a.shared_bytes > gpu::kSharedBytesAnywhere)) {
        a.maps_per_group = (a.maps_per_group + 1) / 2;
        choose_tile(a, a.maps_per_group, shares);
    }
    a.map_groups = (a.maps + a.maps_per_group - 1) / a.maps_per_group;
    const int64_t blocks = tiles_of(a) * a.map_groups;
    const int64_t least = sums == Sums::split ? 1 : a.steps;
    a.steps_per_split = std::clamp<int64_t>(a.steps * blocks / kEnoughBlocks, least, a.steps);
    a.splits = (a.steps + a.steps_per_split - 1) / a.steps_per_split;
    a.steps_per_split = (a.steps + a.splits - 1) / a.splits;
    if (a.steps_per_split == 1) place(a, a.lanes, 0);  // nothing to keep from one step to the next
    a.threads = choose_threads(a);
}

template Route route_of<float>(int64_t);
template Route route_of<double>(int64_t);
template void lay_out<float>(Pass<float>&, int64_t, Sums);
template void lay_out<double>(Pass<double>&, int64_t, Sums);

}  // namespace mriops::cuda
