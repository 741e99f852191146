"""SENSE reconstruction on top of mriops, as another project would write it: once with torch, once with NumPy alone."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = ["landweber", "sense"]


def sense(kspace: "torch.Tensor", csm: "torch.Tensor", mask: "torch.Tensor", *, max_iter: int = 50) -> "torch.Tensor":
    """CG-SENSE with tensors: solves E^H E x = E^H y."""
    from mriops.operators import SenseOp
    from mriops.solvers import cg

    encode = SenseOp(csm, mask=mask)
    return cg(encode.gram, encode.H(kspace), max_iter=max_iter, tol=1e-7)


def landweber(kspace: "np.ndarray[Any, Any]", csm: Any, mask: Any, *, iterations: int = 200) -> "np.ndarray[Any, Any]":
    """Gradient descent with NumPy arrays; never imports torch. The step is 1, so maps must have unit sum of squares."""
    from mriops import array

    right = array.sense_adjoint(kspace, csm, mask)
    image = right
    for _ in range(iterations):
        image = image + right - array.sense_gram(image, csm, mask)
    return image
