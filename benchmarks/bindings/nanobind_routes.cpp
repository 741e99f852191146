// nanobind, given addresses or given arrays.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <complex>

#include "gram.h"

namespace nb = nanobind;
template <class T, size_t rank>
using Array = nb::ndarray<T, nb::ndim<rank>, nb::c_contig, nb::device::cpu>;

NB_MODULE(nanobind_routes, m) {
    m.def("addresses",
          [](uintptr_t image, uintptr_t csm, uintptr_t mask, uintptr_t out, int64_t coils, int64_t ny, int64_t nx) {
              nb::gil_scoped_release release;
              gram(reinterpret_cast<void*>(image), reinterpret_cast<void*>(csm), reinterpret_cast<void*>(mask),
                   reinterpret_cast<void*>(out), coils, ny, nx);
          });
    m.def("arrays", [](Array<const std::complex<float>, 2> image, Array<const std::complex<float>, 3> csm,
                       Array<const bool, 2> mask, Array<std::complex<float>, 2> out) {
        nb::gil_scoped_release release;
        gram(image.data(), csm.data(), mask.data(), out.data(), int64_t(csm.shape(0)), int64_t(image.shape(0)),
             int64_t(image.shape(1)));
    });
    m.def("repeat", [](Array<const std::complex<float>, 2> image, Array<const std::complex<float>, 3> csm,
                       Array<const bool, 2> mask, Array<std::complex<float>, 2> out, int calls) {
        for (int i = 0; i < calls; ++i)
            gram(image.data(), csm.data(), mask.data(), out.data(), int64_t(csm.shape(0)), int64_t(image.shape(0)),
                 int64_t(image.shape(1)));
    });
}
