// Extended phase graphs of two pools that exchange magnetization: the arrays of a call, and the table of kernels.
//
// The train is that of epg.h. Pool a has the states F_k, Z_k; pool b either the same (chemical exchange), turned by the
// same pulses, or Z_k alone (magnetization transfer), which a pulse multiplies by exp(-saturation b1^2). Equilibrium is
// M = (1 - fraction, fraction). Between pulses
//
//   d/dt (Z_a, Z_b) = -[[1/t1_a + k_ab, -k_ba], [-k_ab, 1/t1_b + k_ba]] (Z - M),     Z - M being Z for k != 0
//   d/dt (F_a, F_b) = -[[1/t2_a + k_ab, -k_ba], [-k_ab, 1/t2_b + k_ba + 2 pi i f_b]] F - 2 pi i f F
//
// are solved exactly (epgx_interval.h); without F_b, F_a decays by 1/t2_a alone. A sample is m0 (F_a + F_b) at order 0.
// Lanes are atoms; states are kept as in epg.h, in the frame of the last pulse.
#pragma once
#include <cstdint>
#include <vector>

#include "../core/dtype.h"

namespace mriops {

// Rows of the arrays, each (batch or 1, rows, segments | samples | atoms), real.
enum EpgxPulse : int {
    epgx_flip_angle,  // rad
    epgx_phase,       // rad
    epgx_duration,    // s, to the next pulse
    epgx_saturation,  // of pool b where it has no transverse states
    epgx_pulse_rows
};
enum EpgxReadout : int { epgx_time, epgx_receiver_phase, epgx_readout_rows };  // s from the pulse, rad
enum EpgxTissue : int {
    epgx_r1_a,  // 1/s
    epgx_r2_a,
    epgx_r1_b,
    epgx_r2_b,  // not read for magnetization transfer
    epgx_k_ab,  // what leaves a for b, 1/s
    epgx_k_ba,
    epgx_fraction,
    epgx_b1,
    epgx_off_resonance,    // Hz, of both pools
    epgx_off_resonance_b,  // Hz, of b against a
    epgx_m0,
    epgx_tissue_rows
};

struct EpgxProblem {
    int64_t batch, segments, samples, atoms;
    int64_t orders;   // orders kept: 0 ... orders - 1; 0 lets each block of atoms choose by its longest t2
    bool transverse;  // pool b has transverse states
    bool real;        // phases and off-resonances are 0: so are the imaginary parts of the states, in their frame
    bool own_pulses, own_readouts, own_tissue;  // one per item of the batch
    std::vector<int64_t> program;               // see EpgProblem; no flags, and no epg_inverts
};

// What a kernel does not use is null. The signal and what belongs to it are (batch, samples, atoms), complex.
struct EpgxArrays {
    const void *pulses, *readouts, *tissue;
    const void *d_pulses, *d_readouts, *d_tissue;     // tangents
    const void *grad, *d_grad;                        // cotangent of the signal, and its tangent
    void* signal;                                     // or its tangent
    void *grad_pulses, *grad_readouts, *grad_tissue;  // full batch, even where the argument has none
};

// One instance per instruction set.
struct EpgxKernels {
    using Sweep = void(const EpgxProblem&, Dtype, const EpgxArrays&, int threads);
    Sweep *forward, *jvp;  // signal, and its tangent
    Sweep *vjp, *hvp;      // gradients of Re <grad, signal>, and their tangent
};

extern const EpgxKernels epgx_kernels_v2, epgx_kernels_v3, epgx_kernels_v4, epgx_kernels_generic;

}  // namespace mriops
