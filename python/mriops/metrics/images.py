"""Image similarity: NMSE, NRMSE, PSNR and SSIM, batched and differentiable."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from mriops._native.arguments import integer, not_negative, number, positive
from mriops._native.batches import broadcasts_to


def nmse(image: Tensor, reference: Tensor, *, ndim: int = 2) -> Tensor:
    """Normalised mean squared error ||image - reference||^2 / ||reference||^2.

    Complex images are compared as complex numbers; take magnitudes first where phase does not count.

    Parameters
    ----------
    image, reference : Tensor (*batch, *im_size)
        Real or complex.
    ndim : int
        Number of image axes, the last ones.

    Returns
    -------
    Tensor (*batch,)

    Raises
    ------
    ValueError
        If shapes do not match or have fewer than ndim axes, or devices differ.
    TypeError
        If an argument is not a floating-point or complex tensor.

    References
    ----------
    Zbontar et al. fastMRI: an open dataset and benchmarks for accelerated MRI. arXiv:1811.08839 (2018).
    """
    image, reference = _pair(image, reference, ndim)
    axes = tuple(range(-ndim, 0))
    return _energy(image - reference).sum(axes) / _energy(reference).sum(axes)


def nrmse(image: Tensor, reference: Tensor, *, ndim: int = 2) -> Tensor:
    """Normalised root mean squared error ||image - reference|| / ||reference||, the square root of `nmse`.

    Parameters
    ----------
    image, reference : Tensor (*batch, *im_size)
        Real or complex; compared as complex numbers, as in `nmse`.
    ndim : int
        Number of image axes, the last ones.

    Returns
    -------
    Tensor (*batch,)

    Raises
    ------
    ValueError, TypeError
        As `nmse`.
    """
    squared = nmse(image, reference, ndim=ndim)
    differs = squared != 0  # the gradient where images are equal is 0, not 0 / 0
    return torch.where(differs, torch.sqrt(torch.where(differs, squared, 1.0)), 0.0)


def psnr(image: Tensor, reference: Tensor, *, data_range: float | Tensor | None = None, ndim: int = 2) -> Tensor:
    """Peak signal-to-noise ratio 10 log10(data_range^2 / mean |image - reference|^2) [dB], of magnitudes.

    Parameters
    ----------
    image, reference : Tensor (*batch, *im_size)
        Complex images are replaced by their magnitudes.
    data_range : float or Tensor (*batch,), optional
        Peak value. Default: the largest magnitude of each reference image, as fastMRI takes it (not max - min).
    ndim : int
        Number of image axes, the last ones.

    Returns
    -------
    Tensor (*batch,)

    Raises
    ------
    ValueError, TypeError
        As `nmse`, and if data_range is not positive.

    References
    ----------
    Zbontar et al. fastMRI: an open dataset and benchmarks for accelerated MRI. arXiv:1811.08839 (2018).
    """
    image, reference = _magnitudes(image, reference, ndim)
    mean_square = (image - reference).square().mean(tuple(range(-ndim, 0)))
    peak = _data_range(data_range, reference, ndim)
    return 10.0 * torch.log10(peak.square() / mean_square)


def ssim(
    image: Tensor,
    reference: Tensor,
    *,
    data_range: float | Tensor | None = None,
    ndim: int = 2,
    gaussian_weights: bool = False,
    win_size: int | None = None,
    sigma: float = 1.5,
    sample_covariance: bool = True,
    k1: float = 0.01,
    k2: float = 0.03,
) -> Tensor:
    """Mean structural similarity of magnitudes; equals `skimage.metrics.structural_similarity` of the same options.

    SSIM = (2 mu_x mu_y + C1)(2 s_xy + C2) / ((mu_x^2 + mu_y^2 + C1)(s_x + s_y + C2)), with C_i = (k_i data_range)^2 and
    local means mu and (co)variances s, averaged over the positions whose window lies inside the image.

    Parameters
    ----------
    image, reference : Tensor (*batch, *im_size)
        Complex images are replaced by their magnitudes. Gradients flow into both.
    data_range : float or Tensor (*batch,), optional
        Default: the largest magnitude of each reference image, as fastMRI takes it (not max - min).
    ndim : int
        Number of image axes, the last ones: 1, 2 or 3.
    gaussian_weights : bool
        A Gaussian window of width `sigma`, cut at 3.5 sigma, instead of a uniform one.
    win_size : int, optional
        Odd side of the uniform window [pixel]; 7 by default. A Gaussian window's follows from sigma.
    sigma : float
        Of the Gaussian window [pixel].
    sample_covariance : bool
        Normalise (co)variances by n - 1 instead of n.
    k1, k2 : float
        Constants of the formula.

    Returns
    -------
    Tensor (*batch,)
        NaN where the reference is zero, the image is constant in some window, and no `data_range` is given.

    Raises
    ------
    ValueError, TypeError
        As `nmse`, and if the window is even or larger than the image, data_range is not positive, or k1, k2 or sigma is
        out of range.

    References
    ----------
    Wang, Bovik, Sheikh, Simoncelli. Image quality assessment: from error visibility to structural similarity. IEEE TIP
    13:600 (2004).
    """
    x, y = _magnitudes(image, reference, ndim)
    for name, constant in (("k1", k1), ("k2", k2)):
        number(name, constant, "a finite number >= 0", not_negative)
    weights = _window(gaussian_weights, win_size, sigma, x)
    side = weights.numel()
    if min(x.shape[-ndim:]) < side:
        raise ValueError(f"win_size: expected at most the image size {tuple(x.shape[-ndim:])}, got {side}")
    unbiased = side**ndim / (side**ndim - 1) if sample_covariance else 1.0
    peak = _data_range(data_range, y, ndim)
    peak = peak.reshape(*peak.shape, *[1] * ndim)
    c1, c2 = (k1 * peak) ** 2, (k2 * peak) ** 2
    # (Co)variances are those of the images less a constant, which leaves them digits where images vary little.
    level = y.detach().mean(tuple(range(-ndim, 0)), keepdim=True)
    x, y = x - level, y - level
    moments = _local_means(torch.stack([x, y, x * x, y * y, x * y]), weights, ndim)
    mean_x, mean_y, xx, yy, xy = moments.unbind(0)
    variance_x = unbiased * (xx - mean_x * mean_x)
    variance_y = unbiased * (yy - mean_y * mean_y)
    covariance = unbiased * (xy - mean_x * mean_y)
    mean_x, mean_y = mean_x + level, mean_y + level
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity = similarity / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2))
    return similarity.mean(tuple(range(-ndim, 0)))


def _pair(image: Tensor, reference: Tensor, ndim: int) -> tuple[Tensor, Tensor]:
    """Both, checked; in single precision at least, as sums of squares leave the range of half."""
    for name, tensor in (("image", image), ("reference", reference)):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name}: expected a torch.Tensor, got {type(tensor).__name__}")
        if not (tensor.is_floating_point() or tensor.is_complex()):
            raise TypeError(f"{name}: expected a floating-point or complex tensor, got {tensor.dtype}")
    integer("ndim", ndim, 1, "1, 2 or 3", most=3)
    if image.shape != reference.shape or image.ndim < ndim or 0 in image.shape:
        raise ValueError(
            f"image: expected the shape of reference with at least {ndim} non-empty axes, "
            f"got {tuple(image.shape)} and {tuple(reference.shape)}"
        )
    if image.device != reference.device:
        raise ValueError(f"image: expected device {reference.device} (that of reference), got {image.device}")
    image, reference = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (image, reference))
    return image, reference


def _energy(x: Tensor) -> Tensor:
    """|x|^2 without the square root of abs, whose gradient at 0 is a convention."""
    return x.real.square() + x.imag.square() if x.is_complex() else x.square()


def _magnitudes(image: Tensor, reference: Tensor, ndim: int) -> tuple[Tensor, Tensor]:
    """Of a pair, in one precision; real images are taken as they are."""
    x, y = (x.abs() if x.is_complex() else x for x in _pair(image, reference, ndim))
    dtype = torch.promote_types(x.dtype, y.dtype)
    return x.to(dtype), y.to(dtype)


def _data_range(data_range: float | Tensor | None, reference: Tensor, ndim: int) -> Tensor:
    if data_range is None:
        return reference.detach().abs().amax(tuple(range(-ndim, 0)))
    if not isinstance(data_range, Tensor):
        data_range = number("data_range", data_range, "positive values, a number or a tensor", positive)
    value = torch.as_tensor(data_range, dtype=reference.dtype, device=reference.device)
    if not broadcasts_to(tuple(value.shape), tuple(reference.shape[:-ndim])):
        batch, shape = tuple(reference.shape[:-ndim]), tuple(value.shape)
        raise ValueError(f"data_range: expected a number or a shape that broadcasts to {batch}, got {shape}")
    if not bool((value > 0).all()):
        raise ValueError("data_range: expected positive values, got some that are not")
    return value.expand(reference.shape[:-ndim])


def _window(gaussian: bool, win_size: int | None, sigma: float, like: Tensor) -> Tensor:
    if gaussian:
        if win_size is not None:
            raise ValueError(
                f"win_size: expected None with gaussian_weights, whose window follows sigma, got {win_size}"
            )
        number(
            "sigma",
            sigma,
            "a number >= 1/7, whose window has more than one pixel",
            lambda value: 1 / 7 <= value < math.inf,
        )
        radius = int(3.5 * sigma + 0.5)
        offset = torch.arange(-radius, radius + 1, dtype=torch.float64)
        weights = torch.exp(-0.5 * (offset / sigma) ** 2)
        return (weights / weights.sum()).to(like)
    side = 7 if win_size is None else integer("win_size", win_size, 3, "an odd int of at least 3")
    if side % 2 == 0:
        raise ValueError(f"win_size: expected an odd int of at least 3, got {side}")
    return torch.full((side,), 1.0 / side, dtype=like.dtype, device=like.device)


def _local_means(x: Tensor, weights: Tensor, ndim: int) -> Tensor:
    """Window means at all positions where the window lies inside the image; one separable pass per axis."""
    for axis in range(-ndim, 0):
        lines = x.movedim(axis, -1)
        flat = functional.conv1d(lines.reshape(math.prod(lines.shape[:-1]), 1, lines.shape[-1]), weights[None, None])
        x = flat.reshape(*lines.shape[:-1], flat.shape[-1]).movedim(-1, axis)
    return x
