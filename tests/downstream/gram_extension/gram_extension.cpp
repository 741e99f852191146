// Largest eigenvalue of the SENSE normal operator, by the power method, without leaving C++ between iterations.
#include <mriops/core/isa.h>
#include <mriops/sense/dispatch.h>
#include <mriops/sense/problem.h>
#include <pybind11/complex.h>
#include <pybind11/numpy.h>

#include <cmath>
#include <complex>
#include <vector>

namespace py = pybind11;
using Complex = std::complex<float>;
template <class T>
using Array = py::array_t<T, py::array::c_style>;

namespace {

mriops::SenseProblem problem_of(const Array<Complex>& image, const Array<Complex>& csm, const Array<bool>& mask) {
    if (image.ndim() != 2 || csm.ndim() != 3 || mask.ndim() != 2)
        throw py::value_error("expected image (y, x), csm (coils, y, x) and mask (y, x)");
    return mriops::make_problem(1, 1, csm.shape(0), 1, image.shape(0), image.shape(1), 2, 1,
                                static_cast<int>(mriops::MaskKind::bytes), 0, 0, image.shape(1), 1);
}

Array<Complex> gram(Array<Complex> image, Array<Complex> csm, Array<bool> mask, int threads) {
    const mriops::SenseProblem problem = problem_of(image, csm, mask);
    Array<Complex> out({image.shape(0), image.shape(1)});
    const void *x = image.data(), *s = csm.data(), *m = mask.data();
    void* y = out.mutable_data();
    py::gil_scoped_release release;
    mriops::sense_kernels().sense_gram(problem, mriops::Dtype::complex64, x, s, m, y, threads);
    return out;
}

double largest_eigenvalue(Array<Complex> start, Array<Complex> csm, Array<bool> mask, int iterations) {
    const mriops::SenseProblem problem = problem_of(start, csm, mask);
    std::vector<Complex> x(start.data(), start.data() + start.size()), y(x.size());
    double norm = 1;
    for (int i = 0; i < iterations; ++i) {
        mriops::sense_kernels().sense_gram(problem, mriops::Dtype::complex64, x.data(), csm.data(), mask.data(),
                                           y.data(), 1);
        norm = 0;
        for (Complex v : y) norm += std::norm(v);
        norm = std::sqrt(norm);
        for (size_t j = 0; j < x.size(); ++j) x[j] = y[j] / static_cast<float>(norm);
    }
    return norm;
}

}  // namespace

PYBIND11_MODULE(gram_extension, m) {
    m.def("gram", &gram, py::arg("image"), py::arg("csm"), py::arg("mask"), py::arg("threads") = 1);
    m.def("largest_eigenvalue", &largest_eigenvalue, py::arg("start"), py::arg("csm"), py::arg("mask"),
          py::arg("iterations") = 30);
    m.def("isa", [] { return std::string(mriops::isa_name()); });
}
