// How far diffusion reaches in one segment of a train: the integral of the squared order over it, in units of its
// duration, while a gradient of constant strength moves the orders.
#pragma once
#include <cstdint>

#include "../core/hostdevice.h"

namespace mriops {

struct EpgSpread {
    int shift;
    bool odd_orders, first;  // from the excitation of a train of odd orders all has been at order 0

    template <class T>
    MRIOPS_HD static T order(int64_t j, bool odd) {
        return odd ? T(2) * T(j) + T(1) : T(j);
    }
    // Of what arrives in entry j of F_k; what arrives in entry j of F_-k has the value of entry j + shift.
    template <class T>
    MRIOPS_HD T transverse(int64_t j) const {
        const T s = odd_orders ? T(2 * shift + (first ? 1 : 0)) : T(shift);
        if (first) return s * s / T(3);
        const T k = order<T>(j, odd_orders);
        return k * (k - s) + s * s / T(3);
    }
    template <class T>
    MRIOPS_HD T longitudinal(int64_t j) const {
        const T k = order<T>(j, odd_orders);
        return k * k;
    }
    // On the way from a pulse to a sample that reads entry `offset`.
    template <class T>
    MRIOPS_HD static T sample(int offset, bool odd) {
        const T o = order<T>(offset, odd);
        return o * o / T(3);
    }
};

}  // namespace mriops
