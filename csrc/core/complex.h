// Interleaved complex numbers with the layout of torch.complex64/128 and numpy.complex64/128.
#pragma once
#include "hostdevice.h"

namespace mriops {

// A plain aggregate: std::complex multiplies with NaN recovery, and is not usable in device code.
template <class T>
struct alignas(2 * sizeof(T)) Complex {
    T re, im;
};

template <class T>
MRIOPS_HD Complex<T> operator+(Complex<T> a, Complex<T> b) {
    return {a.re + b.re, a.im + b.im};
}
template <class T>
MRIOPS_HD Complex<T> operator-(Complex<T> a, Complex<T> b) {
    return {a.re - b.re, a.im - b.im};
}
template <class T>
MRIOPS_HD Complex<T> operator*(Complex<T> a, Complex<T> b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
template <class T>
MRIOPS_HD Complex<T> operator*(T s, Complex<T> a) {
    return {s * a.re, s * a.im};
}
template <class T>
MRIOPS_HD Complex<T> conj(Complex<T> a) {
    return {a.re, -a.im};
}
// conj(a) * b without forming the conjugate.
template <class T>
MRIOPS_HD Complex<T> conj_mul(Complex<T> a, Complex<T> b) {
    return {a.re * b.re + a.im * b.im, a.re * b.im - a.im * b.re};
}

}  // namespace mriops
