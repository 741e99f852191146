// The Bloch-McConnell equations of isochromats with two pools that exchange magnetization, under one piecewise constant
// waveform: the problem, and the table of kernels.
//
//   dM_p/dt = 2 pi M_p x (Re b, Im b, f_p) - (M_px, M_py, 0)/T2_p - (0, 0, M_pz - M0_p)/T1_p + exchange,   p = a, b
//   exchange  -k_ab M_a + k_ba M_b for a, the opposite for b;   M0_a = 1 - fraction, M0_b = fraction
//   b = sum_c b1[c] rf[c] [Hz],  f_a = off_resonance + sum_i field[i] position[i] [Hz],  f_b = f_a + off_resonance_b
// Each step relaxes and exchanges for half its time, exactly (epgx_interval.h), turns each pool about its own axis,
// exactly, and relaxes and exchanges for the other half: an error of order dt^2 (Strang).
//
// Arrays are contiguous, C order, real:
//   waveform       (batch or 1, 2 channels + axes + 1, steps)   rf real parts, rf imaginary parts, fields, dt [s]
//   spins          (batch or 1, rows, n)                        BlochExchangeRow, b1 real, b1 imaginary, position
//   magnetization  (batch or 1, n, 6)                           Mx, My, Mz of pool a, then of b, at the start
//   states         (batch, records, n, 6)                       after record[j] steps
#pragma once
#include <cstdint>

#include "../core/dtype.h"
#include "../core/hostdevice.h"

namespace mriops {

enum BlochExchangeRow : int {
    exchange_r1_a,  // 1/s
    exchange_r2_a,
    exchange_r1_b,
    exchange_r2_b,
    exchange_k_ab,  // what leaves a for b, 1/s
    exchange_k_ba,
    exchange_fraction,
    exchange_off_resonance,    // Hz
    exchange_off_resonance_b,  // Hz, of b against a
    exchange_rows
};

struct BlochExchangeProblem {
    int64_t batch, spins, steps;
    int64_t channels, axes;
    bool b1;                                          // the isochromats have transmit sensitivities
    bool own_waveform, own_spins, own_magnetization;  // one per batch item
    const int64_t* record;                            // strictly increasing, in [0, steps]
    int64_t records;

    MRIOPS_HD int64_t waveform_rows() const { return 2 * channels + axes + 1; }
    MRIOPS_HD int64_t spin_rows() const { return exchange_rows + (b1 ? 2 * channels : 0) + axes; }
};

// Pointers of one call; what a kernel does not use is null. `d_*` are tangents.
struct BlochExchangeArrays {
    const void *waveform, *spins, *magnetization;
    const void *d_waveform, *d_spins, *d_magnetization;
    const void *grad, *d_grad;                              // of the states
    void* out;                                              // states, or their tangent
    void *grad_waveform, *grad_spins, *grad_magnetization;  // full batch, even where the argument has none
};

// One instance per instruction set.
struct BlochExchangeKernels {
    using Sweep = void(const BlochExchangeProblem&, Dtype, const BlochExchangeArrays&, int threads);
    Sweep *forward, *jvp;  // states, and their tangent
    Sweep *vjp, *hvp;      // gradients of <grad, states>, and their tangent
};

extern const BlochExchangeKernels bloch_exchange_kernels_v2, bloch_exchange_kernels_v3, bloch_exchange_kernels_v4,
    bloch_exchange_kernels_generic;

}  // namespace mriops
