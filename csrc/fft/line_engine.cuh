// Transforms of whole lines by one block of threads, in shared memory.
//
// A tile holds `lanes` lines, entry i of line l at buffer[i * pitch + l]: neighbouring threads take neighbouring lines,
// so that shared memory is read without bank conflicts and twiddles are broadcast. Forward stages decimate in
// frequency, in place; backward stages undo them one by one. The first forward stage reads through `load`, the last one
// writes through `store`; `convolve` multiplies in between, in registers, and needs no reordering at all.
// All three take several entries at once, i = first + j * step, so that a thread has all its loads in flight together:
//   load.line(l).read(v, first, step)       v[j] <- entry i of line l
//   store.line(l).write(v, first, step)     entry i of the result is v[j]
//   multiply.line(l).apply(v, first, step)  v[j] <- v[j] times what belongs to frequency i
// All threads of the block call; buffers may be reused after the next __syncthreads.
#pragma once
#include "butterflies.cuh"
#include "line_plan.cuh"

namespace mriops::cuda {

template <class T>
struct Tile {
    Complex<T>* buffer;         // [plan.n][pitch]
    Complex<T>* second;         // as large; only touched if the plan says so
    const Complex<T>* twiddle;  // [plan.n], exp(-2 pi i k / n)
    const uint16_t* order;      // see fill_order
    unsigned lanes, lane_shift, pitch;
    unsigned thread, threads;
    bool rows;  // entries of a line are neighbours in global memory: threads run along the line there
};

template <int R>
struct Radix {
    static constexpr int value = R;
};
template <class F>
__device__ __forceinline__ void with_outer_radix(int radix, F&& f) {
    switch (radix) {
        case 1: f(Radix<1>{}); break;
        case 2: f(Radix<2>{}); break;
        case 3: f(Radix<3>{}); break;
        case 4: f(Radix<4>{}); break;
        case 5: f(Radix<5>{}); break;
        default: f(Radix<8>{}); break;
    }
}
template <class F, class G>
__device__ __forceinline__ void with_inner_radix(int radix, F&& f, G&& otherwise) {
    switch (radix) {
        case 2: f(Radix<2>{}); break;
        case 3: f(Radix<3>{}); break;
        case 4: f(Radix<4>{}); break;
        case 5: f(Radix<5>{}); break;
        case 6: f(Radix<6>{}); break;
        case 7: f(Radix<7>{}); break;
        case 8: f(Radix<8>{}); break;
        case 9: f(Radix<9>{}); break;
        case 10: f(Radix<10>{}); break;
        case 11: f(Radix<11>{}); break;
        case 13: f(Radix<13>{}); break;
        case 16: f(Radix<16>{}); break;
        default: otherwise(); break;
    }
}

// The digits of a frequency are those of its position, reversed. `by_frequency`: order[f] is the position of frequency
// f; otherwise order[q] is the lowest frequency of butterfly q of the last stage, whose outputs are n / radix apart.
__device__ __forceinline__ void fill_order(uint16_t* order, const LinePlan& plan, bool by_frequency, unsigned thread,
                                           unsigned threads) {
    const int last = plan.stages - 1;
    const unsigned count = by_frequency ? plan.n : plan.n / plan.stage[last].radix;
    for (unsigned i = thread; i < count; i += threads) {
        unsigned rest = i, result = 0;
        if (by_frequency) {
            for (int s = 0; s <= last; ++s) {
                const unsigned radix = plan.stage[s].radix;
                result += rest % radix * plan.stage[s].span;
                rest /= radix;
            }
        } else {
            unsigned weight = 1;
            for (int s = 0; s < last; ++s) {
                const unsigned span = plan.stage[s].span / plan.stage[last].radix;
                result += rest / span * weight;
                rest %= span;
                weight *= plan.stage[s].radix;
            }
        }
        order[i] = static_cast<uint16_t>(result);
    }
}

template <int R, class T, class Load>
__device__ __forceinline__ void first_stage(const Tile<T>& t, const LineStage& s, const Load& load) {
    const unsigned span = s.span, work = span << t.lane_shift;
    for (unsigned w = t.thread; w < work; w += t.threads) {
        unsigned l = w & (t.lanes - 1), p = w >> t.lane_shift;
        if (t.rows) {
            l = s.by_span.quotient(w);
            p = w - l * span;
        }
        Complex<T> v[R];
        load.line(l).read(v, p, span);
        dft<R, -1>(v);
        Complex<T>* const a = t.buffer + p * t.pitch + l;
        const unsigned step = span * t.pitch;
        a[0] = v[0];
        MRIOPS_UNROLL
        for (int k = 1; k < R; ++k) a[k * step] = v[k] * t.twiddle[p * k];
    }
}

// The mirror image of first_stage.
template <int R, class T, class Store>
__device__ __forceinline__ void final_stage(const Tile<T>& t, const LineStage& s, const Store& store) {
    const unsigned span = s.span, work = span << t.lane_shift;
    for (unsigned w = t.thread; w < work; w += t.threads) {
        unsigned l = w & (t.lanes - 1), p = w >> t.lane_shift;
        if (t.rows) {
            l = s.by_span.quotient(w);
            p = w - l * span;
        }
        const Complex<T>* const a = t.buffer + p * t.pitch + l;
        const unsigned step = span * t.pitch;
        Complex<T> v[R];
        v[0] = a[0];
        MRIOPS_UNROLL
        for (int k = 1; k < R; ++k) v[k] = conj_mul(t.twiddle[p * k], a[k * step]);
        dft<R, 1>(v);
        store.line(l).write(v, p, span);
    }
}

// In place. Sign < 0: butterfly, then twiddles. Sign > 0: the reverse.
template <int R, int Sign, class T>
__device__ __forceinline__ void inner_stage(const Tile<T>& t, const LineStage& s, unsigned butterflies) {
    const unsigned work = butterflies << t.lane_shift, step = s.span * t.pitch;
    for (unsigned w = t.thread; w < work; w += t.threads) {
        const unsigned l = w & (t.lanes - 1), q = w >> t.lane_shift;
        const unsigned block = s.by_span.quotient(q), p = q - block * s.span;
        Complex<T>* const a = t.buffer + (block * s.length + p) * t.pitch + l;
        Complex<T> v[R];
        v[0] = a[0];
        MRIOPS_UNROLL
        for (int k = 1; k < R; ++k)
            v[k] = Sign < 0 ? a[k * step] : conj_mul(t.twiddle[p * s.twiddle_step * k], a[k * step]);
        dft<R, Sign>(v);
        a[0] = v[0];
        MRIOPS_UNROLL
        for (int k = 1; k < R; ++k) a[k * step] = Sign < 0 ? v[k] * t.twiddle[p * s.twiddle_step * k] : v[k];
    }
}

// A prime radix without a codelet, from one buffer to the other: each piece of work sums all inputs for two output
// pairs.
template <int Sign, class T>
__device__ __forceinline__ void prime_stage(Tile<T>& t, const LineStage& s, unsigned n) {
    const unsigned radix = s.radix, half = radix / 2, root_step = n / radix;
    const unsigned work = (root_step * s.units) << t.lane_shift, step = s.span * t.pitch;
    for (unsigned w = t.thread; w < work; w += t.threads) {
        const unsigned l = w & (t.lanes - 1), piece = w >> t.lane_shift;
        const unsigned q = s.by_units.quotient(piece), k = 2 * (piece - q * s.units);
        const unsigned block = s.by_span.quotient(q), p = q - block * s.span;
        const unsigned base = (block * s.length + p) * t.pitch + l, turn = p * s.twiddle_step;
        const Complex<T>* const a = t.buffer + base;
        // Sums for frequencies k and k + 1, split into what is even and odd in the frequency.
        Complex<T> even0 = a[0], odd0 = {T(0), T(0)}, even1 = a[0], odd1 = {T(0), T(0)};
        unsigned angle0 = 0, angle1 = 0;
        for (unsigned j = 1; j <= half; ++j) {
            Complex<T> x = a[j * step], y = a[(radix - j) * step];
            if (Sign > 0) {
                x = conj_mul(t.twiddle[j * turn], x);
                y = conj_mul(t.twiddle[(radix - j) * turn], y);
            }
            const Complex<T> sum = x + y, difference = x - y;
            angle0 += k * root_step;
            if (angle0 >= n) angle0 -= n;
            angle1 += (k + 1) * root_step;
            if (angle1 >= n) angle1 -= n;
            const Complex<T> r0 = t.twiddle[angle0], r1 = t.twiddle[angle1];
            even0 = even0 + r0.re * sum;
            odd0 = odd0 + r0.im * difference;
            even1 = even1 + r1.re * sum;
            odd1 = odd1 + r1.im * difference;
        }
        Complex<T>* const b = t.second + base;
        const auto put = [&](unsigned f, Complex<T> even, Complex<T> odd) {
            // The table turns forwards: exp(-i x) = cos + i sin with its own negative sine.
            odd = Sign < 0 ? Complex<T>{-odd.im, odd.re} : Complex<T>{odd.im, -odd.re};
            const Complex<T> low = even + odd, high = even - odd;
            b[f * step] = Sign < 0 ? low * t.twiddle[f * turn] : low;
            if (f > 0) b[(radix - f) * step] = Sign < 0 ? high * t.twiddle[(radix - f) * turn] : high;
        };
        put(k, even0, odd0);
        if (k + 1 <= half) put(k + 1, even1, odd1);
    }
    Complex<T>* const swap = t.buffer;
    t.buffer = t.second;
    t.second = swap;
}

template <int Sign, class T>
__device__ __forceinline__ void any_inner_stage(Tile<T>& t, const LinePlan& plan, int index) {
    const LineStage& s = plan.stage[index];
    with_inner_radix(
        s.radix, [&](auto radix) { inner_stage<decltype(radix)::value, Sign>(t, s, plan.n / decltype(radix)::value); },
        [&] { prime_stage<Sign>(t, s, plan.n); });
    __syncthreads();
}

// Result in `store`, in natural order of frequencies (any order of calls).
template <class T, class Load, class Store>
__device__ __forceinline__ void transform(Tile<T>& t, const LinePlan& plan, const Load& load, const Store& store) {
    with_outer_radix(plan.stage[0].radix,
                     [&](auto radix) { first_stage<decltype(radix)::value>(t, plan.stage[0], load); });
    __syncthreads();
    const int last = plan.stages - 1;
    for (int i = 1; i < last; ++i) any_inner_stage<-1>(t, plan, i);
    with_outer_radix(plan.stage[last].radix, [&](auto r) {
        constexpr int R = decltype(r)::value;
        const unsigned butterflies = plan.n / R, work = butterflies << t.lane_shift;
        for (unsigned w = t.thread; w < work; w += t.threads) {
            const unsigned l = w & (t.lanes - 1), q = w >> t.lane_shift;
            Complex<T>* const a = t.buffer + q * R * t.pitch + l;
            Complex<T> v[R];
            MRIOPS_UNROLL
            for (int k = 0; k < R; ++k) v[k] = a[k * t.pitch];
            dft<R, -1>(v);
            if (t.rows) {
                MRIOPS_UNROLL
                for (int k = 0; k < R; ++k) a[k * t.pitch] = v[k];
            } else {
                store.line(l).write(v, t.order[q], butterflies);
            }
        }
    });
    if (!t.rows) return;
    __syncthreads();
    // Neighbouring threads write neighbouring entries: frequencies in order, gathered from where they ended up.
    const unsigned n = plan.n, first_lane = t.threads >= n ? t.thread / n : 0,
                   lane_step = t.threads >= n ? t.threads / n : 1;
    const unsigned first = t.threads >= n ? t.thread % n : t.thread, step = t.threads >= n ? n : t.threads;
    for (unsigned l = first_lane; l < t.lanes && first_lane < lane_step; l += lane_step) {
        const auto line = store.line(l);
        unsigned f = first;
        for (; f + 3 * step < n; f += 4 * step) {
            Complex<T> v[4];
            MRIOPS_UNROLL
            for (int j = 0; j < 4; ++j) v[j] = t.buffer[t.order[f + j * step] * t.pitch + l];
            line.write(v, f, step);
        }
        for (; f < n; f += step) {
            const Complex<T> v[1] = {t.buffer[t.order[f] * t.pitch + l]};
            line.write(v, f, step);
        }
    }
}

// Forward transform, `multiply`, backward transform without the 1 / n.
template <class T, class Load, class Multiply, class Store>
__device__ __forceinline__ void convolve(Tile<T>& t, const LinePlan& plan, const Load& load, const Multiply& multiply,
                                         const Store& store) {
    with_outer_radix(plan.stage[0].radix,
                     [&](auto radix) { first_stage<decltype(radix)::value>(t, plan.stage[0], load); });
    __syncthreads();
    const int last = plan.stages - 1;
    for (int i = 1; i < last; ++i) any_inner_stage<-1>(t, plan, i);
    with_outer_radix(plan.stage[last].radix, [&](auto r) {
        constexpr int R = decltype(r)::value;
        const unsigned butterflies = plan.n / R, work = butterflies << t.lane_shift;
        for (unsigned w = t.thread; w < work; w += t.threads) {
            const unsigned l = w & (t.lanes - 1), q = w >> t.lane_shift;
            Complex<T>* const a = t.buffer + q * R * t.pitch + l;
            Complex<T> v[R];
            MRIOPS_UNROLL
            for (int k = 0; k < R; ++k) v[k] = a[k * t.pitch];
            dft<R, -1>(v);
            multiply.line(l).apply(v, t.order[q], butterflies);
            dft<R, 1>(v);
            MRIOPS_UNROLL
            for (int k = 0; k < R; ++k) a[k * t.pitch] = v[k];
        }
    });
    __syncthreads();
    for (int i = last - 1; i >= 1; --i) any_inner_stage<1>(t, plan, i);
    with_outer_radix(plan.stage[0].radix,
                     [&](auto radix) { final_stage<decltype(radix)::value>(t, plan.stage[0], store); });
}

}  // namespace mriops::cuda
