// The arrays of the four functions that give states, which one pool and two have alike: their parameters, names and
// assignments, for a macro `define` that registers one function.
#pragma once

#define MRIOPS_BLOCH_UNPACK(...) __VA_ARGS__
#define MRIOPS_BLOCH_SET(argument) a.argument = pointer(#argument, argument, t)
#define MRIOPS_BLOCH_INPUTS MRIOPS_BLOCH_SET(waveform), MRIOPS_BLOCH_SET(spins), MRIOPS_BLOCH_SET(magnetization)
#define MRIOPS_BLOCH_TANGENTS MRIOPS_BLOCH_SET(d_waveform), MRIOPS_BLOCH_SET(d_spins), MRIOPS_BLOCH_SET(d_magnetization)
#define MRIOPS_BLOCH_GRADIENTS \
    MRIOPS_BLOCH_SET(grad_waveform), MRIOPS_BLOCH_SET(grad_spins), MRIOPS_BLOCH_SET(grad_magnetization)

#define MRIOPS_STATES(define, name)                                                                                    \
    define(name, forward, (Address waveform, Address spins, Address magnetization, Address out),                       \
           ("waveform"_a, "spins"_a, "magnetization"_a, "out"_a), (MRIOPS_BLOCH_INPUTS, MRIOPS_BLOCH_SET(out)));       \
    define(name "_jvp", jvp,                                                                                           \
           (Address waveform, Address spins, Address magnetization, Address d_waveform, Address d_spins,               \
            Address d_magnetization, Address out),                                                                     \
           ("waveform"_a, "spins"_a, "magnetization"_a, "d_waveform"_a, "d_spins"_a, "d_magnetization"_a, "out"_a),    \
           (MRIOPS_BLOCH_INPUTS, MRIOPS_BLOCH_TANGENTS, MRIOPS_BLOCH_SET(out)));                                       \
    define(name "_vjp", vjp,                                                                                           \
           (Address waveform, Address spins, Address magnetization, Address grad, Address grad_waveform,               \
            Address grad_spins, Address grad_magnetization),                                                           \
           ("waveform"_a, "spins"_a, "magnetization"_a, "grad"_a, "grad_waveform"_a, "grad_spins"_a,                   \
            "grad_magnetization"_a),                                                                                   \
           (MRIOPS_BLOCH_INPUTS, MRIOPS_BLOCH_SET(grad), MRIOPS_BLOCH_GRADIENTS));                                     \
    define(name "_hvp", hvp,                                                                                           \
           (Address waveform, Address spins, Address magnetization, Address grad, Address d_waveform, Address d_spins, \
            Address d_magnetization, Address d_grad, Address grad_waveform, Address grad_spins,                        \
            Address grad_magnetization),                                                                               \
           ("waveform"_a, "spins"_a, "magnetization"_a, "grad"_a, "d_waveform"_a, "d_spins"_a, "d_magnetization"_a,    \
            "d_grad"_a, "grad_waveform"_a, "grad_spins"_a, "grad_magnetization"_a),                                    \
           (MRIOPS_BLOCH_INPUTS, MRIOPS_BLOCH_SET(grad), MRIOPS_BLOCH_TANGENTS, MRIOPS_BLOCH_SET(d_grad),              \
            MRIOPS_BLOCH_GRADIENTS))
