// A C++ torch op with autograd, written as the PyTorch manual shows it: the yardstick for call overhead.
// Same signature and same arithmetic as coil_expand: out[c] = csm[c] * image; backward gives both gradients.
#include <torch/extension.h>

using torch::Tensor;
using torch::autograd::AutogradContext;
using Complex = c10::complex<float>;

static Tensor expand(const Tensor& image, const Tensor& csm) {
    TORCH_CHECK(image.is_contiguous() && csm.is_contiguous(), "expected contiguous tensors");
    TORCH_CHECK(csm.dim() == image.dim() + 1, "expected csm (coils, *image)");
    Tensor out = torch::empty_like(csm);
    const Complex *x = image.const_data_ptr<Complex>(), *s = csm.const_data_ptr<Complex>();
    Complex* y = out.mutable_data_ptr<Complex>();
    const int64_t n = image.numel(), coils = csm.size(0);
    for (int64_t c = 0; c < coils; ++c)
        for (int64_t i = 0; i < n; ++i) y[c * n + i] = s[c * n + i] * x[i];
    return out;
}

static std::tuple<Tensor, Tensor> expand_backward(const Tensor& grad, const Tensor& image, const Tensor& csm) {
    Tensor grad_image = torch::zeros_like(image), grad_csm = torch::empty_like(csm);
    const Complex *g = grad.const_data_ptr<Complex>(), *x = image.const_data_ptr<Complex>();
    const Complex* s = csm.const_data_ptr<Complex>();
    Complex *gx = grad_image.mutable_data_ptr<Complex>(), *gs = grad_csm.mutable_data_ptr<Complex>();
    const int64_t n = image.numel(), coils = csm.size(0);
    for (int64_t c = 0; c < coils; ++c)
        for (int64_t i = 0; i < n; ++i) {
            gx[i] += std::conj(s[c * n + i]) * g[c * n + i];
            gs[c * n + i] = std::conj(x[i]) * g[c * n + i];
        }
    return {grad_image, grad_csm};
}

struct Expand : torch::autograd::Function<Expand> {
    static Tensor forward(AutogradContext* context, const Tensor& image, const Tensor& csm) {
        at::AutoDispatchBelowADInplaceOrView guard;
        context->save_for_backward({image, csm});
        static auto op = torch::Dispatcher::singleton()
                             .findSchemaOrThrow("mriops_benchmark::expand", "")
                             .typed<Tensor(const Tensor&, const Tensor&)>();
        return op.call(image, csm);
    }
    static torch::autograd::variable_list backward(AutogradContext* context, torch::autograd::variable_list grads) {
        auto saved = context->get_saved_variables();
        auto [grad_image, grad_csm] = expand_backward(grads[0].contiguous(), saved[0], saved[1]);
        return {grad_image, grad_csm};
    }
};

static Tensor expand_autograd(const Tensor& image, const Tensor& csm) { return Expand::apply(image, csm); }

TORCH_LIBRARY(mriops_benchmark, m) { m.def("expand(Tensor image, Tensor csm) -> Tensor"); }
TORCH_LIBRARY_IMPL(mriops_benchmark, CPU, m) { m.impl("expand", expand); }
TORCH_LIBRARY_IMPL(mriops_benchmark, AutogradCPU, m) { m.impl("expand", expand_autograd); }
