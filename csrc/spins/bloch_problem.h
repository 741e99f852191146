// The door of the Bloch kernels: integers become a problem, and sizes that cannot be are refused with
// std::invalid_argument (ValueError in Python). The kernels themselves check nothing.
#pragma once
#include <vector>

#include "../core/checks.h"
#include "bloch.h"

namespace mriops {

// `record` is kept by reference. `coils` is 0 for states.
inline BlochProblem make_bloch_problem(int64_t batch, int64_t spins, int64_t steps, int64_t channels, int64_t axes,
                                       bool b1, bool split, int own, int64_t coils,
                                       const std::vector<int64_t>& record) {
    at_least("batch", batch, 0);
    at_least("spins", spins, 1);
    at_least("steps", steps, 0);
    at_least("channels", channels, 1);
    at_least("axes", axes, 0);
    at_least("coils", coils, 0);
    if (channels > 1 && !b1) refuse("channels", "1 without b1", channels);
    if (own < 0 || own > 15) refuse("own", "a sum of 1, 2, 4 and 8", own);
    if (record.empty()) throw std::invalid_argument("record: expected at least one step, got none");
    int64_t last = -1;
    for (int64_t step : record) {
        if (step <= last || step > steps)
            refuse("record", "increasing numbers of steps up to " + std::to_string(steps), step);
        last = step;
    }
    const int64_t records = static_cast<int64_t>(record.size());
    elements("waveform", batch, 2 * channels + axes + 1, steps);
    elements("spins", batch, 3 + 2 * channels + axes, spins);
    elements("out", batch, records, coils > 0 ? coils : 3 * spins);
    elements("receive", batch, coils, spins);
    return {batch,          spins,          steps,          channels, axes,          b1,     split, (own & 1) != 0,
            (own & 2) != 0, (own & 4) != 0, (own & 8) != 0, coils,    record.data(), records};
}

}  // namespace mriops
