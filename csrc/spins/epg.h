// Extended phase graphs: what a pulse train is, the arrays of a call, and the table of kernels.
//
// A train is a list of segments: an RF pulse, then free precession for some time, in which gradients move the dephasing
// orders and the signal is sampled any number of times. With F_k, Z_k the states (F_k multiplies exp(i k theta)),
//
//   pulse      F_k <- c^2 F_k + e^{2 i phi} s^2 conj(F_-k) + i e^{i phi} sin(a) Z_k,       c, s = cos, sin(a / 2)
//              Z_k <- cos(a) Z_k + (i/2) sin(a) (e^{-i phi} F_k - e^{i phi} conj(F_-k)),   a = flip_angle b1
//   precession F_k <- exp(-t / t2 - 2 pi i f t) F_{k - shift},   Z_k <- exp(-t / t1) (Z_k - delta_k0) + delta_k0
//   sample     m0 F_0 exp(-i receiver_phase)
//
// Diffusion at the rate D, while the gradient of a segment moves orders at a constant speed, damps in addition
//
//   F, arriving at order k, by exp(-D t (k^2 - k shift + shift^2 / 3)),   Z_k by exp(-D t k^2),
//   a sample of order o by exp(-D t o^2 / 3).
//
// Lanes are atoms. States are kept as they are just after a pulse, in the frame of that pulse, where its matrix is
// real: u_k = -i e^{-i phi} F_k, v_k = conj(-i e^{-i phi} F_-k), w_k = Z_k, k >= 0.
#pragma once
#include <cstdint>
#include <vector>

#include "../core/dtype.h"

namespace mriops {

// Sequence parameters, shared by all atoms, come first; then what each atom has.
enum EpgArgument : int {
    epg_flip_angle,      // (segments)  rad
    epg_phase,           // (segments)  rad; absent: all pulses about one axis
    epg_duration,        // (segments)  s, from this pulse to the next
    epg_sample_time,     // (samples)   s, from the last pulse before it
    epg_receiver_phase,  // (samples)   rad; absent: 0
    epg_t1,              // (atoms)     s
    epg_t2,              // (atoms)     s
    epg_b1,              // (atoms)     1; absent: 1
    epg_off_resonance,   // (atoms)     Hz; absent: 0
    epg_m0,              // (atoms)     absent: 1
    epg_diffusion,       // (atoms)     1/s: coefficient times the square of the wave number of one order; absent: 0
    epg_inversion,       // (atoms)     how much of m0 an inversion turns over; absent: 1
    epg_arguments
};
constexpr int epg_sequence_arguments = epg_t1;
// Relaxation times from 0 to this count as this [s]: what relaxes so fast is gone before anything happens, and its rate
// is a number that can be squared. _native/relaxation.py has it for the kernels that take rates.
constexpr double epg_shortest_time = 1e-8;

// What is not a number with a derivative. `program` is {flags, then for each run of equal segments: how many, shift,
// segment flags, samples per segment, the offset of each}: offset o means that o orders' worth of gradient come before.
struct EpgProblem {
    int64_t segments, samples, atoms;
    int64_t orders;  // orders kept: 0 ... orders - 1; 0 lets each block of atoms choose by its longest t2
    std::vector<int64_t> program;
};
enum EpgFlag : int64_t {
    epg_odd_orders = 1,   // only the orders +-1, +-3, ... that echoes come from: entry j is order 2 j + 1, shift 1 is 2
    epg_real_signal = 2,  // CPMG: pulses 1, 2, ... are 90 degrees from pulse 0; the signal is real and stored as such
};
enum EpgSegmentFlag : int64_t {
    epg_spoil = 1,      // nothing transverse outlives the segment
    epg_adiabatic = 2,  // b1 does not scale the flip angle
    epg_inverts = 4,    // first segment alone: instead of a pulse, Z_0 becomes minus the inversion, and no F is left
};

struct EpgArrays {
    const void* value[epg_arguments];    // nullptr where absent
    const void* tangent[epg_arguments];  // nullptr where zero
    const void* cotangent;               // (samples, atoms)
    void* signal;                        // (samples, atoms), the signal or its tangent
    void* gradient[epg_arguments];       // nullptr where not wanted
};

// For `jacobian` the tangents of what each atom has are (count, atoms), those of the sequence are not read, and the
// signal is (value + count, samples, atoms): itself where `value` says so, then its derivative along each direction.
struct EpgDirections {
    int64_t count;
    bool value;
};

// One instance per instruction set.
struct EpgKernels {
    void (*forward)(const EpgProblem&, Dtype, const EpgArrays&, int threads);  // signal
    void (*jvp)(const EpgProblem&, Dtype, const EpgArrays&, int threads);      // its derivative along the tangents
    void (*jacobian)(const EpgProblem&, Dtype, const EpgArrays&, const EpgDirections&, int threads);
    void (*vjp)(const EpgProblem&, Dtype, const EpgArrays&, int threads);  // gradient of Re <cotangent, signal>
    void (*hvp)(const EpgProblem&, Dtype, const EpgArrays&, int threads);  // that gradient's along the tangents
};

extern const EpgKernels epg_kernels_v2, epg_kernels_v3, epg_kernels_v4, epg_kernels_generic;

}  // namespace mriops
