// A C++ op of libtorch with its gradient: the usual way, compiled against one version of torch.
#include <torch/extension.h>

#include "gram.h"

namespace {

torch::Tensor forward_only(const torch::Tensor& image, const torch::Tensor& csm, const torch::Tensor& mask) {
    TORCH_CHECK(image.scalar_type() == torch::kComplexFloat && csm.scalar_type() == torch::kComplexFloat &&
                    mask.scalar_type() == torch::kBool,
                "expected complex64 image and csm and a bool mask");
    TORCH_CHECK(image.dim() == 2 && csm.dim() == 3 && mask.sizes() == image.sizes() && csm.size(1) == image.size(0) &&
                    csm.size(2) == image.size(1),
                "expected image (y, x), csm (coils, y, x), mask (y, x)");
    const auto x = image.contiguous(), s = csm.contiguous(), w = mask.contiguous();
    auto out = torch::empty_like(x);
    gram(x.const_data_ptr(), s.const_data_ptr(), w.const_data_ptr(), out.mutable_data_ptr(), s.size(0), x.size(0),
         x.size(1));
    return out;
}

struct Gram : torch::autograd::Function<Gram> {
    static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& image,
                                 const torch::Tensor& csm, const torch::Tensor& mask) {
        context->save_for_backward({csm, mask});
        at::AutoDispatchBelowADInplaceOrView below;
        return forward_only(image, csm, mask);
    }
    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list grads) {
        const auto saved = context->get_saved_variables();
        return {forward_only(grads[0], saved[0], saved[1]), torch::Tensor(), torch::Tensor()};
    }
};

}  // namespace

TORCH_LIBRARY(mriops_bindings_benchmark, m) { m.def("gram(Tensor image, Tensor csm, Tensor mask) -> Tensor"); }
TORCH_LIBRARY_IMPL(mriops_bindings_benchmark, CPU, m) { m.impl("gram", forward_only); }
TORCH_LIBRARY_IMPL(mriops_bindings_benchmark, Autograd, m) {
    m.impl("gram", [](const torch::Tensor& image, const torch::Tensor& csm, const torch::Tensor& mask) {
        return Gram::apply(image, csm, mask);
    });
}
