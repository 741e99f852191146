// The door of the Bloch-McConnell kernels, as bloch_problem.h.
#pragma once
#include "bloch_exchange.h"
#include "bloch_problem.h"

namespace mriops {

// `record` is kept by reference.
inline BlochExchangeProblem make_bloch_exchange_problem(int64_t batch, int64_t spins, int64_t steps, int64_t channels,
                                                        int64_t axes, bool b1, int own,
                                                        const std::vector<int64_t>& record) {
    check_bloch_sizes(batch, spins, steps, 1, channels, axes, b1, own, 7, record);
    elements("spins", batch, exchange_rows + 2 * channels + axes, spins);
    elements("states", batch, int64_t(record.size()), 6 * spins);
    return {batch,
            spins,
            steps,
            channels,
            axes,
            b1,
            (own & 1) != 0,
            (own & 2) != 0,
            (own & 4) != 0,
            record.data(),
            int64_t(record.size())};
}

}  // namespace mriops
