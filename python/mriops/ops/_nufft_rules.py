"""Declarations of the NUFFT family: each member's gradients are made of the others.

``A`` is the transform of an image, ``D_d x = -2 pi i (r_d - N_d//2) / N_d x[r]`` what the derivative by ``k_d`` makes
of the image. First derivatives by the trajectory are those of the spreading kernel, the exact derivative of what is
computed, in one pass. Second ones, and tangents of the adjoint, are those of the sum itself, ``A D_d D_e x``, which
agree with the former up to the accuracy of the transform. All arguments after ``order`` are ``how``: ``(grid, width,
coils, analytic, coils_at_once)``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mriops._native.nufft_shapes import NUFFT, NUFFT_ADJOINT, NUFFT_GRAM, NUFFT_TRAJECTORY_GRAD, NUFFT_TRAJECTORY_JVP

from . import reference
from ._declaration import OpDeclaration
from ._factory import define_op
from ._nufft_plan import check_finite
from ._nufft_words import (
    HOW,
    RANKS,
    ROWS,
    alone,
    component,
    im_of,
    image_rank,
    kspace_rank,
    overlap,
    per_coil,
    ranks,
    total,
    weigh,
)
from ._vmap import fold_arguments
from .reference.nufft import slopes

__all__ = ["adjoint_op", "gram_op", "nufft_op", "trajectory_grad_op", "trajectory_jvp_op"]

# --- what the rules share --------------------------------------------------------------------------------------------


def _coil_adjoint(kspace: Tensor, dcf: Tensor | None, rows: tuple, im: tuple[int, ...], how: tuple) -> Tensor:
    """Coil images ``A^H w k``: the adjoint without the sum over coils."""
    weights = None if dcf is None else dcf.unsqueeze(-2)
    return adjoint_op(kspace, None, weights, *per_coil(rows), im, *alone(how))


def _csm_grad(kspace: Tensor, image: Tensor, dcf: Tensor | None, rows: tuple, how: tuple) -> Tensor:
    """Adjoint of ``csm -> w A (csm x)``."""
    return image.conj().unsqueeze(-len(how[0]) - 1) * _coil_adjoint(kspace, dcf, rows, im_of(image, how), how)


def _along(image: Tensor, csm: Tensor | None, tangent: Tensor, rows: tuple, how: tuple) -> Tensor:
    """Tangent of ``A x`` in a direction of the trajectory."""
    if not how[3]:
        return trajectory_jvp_op(image, csm, tangent, *rows, *how)
    terms = [
        component(tangent, d, how[2]) * nufft_op(slope * image, csm, *rows, *how)
        for d, slope in enumerate(slopes(im_of(image, how), image))
    ]
    return total(terms)


def _trajectory_grad(image: Tensor, csm: Tensor | None, kspace: Tensor, rows: tuple, how: tuple) -> Tensor:
    """Gradient of ``Re <k, A x>`` for the trajectory, before what was broadcast is summed."""
    if not how[3]:
        return trajectory_grad_op(image, csm, kspace, *rows, *how)
    transforms = [nufft_op(slope * image, csm, *rows, *how) for slope in slopes(im_of(image, how), image)]
    return torch.stack([overlap(kspace, transform, how[2]) for transform in transforms], -1)


def _along_adjoint(
    kspace: Tensor, csm: Tensor | None, tangent: Tensor, rows: tuple, im: tuple[int, ...], how: tuple
) -> Tensor:
    """Adjoint of :func:`_along` in the image, and tangent of ``A^H k``."""
    terms = [
        slope.conj() * adjoint_op(component(tangent, d, how[2]) * kspace, csm, None, *rows, im, *how)
        for d, slope in enumerate(slopes(im, kspace))
    ]
    return total(terms)


# --- nufft -----------------------------------------------------------------------------------------------------------


def _nufft_jvp(tangents: tuple, image: Tensor, csm: Tensor | None, *rest: Any) -> Tensor:
    rows, how = rest[:3], rest[3:]
    d_image, d_csm, d_trajectory = tangents[:3]
    terms = []
    if d_image is not None:
        terms.append(nufft_op(d_image, csm, *rows, *how))
    if d_csm is not None:
        terms.append(nufft_op(image, d_csm, *rows, *how))
    if d_trajectory is not None:
        terms.append(_along(image, csm, d_trajectory, rows, how))
    return total(terms)


def _nufft_plain(image: Tensor, csm: Tensor | None, trajectory: Tensor, *_: Any) -> Tensor:
    check_finite(trajectory)
    if csm is None:
        return reference.nufft(image, trajectory)
    return reference.sense_nufft(image, csm, trajectory)


nufft_op = define_op(
    OpDeclaration(
        native=NUFFT,
        schema=f"(Tensor image, Tensor? csm, {ROWS}, {HOW}) -> Tensor",
        core_rank=ranks("csm", image=image_rank),
        adjoint={
            "image": lambda grad, image, csm, t, p, o, *how: adjoint_op(
                grad, csm, None, t, p, o, im_of(image, how), *how
            ),
            "csm": lambda grad, image, csm, t, p, o, *how: _csm_grad(grad, image, None, (t, p, o), how),
            "trajectory": lambda grad, image, csm, t, p, o, *how: _trajectory_grad(image, csm, grad, (t, p, o), how),
        },
        jvp=_nufft_jvp,
        plain=_nufft_plain,
    )
)

# --- nufft_adjoint ---------------------------------------------------------------------------------------------------


def _adjoint_jvp(tangents: tuple, kspace: Tensor, csm: Tensor | None, dcf: Tensor | None, *rest: Any) -> Tensor:
    rows, im, how = rest[:3], tuple(rest[3]), rest[4:]
    d_kspace, d_csm, d_dcf, d_trajectory = tangents[:4]
    terms = []
    if d_kspace is not None:
        terms.append(adjoint_op(d_kspace, csm, dcf, *rows, im, *how))
    if d_csm is not None:
        terms.append(adjoint_op(kspace, d_csm, dcf, *rows, im, *how))
    if d_dcf is not None:
        terms.append(adjoint_op(kspace, csm, d_dcf, *rows, im, *how))
    if d_trajectory is not None:
        terms.append(_along_adjoint(weigh(kspace, dcf, how[2]), csm, d_trajectory, rows, im, how))
    return total(terms)


def _adjoint_csm(grad: Tensor, kspace: Tensor, csm: Tensor, dcf: Tensor | None, *rest: Any) -> Tensor:
    rows, im, how = rest[:3], tuple(rest[3]), rest[4:]
    return grad.conj().unsqueeze(-len(im) - 1) * _coil_adjoint(kspace, dcf, rows, im, how)


def _adjoint_plain(
    kspace: Tensor, csm: Tensor | None, dcf: Tensor | None, trajectory: Tensor, _p: Any, _o: Any, im: Any, *_: Any
) -> Tensor:
    check_finite(trajectory)
    if csm is None:
        return reference.nufft_adjoint(kspace, trajectory, im, dcf=dcf)
    return reference.sense_nufft_adjoint(kspace, csm, trajectory, dcf=dcf)


adjoint_op = define_op(
    OpDeclaration(
        native=NUFFT_ADJOINT,
        schema=f"(Tensor kspace, Tensor? csm, Tensor? dcf, {ROWS}, int[] im_size, {HOW}) -> Tensor",
        core_rank=ranks("csm", "dcf", kspace=kspace_rank),
        adjoint={
            "kspace": lambda grad, kspace, csm, dcf, t, p, o, im, *how: weigh(
                nufft_op(grad, csm, t, p, o, *how), dcf, how[2]
            ),
            "csm": _adjoint_csm,
            "dcf": lambda grad, kspace, csm, dcf, t, p, o, im, *how: overlap(
                kspace, nufft_op(grad, csm, t, p, o, *how), how[2]
            ),
            "trajectory": lambda grad, kspace, csm, dcf, t, p, o, im, *how: _trajectory_grad(
                grad, csm, weigh(kspace, dcf, how[2]), (t, p, o), how
            ),
        },
        jvp=_adjoint_jvp,
        plain=_adjoint_plain,
    )
)

# --- nufft_gram ------------------------------------------------------------------------------------------------------


def _gram_csm(grad: Tensor, image: Tensor, csm: Tensor, dcf: Tensor | None, *rest: Any) -> Tensor:
    # <g, S^H A^H w A S x>: once for the right S, once for the left.
    rows, how = rest[:3], rest[3:]
    right = _csm_grad(nufft_op(grad, csm, *rows, *how), image, dcf, rows, how)
    return right + _csm_grad(nufft_op(image, csm, *rows, *how), grad, dcf, rows, how)


def _gram_dcf(grad: Tensor, image: Tensor, csm: Tensor | None, dcf: Tensor, *rest: Any) -> Tensor:
    rows, how = rest[:3], rest[3:]
    return overlap(nufft_op(grad, csm, *rows, *how), nufft_op(image, csm, *rows, *how), how[2])


def _gram_trajectory(grad: Tensor, image: Tensor, csm: Tensor | None, dcf: Tensor | None, *rest: Any) -> Tensor:
    rows, how = rest[:3], rest[3:]
    right = weigh(nufft_op(grad, csm, *rows, *how), dcf, how[2])
    left = weigh(nufft_op(image, csm, *rows, *how), dcf, how[2])
    return _trajectory_grad(image, csm, right, rows, how) + _trajectory_grad(grad, csm, left, rows, how)


def _gram_jvp(tangents: tuple, image: Tensor, csm: Tensor | None, dcf: Tensor | None, *rest: Any) -> Tensor:
    rows, how = rest[:3], rest[3:]
    im = im_of(image, how)
    d_image, d_csm, d_dcf, d_trajectory = tangents[:4]
    terms = [] if d_image is None else [gram_op(d_image, csm, dcf, *rows, *how)]
    if any(t is not None for t in (d_csm, d_dcf, d_trajectory)):
        kspace = nufft_op(image, csm, *rows, *how)
        if d_csm is not None:
            inner = nufft_op(image, d_csm, *rows, *how)
            terms.append(adjoint_op(inner, csm, dcf, *rows, im, *how))
            terms.append(adjoint_op(kspace, d_csm, dcf, *rows, im, *how))
        if d_dcf is not None:
            terms.append(adjoint_op(kspace, csm, d_dcf, *rows, im, *how))
        if d_trajectory is not None:
            inner = _along(image, csm, d_trajectory, rows, how)
            terms.append(adjoint_op(inner, csm, dcf, *rows, im, *how))
            terms.append(_along_adjoint(weigh(kspace, dcf, how[2]), csm, d_trajectory, rows, im, how))
    return total(terms)


def _gram_plain(image: Tensor, csm: Tensor | None, dcf: Tensor | None, trajectory: Tensor, *rest: Any) -> Tensor:
    check_finite(trajectory)
    if csm is not None:
        return reference.sense_nufft_gram(image, csm, trajectory, dcf=dcf)
    return reference.nufft_adjoint(reference.nufft(image, trajectory), trajectory, im_of(image, rest[2:]), dcf=dcf)


gram_op = define_op(
    OpDeclaration(
        native=NUFFT_GRAM,
        schema=f"(Tensor image, Tensor? csm, Tensor? dcf, {ROWS}, {HOW}) -> Tensor",
        core_rank=ranks("csm", "dcf", image=image_rank),
        adjoint={
            "image": lambda grad, image, csm, dcf, t, p, o, *how: gram_op(grad, csm, dcf, t, p, o, *how),
            "csm": _gram_csm,
            "dcf": _gram_dcf,
            "trajectory": _gram_trajectory,
        },
        jvp=_gram_jvp,
        plain=_gram_plain,
    )
)

# --- derivatives by the trajectory -----------------------------------------------------------------------------------


def _bend(image: Tensor, csm: Tensor | None, tangent: Tensor, kspace: Tensor, rows: tuple, how: tuple) -> Tensor:
    """Second derivative by the trajectory of ``Re <k, A x>``, times a tangent."""
    return total(
        [
            trajectory_grad_op(slope * image, csm, component(tangent, d, how[2]) * kspace, *rows, *how)
            for d, slope in enumerate(slopes(im_of(image, how), image))
        ]
    )


def _csm_along(kspace: Tensor, image: Tensor, tangent: Tensor, rows: tuple, how: tuple) -> Tensor:
    """Adjoint of ``csm -> trajectory_jvp(image, csm, tangent)``."""
    terms = [
        _csm_grad(component(tangent, d, True) * kspace, slope * image, None, rows, how)
        for d, slope in enumerate(slopes(im_of(image, how), image))
    ]
    return total(terms)


def _jvp_jvp(tangents: tuple, image: Tensor, csm: Tensor | None, tangent: Tensor, *rest: Any) -> Tensor:
    rows, how = rest[:3], rest[3:]
    d_image, d_csm, d_tangent, d_trajectory = tangents[:4]
    terms = []
    if d_image is not None:
        terms.append(trajectory_jvp_op(d_image, csm, tangent, *rows, *how))
    if d_csm is not None:
        terms.append(trajectory_jvp_op(image, d_csm, tangent, *rows, *how))
    if d_tangent is not None:
        terms.append(trajectory_jvp_op(image, csm, d_tangent, *rows, *how))
    if d_trajectory is not None:
        for d, slope in enumerate(slopes(im_of(image, how), image)):
            bent = trajectory_jvp_op(slope * image, csm, d_trajectory, *rows, *how)
            terms.append(component(tangent, d, how[2]) * bent)
    return total(terms)


def _jvp_plain(image: Tensor, csm: Tensor | None, tangent: Tensor, trajectory: Tensor, *_: Any) -> Tensor:
    check_finite(trajectory)
    return reference.nufft_trajectory_jvp(image, trajectory, tangent, csm=csm)


trajectory_jvp_op = define_op(
    OpDeclaration(
        native=NUFFT_TRAJECTORY_JVP,
        schema=f"(Tensor image, Tensor? csm, Tensor tangent, {ROWS}, {HOW}) -> Tensor",
        core_rank=ranks("csm", image=image_rank, tangent=RANKS["trajectory"]),
        adjoint={
            "image": lambda grad, image, csm, v, t, p, o, *how: _along_adjoint(
                grad, csm, v, (t, p, o), im_of(image, how), how
            ),
            "csm": lambda grad, image, csm, v, t, p, o, *how: _csm_along(grad, image, v, (t, p, o), how),
            "tangent": lambda grad, image, csm, v, t, p, o, *how: _spread_grad(image, csm, grad, v, (t, p, o), how),
            "trajectory": lambda grad, image, csm, v, t, p, o, *how: _bend(image, csm, v, grad, (t, p, o), how),
        },
        jvp=_jvp_jvp,
        plain=_jvp_plain,
    )
)


def _spread_grad(image: Tensor, csm: Tensor | None, kspace: Tensor, like: Tensor, rows: tuple, how: tuple) -> Tensor:
    """Gradient for a tangent, which may have more batch axes than its trajectory."""
    shape = torch.broadcast_shapes(like.shape, rows[0].shape)
    trajectory, points, order = rows
    wide = (
        trajectory.expand(shape),
        None if points is None else points.expand(shape),
        None if order is None else order.expand(shape[:-1]),
    )
    return trajectory_grad_op(image, csm, kspace, *wide, *how)


def _grad_vmap(in_dims: tuple, *args: Any) -> tuple[Tensor, int]:
    # The result is summed over what shares a trajectory: each mapped item must have its own.
    size = next(t.shape[axis] for t, axis in zip(args, in_dims) if isinstance(t, Tensor) and axis is not None)
    tensors, dims = list(args[:6]), list(in_dims[:6])
    for i in (3, 4, 5):
        if tensors[i] is not None and dims[i] is None:
            tensors[i], dims[i] = tensors[i].expand(size, *tensors[i].shape), 0
    shape = tensors[3].movedim(dims[3], 0).shape
    folded, _ = fold_arguments(_GRAD, tuple(dims), (*tensors, *args[6:]))
    result = trajectory_grad_op(*folded)
    return result.reshape(shape), 0


def _grad_jvp(tangents: tuple, image: Tensor, csm: Tensor | None, kspace: Tensor, *rest: Any) -> Tensor:
    rows, how = rest[:3], rest[3:]
    d_image, d_csm, d_kspace, d_trajectory = tangents[:4]
    terms = []
    if d_image is not None:
        terms.append(trajectory_grad_op(d_image, csm, kspace, *rows, *how))
    if d_csm is not None:
        terms.append(trajectory_grad_op(image, d_csm, kspace, *rows, *how))
    if d_kspace is not None:
        terms.append(trajectory_grad_op(image, csm, d_kspace, *rows, *how))
    if d_trajectory is not None:
        terms.append(_bend(image, csm, d_trajectory, kspace, rows, how))
    return total(terms)


def _grad_plain(image: Tensor, csm: Tensor | None, kspace: Tensor, trajectory: Tensor, *_: Any) -> Tensor:
    check_finite(trajectory)
    return reference.nufft_trajectory_grad(image, kspace, trajectory, csm=csm)


_GRAD = OpDeclaration(
    native=NUFFT_TRAJECTORY_GRAD,
    schema=f"(Tensor image, Tensor? csm, Tensor kspace, {ROWS}, {HOW}) -> Tensor",
    core_rank=ranks("csm", image=image_rank, kspace=kspace_rank),
    adjoint={
        "image": lambda grad, image, csm, k, t, p, o, *how: _along_adjoint(
            k, csm, grad, (t, p, o), im_of(image, how), how
        ),
        "csm": lambda grad, image, csm, k, t, p, o, *how: _csm_along(k, image, grad, (t, p, o), how),
        "kspace": lambda grad, image, csm, k, t, p, o, *how: trajectory_jvp_op(image, csm, grad, t, p, o, *how),
        "trajectory": lambda grad, image, csm, k, t, p, o, *how: _bend(image, csm, grad, k, (t, p, o), how),
    },
    jvp=_grad_jvp,
    vmap=_grad_vmap,
    plain=_grad_plain,
)
trajectory_grad_op = define_op(_GRAD)
