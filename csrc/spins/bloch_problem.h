// The door of the Bloch kernels: integers become a problem, and sizes that cannot be are refused with
// std::invalid_argument (ValueError in Python). The kernels themselves check nothing.
#pragma once
#include <vector>

#include "../core/checks.h"
#include "bloch.h"

namespace mriops {

// What one pool and two have in common. `own` is a sum of flags up to `most_own`.
inline void check_bloch_sizes(int64_t batch, int64_t spins, int64_t steps, int64_t fewest_steps, int64_t channels,
                              int64_t axes, bool b1, int own, int most_own, const std::vector<int64_t>& record) {
    at_least("batch", batch, 0);
    at_least("spins", spins, 1);
    at_least("steps", steps, fewest_steps);
    at_least("channels", channels, 1);
    at_least("axes", axes, 0);
    if (channels > 1 && !b1) refuse("channels", "1 without b1", channels);
    if (own < 0 || own > most_own) refuse("own", most_own > 7 ? "a sum of 1, 2, 4 and 8" : "a sum of 1, 2 and 4", own);
    if (record.empty()) throw std::invalid_argument("record: expected at least one step, got none");
    int64_t last = -1;
    for (int64_t step : record) {
        if (step <= last || step > steps)
            refuse("record", "increasing numbers of steps up to " + std::to_string(steps), step);
        last = step;
    }
    elements("waveform", batch, 2 * channels + axes + 1, steps);
}

// `record` is kept by reference. `coils` is 0 for states.
inline BlochProblem make_bloch_problem(int64_t batch, int64_t spins, int64_t steps, int64_t channels, int64_t axes,
                                       bool b1, bool split, int own, int64_t coils,
                                       const std::vector<int64_t>& record) {
    check_bloch_sizes(batch, spins, steps, 0, channels, axes, b1, own, 15, record);
    at_least("coils", coils, 0);
    const int64_t records = static_cast<int64_t>(record.size());
    elements("spins", batch, 3 + 2 * channels + axes, spins);
    elements("out", batch, records, coils > 0 ? coils : 3 * spins);
    elements("receive", batch, coils, spins);
    return {batch,          spins,          steps,          channels, axes,          b1,     split, (own & 1) != 0,
            (own & 2) != 0, (own & 4) != 0, (own & 8) != 0, coils,    record.data(), records};
}

}  // namespace mriops
