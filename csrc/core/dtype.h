// The number types of arrays: complex values, and real ones (masks, weights, times) of the same precision.
#pragma once

namespace mriops {

enum class Dtype : int { complex64 = 0, complex128 = 1 };

}  // namespace mriops
