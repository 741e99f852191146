"""Parameter maps straight from k-space: the signal model inside the reconstruction."""

from collections.abc import Callable, Sequence

import torch

from mriops import ops
from mriops._native.arguments import instance, integer, not_negative, number, numbers, positive
from mriops.operators import FiniteDifferenceOp, LinearOperator, WaveletOp
from mriops.solvers import cg, irgnm, pointwise_linearize
from mriops.trajectories.coordinates import finite

Model = Callable[[torch.Tensor], torch.Tensor]

#: Weight of the split between data and wavelets, in units of the sensitivity.
_SPLIT = 0.1
#: The regularisation begins at most this many times as strong as it ends.
_STRONGEST = 1e12
#: Bounds of T1 [s].
_T1 = (0.02, 10.0)


def model_based(
    kspace: torch.Tensor,
    encoding: LinearOperator,
    model: Model,
    x0: torch.Tensor,
    *,
    l2: float = 1e-4,
    tv: float = 0.0,
    tv_edge: float = 1e-2,
    wavelet: float = 0.0,
    bounds: Sequence[tuple[float, float]] | None = None,
    alpha_factor: float = 0.5,
    max_iter: int = 10,
    cg_iter: int = 50,
    callback: Callable[[int, torch.Tensor, float], bool | None] | None = None,
) -> torch.Tensor:
    r"""Parameter maps that explain k-space: minimise ``||A M(x) - y||^2 / 2 + R(x)`` over maps ``x``.

    Iteratively regularised Gauss-Newton (`mriops.solvers.irgnm`) with a Jacobian per pixel. The regularisation is

    .. math:: R(x) = \frac{l_2}{2} \|x - x_0\|^2 + t_v \sum_r \sqrt{\textstyle\sum_p |\nabla x_p(r)|^2 + e^2}
              + w \sum_j \sqrt{\textstyle\sum_p |(\Psi x_p)_j|^2},

    joint over the maps, in units of the mean squared sensitivity of the images to a parameter at `x0`; total variation
    by weights lagged one step, wavelet coefficients (`mriops.operators.WaveletOp`, the coarsest left out, of images
    shifted from iteration to iteration) by thresholds. It begins ``1 / alpha_factor ** (max_iter - 1)`` times as
    strong, at most 1e12 times, and falls to the given strength, which the last step has.

    Parameters
    ----------
    kspace : torch.Tensor
        What `encoding` measures of the images ``(times, *im)``.
    encoding : LinearOperator
        ``A``: e.g. ``SenseOp(csm, mask)`` with a mask per time, or ``SenseOp(csm, trajectory=...)``.
    model : callable
        ``M``: real parameters ``(n_parameters, *im)`` to images ``(times, *im)``, pixel by pixel. Scale them so that
        typical values are of order one.
    x0 : torch.Tensor
        Start, and what `l2` pulls towards where there is no signal.
    l2, tv, tv_edge, wavelet : float
        Strengths, and ``e``: the gradient below which total variation acts as smoothing; ``w``.
    bounds : sequence of (float, float), optional
        Least and largest value per parameter, the same to hold it; each step is clipped to them.
    alpha_factor : float
        Decrease of the regularisation per step, in (0, 1].
    max_iter, cg_iter : int
        Gauss-Newton steps, and iterations of conjugate gradients within each.
    callback : callable, optional
        ``callback(step, x, relative_step)``; returning True stops.

    Returns
    -------
    torch.Tensor
        Parameter maps, shape of `x0`.

    Raises
    ------
    TypeError, ValueError
        If arguments are of the wrong kind or do not fit together; bounds that are NaN or the wrong way round; NaN or
        infinity in data.

    References
    ----------
    Block, Uecker, Frahm. Model-based iterative reconstruction for radial fast spin-echo MRI. IEEE Trans Med Imaging 28,
    2009. Wang et al. Model-based T1 mapping with sparsity constraints using single-shot inversion-recovery radial
    FLASH. Magn Reson Med 79, 2018. Maier et al. Rapid T1 quantification from high resolution 3D data with model-based
    reconstruction. Magn Reson Med 81, 2019. Figueiredo, Nowak. An EM algorithm for wavelet-based image
    restoration. IEEE Trans Image Process 12, 2003 (shifts).
    """
    for name, strength in (("l2", l2), ("tv", tv), ("wavelet", wavelet)):
        number(name, strength, "a finite number >= 0", not_negative)
    number("tv_edge", tv_edge, "a finite number > 0", positive)
    number("alpha_factor", alpha_factor, "a number in (0, 1]", lambda value: 0 < value <= 1)
    integer("max_iter", max_iter, 0)
    instance("kspace", kspace, torch.Tensor, "a torch.Tensor")
    instance("encoding", encoding, LinearOperator, "a LinearOperator")
    if not instance("x0", x0, torch.Tensor, "a torch.Tensor").is_floating_point():
        raise TypeError(f"x0: expected real parameters (n_parameters, *im), got {x0.dtype}")
    project = None if bounds is None else _clip(bounds, x0)
    finite("kspace", kspace, "values")
    with torch.no_grad():
        data = encoding.adjoint(kspace)
        unit = _sensitivity(model, x0)
        if l2 + tv + wavelet > 0 and not unit > 0:
            raise ValueError("x0: expected parameters at which the images depend on them, got a zero derivative")
        gradient = FiniteDifferenceOp(x0.ndim - 1)

        def variation(x: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
            edges = gradient(x)
            weight = tv / (edges.square().sum((0, 1), keepdim=True) + tv_edge**2).sqrt()
            return lambda d: gradient.adjoint(weight * gradient(d))

    return irgnm(
        model,
        data,
        x0,
        gram=encoding.gram,
        reference=x0,
        alpha=unit / max(alpha_factor ** max(max_iter - 1, 0), 1 / _STRONGEST),
        alpha_factor=alpha_factor,
        alpha_min=unit,
        penalty=lambda _: lambda d: l2 * d,
        smoothing=variation if tv > 0 else None,
        proximal=_WaveletThreshold(wavelet, x0.ndim - 1) if wavelet > 0 else None,
        rho=_SPLIT * unit if wavelet > 0 else 1.0,
        max_iter=max_iter,
        cg_iter=cg_iter,
        project=project,
        linearization=pointwise_linearize,
        callback=callback,
    )


def t1_vfa(
    kspace: torch.Tensor,
    encoding: LinearOperator,
    flip_angle: torch.Tensor | Sequence[float],
    repetition_time: float,
    *,
    b1: torch.Tensor | float | None = None,
    t1_start: float = 1.0,
    l2: float = 1e-4,
    tv: float = 0.0,
    wavelet: float = 0.0,
    max_iter: int = 10,
    cg_iter: int = 50,
    callback: Callable[[int, torch.Tensor, float], bool | None] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """T1 from undersampled spoiled gradient echoes at several flip angles, by `model_based`.

    Parameters
    ----------
    kspace : torch.Tensor
        What `encoding` measures of one image per flip angle.
    encoding : LinearOperator
        Images ``(flips, *im)`` to k-space.
    flip_angle : torch.Tensor or sequence of float
        ``(flips,)`` [rad].
    repetition_time : float
        [s].
    b1 : torch.Tensor or float, optional
        Relative transmit field ``(*im)``, or one for all, finite; 0 where it is not known, which leaves `t1_start`.
    t1_start : float
        T1 at the start, from 0.02 to 10 as T1 itself, which stays where there is no signal [s].
    l2, tv, wavelet, max_iter, cg_iter, callback
        As for `model_based`, on T1 in seconds and on the two parts of M0 relative to the brightest pixel.

    Returns
    -------
    tuple of torch.Tensor
        ``t1`` [s] and complex ``m0``, shape ``(*im)``.

    Raises
    ------
    TypeError, ValueError
        If arguments are of the wrong kind or do not fit, k-space is zero, or k-space or `b1` holds NaN or infinity.

    Warns
    -----
    UserWarning
        An angle larger than 4 pi: degrees, most likely.

    References
    ----------
    Maier et al. Rapid T1 quantification from high resolution 3D data with model-based reconstruction. Magn Reson Med
    81, 2019.
    """
    instance("kspace", kspace, torch.Tensor, "a torch.Tensor")
    instance("encoding", encoding, LinearOperator, "a LinearOperator")
    repetition_time = number("repetition_time", repetition_time, "a finite number > 0 [s]", positive)
    lower, upper = _T1
    expected = f"a number from {lower:g} to {upper:g} [s]"
    t1_start = number("t1_start", t1_start, expected, lambda value: lower <= value <= upper)
    finite("kspace", kspace, "values")
    flips, *im = encoding.adjoint(kspace).shape
    real = kspace.dtype.to_real()
    field = _field(1.0 if b1 is None else b1, im, torch.empty((), dtype=real, device=kspace.device))
    angles = torch.tensor(
        numbers("flip_angle", flip_angle, f"{flips} angles [rad], one per image", flips),
        dtype=real,
        device=kspace.device,
    )

    def signal(t1: torch.Tensor) -> torch.Tensor:
        return ops.signal_spgr(torch.ones_like(t1), t1, angles, repetition_time, field)

    # M0 of the start: the best multiple of the model's images at a guess of T1, pixel by pixel after a few iterations
    # of the linear problem; its largest magnitude is the unit.
    shape = signal(torch.full(im, t1_start, dtype=real, device=kspace.device))
    start = _proton_density(kspace, encoding, shape)
    unit = start.abs().max()
    if not bool(unit > 0):
        raise ValueError("kspace: expected data, got zeros (or an encoding that measures nothing)")

    def model(x: torch.Tensor) -> torch.Tensor:
        return signal(x[2]) * (unit * torch.complex(x[0], x[1]))

    x0 = torch.stack(((start / unit).real, (start / unit).imag, torch.full_like(shape[0], t1_start)))
    bounds = ((-float("inf"), float("inf")),) * 2 + (_T1,)
    x = model_based(
        kspace,
        encoding,
        model,
        x0,
        l2=l2,
        tv=tv,
        wavelet=wavelet,
        bounds=bounds,
        max_iter=max_iter,
        cg_iter=cg_iter,
        callback=callback,
    )
    return x[2], unit * torch.complex(x[0], x[1])


def _field(b1: torch.Tensor | float, im: Sequence[int], like: torch.Tensor) -> torch.Tensor:
    """The transmit field of each pixel, of the precision and device of ``like``."""
    if not isinstance(b1, torch.Tensor):
        b1 = torch.tensor(number("b1", b1, "a tensor (*im) or a finite number"))
    if b1.is_complex():
        raise TypeError(f"b1: expected real values, got {b1.dtype}")
    if b1.ndim > len(im) or any(n not in (1, size) for n, size in zip(b1.shape[::-1], im[::-1], strict=False)):
        raise ValueError(f"b1: expected a shape that broadcasts to {tuple(im)}, got {tuple(b1.shape)}")
    finite("b1", b1, "values")
    return b1.to(like).expand(*im)


def _proton_density(kspace: torch.Tensor, encoding: LinearOperator, shape: torch.Tensor) -> torch.Tensor:
    """``m0`` of images ``m0 * shape``, damped least squares."""
    with torch.no_grad():
        right = (shape * encoding.adjoint(kspace)).sum(0)
        size = shape.square().sum(0).mean()
        return cg(
            lambda m: (shape * encoding.normal(shape * m)).sum(0), right, max_iter=10, tol=1e-3, damping=1e-2 * size
        )


class _WaveletThreshold:
    """Joint soft threshold of the wavelet coefficients of all maps; each call shifts the grid of the wavelets."""

    def __init__(self, weight: float, ndim: int) -> None:
        self.weight, self.ndim = weight, ndim
        self.transform = WaveletOp(2, levels=3, ndim=ndim)
        self.calls = 0

    def __call__(self, x: torch.Tensor, step: float) -> torch.Tensor:
        axes = tuple(range(-self.ndim, 0))
        # Numbers that are far apart and never repeat together: no grid is preferred, and results do not vary.
        shift = [int(8 * (0.618034 * (self.calls + 1) * (axis + 1) % 1)) for axis in range(self.ndim)]
        self.calls += 1
        coefficients = self.transform(x.roll(shift, axes))
        size = coefficients.norm(dim=0, keepdim=True)
        shrink = 1 - (step * self.weight / size.clamp_min(torch.finfo(size.dtype).tiny)).clamp_max(1)
        corner = self.transform.approximation_size(tuple(x.shape[1:]))
        shrink[(..., *(slice(0, n) for n in corner))] = 1
        return self.transform.adjoint(coefficients * shrink).roll([-s for s in shift], axes)


def _sensitivity(model: Model, x0: torch.Tensor) -> float:
    """Mean over pixels and parameters of ``sum_t |d image_t / d parameter|^2``."""
    point = pointwise_linearize(model, x0)
    total = 0.0
    for unit in torch.eye(x0.shape[0], dtype=x0.dtype, device=x0.device):
        column = point.tangent(unit.reshape(-1, *(1,) * (x0.ndim - 1)).expand(x0.shape))
        total += float(column.abs().square().sum())
    return total / x0.numel()


def _clip(bounds: Sequence[tuple[float, float]], x0: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    if len(bounds) != x0.shape[0]:
        raise ValueError(f"bounds: expected {x0.shape[0]} pairs, one per parameter, got {len(bounds)}")
    for i, pair in enumerate(bounds):
        low, high = numbers("bounds", pair, "(lower, upper) per parameter", 2, lambda _: True)
        if not low <= high:  # NaN is not
            raise ValueError(f"bounds: expected lower <= upper for parameter {i}, got {pair!r}")
    shape = (-1, *(1,) * (x0.ndim - 1))
    low, high = (
        torch.tensor(side, dtype=x0.dtype, device=x0.device).reshape(shape) for side in zip(*bounds, strict=True)
    )
    return lambda x: torch.minimum(torch.maximum(x, low), high)
