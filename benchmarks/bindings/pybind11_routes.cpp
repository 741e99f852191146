// pybind11, given addresses or given arrays (NumPy views: pybind11 knows no tensors).
#include <pybind11/complex.h>
#include <pybind11/numpy.h>

#include "gram.h"

namespace py = pybind11;
template <class T>
using Array = py::array_t<T, py::array::c_style>;

PYBIND11_MODULE(pybind11_routes, m) {
    m.def("addresses",
          [](uintptr_t image, uintptr_t csm, uintptr_t mask, uintptr_t out, int64_t coils, int64_t ny, int64_t nx) {
              py::gil_scoped_release release;
              gram(reinterpret_cast<void*>(image), reinterpret_cast<void*>(csm), reinterpret_cast<void*>(mask),
                   reinterpret_cast<void*>(out), coils, ny, nx);
          });
    m.def("arrays", [](Array<std::complex<float>> image, Array<std::complex<float>> csm, Array<bool> mask,
                       Array<std::complex<float>> out) {
        auto* const y = out.mutable_data();
        const auto *x = image.data(), *s = csm.data();
        const bool* const w = mask.data();
        const int64_t coils = csm.shape(0), ny = image.shape(0), nx = image.shape(1);
        py::gil_scoped_release release;
        gram(x, s, w, y, coils, ny, nx);
    });
}
