// The Bloch equations of many isochromats under one piecewise constant waveform: the problem, and the table of kernels.
//
//   dM/dt = 2 pi M x (Re b, Im b, f) - (Mx, My, 0)/T2 - (0, 0, Mz - 1)/T1
//   b = sum_c b1[c] rf[c] [Hz],  f = off_resonance + sum_a field[a] position[a] [Hz]
// Each step relaxes for half its time, turns, and relaxes for the other half; the halves of neighbours are merged.
//
// Arrays are contiguous, C order; W is real (rows below), receive and signals are interleaved complex:
//   waveform       (batch or 1, 2 channels + axes + 1, steps)   rf real parts, rf imaginary parts, fields, dt [s]
//   spins          (batch or 1, 3 + 2 channels b1 + axes, n)    1/T1, 1/T2, off-resonance, b1 real, b1 imaginary,
//   position magnetization  (batch or 1, n, 3)                           Mx, My, Mz at the start receive        (batch
//   or 1, coils, n)                       what a coil sees of Mx + i My states         (batch, records, n, 3) after
//   record[j] steps signal         (batch, coils, records)                      sum over isochromats of receive (Mx + i
//   My)
#pragma once
#include <cstdint>

#include "../core/dtype.h"

namespace mriops {

struct BlochProblem {
    int64_t batch, spins, steps;
    int64_t channels, axes;
    bool b1;     // the isochromats have transmit sensitivities
    bool split;  // Strang splitting of the turn into precession and nutation, instead of one turn about the exact axis
    bool own_waveform, own_spins, own_magnetization, own_receive;  // one per batch item
    int64_t coils;                                                 // 0: states are wanted, not a signal
    const int64_t* record;                                         // strictly increasing, in [0, steps]
    int64_t records;

    int64_t waveform_rows() const { return 2 * channels + axes + 1; }
    int64_t spin_rows() const { return 3 + (b1 ? 2 * channels : 0) + axes; }
};

// Pointers of one call; what a kernel does not use is null. `d_*` are tangents, `grad_*` cotangents and gradients.
struct BlochArrays {
    const void *waveform, *spins, *magnetization, *receive;
    const void *d_waveform, *d_spins, *d_magnetization, *d_receive;
    const void *grad, *d_grad;  // of the output
    void* out;                  // states or signal
    // Full batch, even where the argument has none.
    void *grad_waveform, *grad_spins, *grad_magnetization, *grad_receive;
};

//   forward   out
//   jvp       its tangent, from d_waveform, d_spins, d_magnetization, d_receive
//   vjp       grad_* from grad
//   hvp       tangent of vjp, from d_* and d_grad
// `threads` is the number of threads a call may use.
struct BlochSweeps {
    using Sweep = void(const BlochProblem&, Dtype, const BlochArrays&, int threads);
    Sweep *forward, *jvp, *vjp, *hvp;
};

// One instance per instruction set. `states` gives signals too; `spinor` takes waveform and spins alone.
struct BlochKernels {
    BlochSweeps states, spinor;
};

extern const BlochKernels bloch_kernels_v2, bloch_kernels_v3, bloch_kernels_v4, bloch_kernels_generic;

}  // namespace mriops
