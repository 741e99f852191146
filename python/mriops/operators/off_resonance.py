"""Encoding while the field is off resonance and signal decays, by as few transforms as a stated error allows."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from mriops._native.arguments import number
from mriops._native.batches import broadcasts_to
from mriops.operators.algebra import LinearOperator, Shape, trailing_axes_agree
from mriops.ops.reference.precision import complex_of

# Frequencies that stand for the field map; decay rates that stand for an R2* map.
_FREQUENCY_BINS, _RATE_BINS = 256, 8
_MAX_SEGMENTS = 512
# Elements of the largest table of frequencies and times worked on at once.
_TABLE = 1 << 22


class Segmentation(NamedTuple):
    """``exp(-z t)`` as ``sum_l weights[l](t) exp(-z times[l])``.

    Attributes
    ----------
    times
        Segment times [s], ``(segments,)``, float64.
    weights
        Interpolation, ``(segments, *samples)``, complex128.
    error
        Root mean square error over voxels at the worst sample.
    """

    times: torch.Tensor
    weights: torch.Tensor
    error: float


def _histogram(rate: torch.Tensor, mask: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Representative rates ``z`` of a map, and the square roots of their shares of its voxels."""
    values = rate.detach().to(torch.complex128)
    values = (values if mask is None else values[mask.expand(values.shape)]).flatten()
    edges = [(values.imag, _FREQUENCY_BINS), (values.real, _RATE_BINS)]
    index = torch.zeros(values.shape, dtype=torch.int64, device=values.device)
    for part, bins in edges:
        low, high = part.min(), part.max()
        place = ((part - low) / (high - low).clamp_min(1e-30) * bins).long().clamp(0, bins - 1)
        index = index * bins + (place if bool(high > low) else 0)
    cells, where, counts = index.unique(return_inverse=True, return_counts=True)
    sums = torch.zeros(len(cells), dtype=values.dtype, device=values.device).index_add(0, where, values)
    return sums / counts, (counts / counts.sum()).sqrt()


def _fit(z: torch.Tensor, share: torch.Tensor, nodes: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Least-squares weights ``(segments, t)`` and their error."""
    basis = share[:, None] * torch.exp(-z[:, None] * nodes)
    inverse = torch.linalg.pinv(basis, rtol=1e-12)
    blocks, worst = [], 0.0
    step = max(1, _TABLE // len(z))
    for start in range(0, len(t), step):
        truth = share[:, None] * torch.exp(-z[:, None] * t[start : start + step])
        weights = inverse @ truth
        worst = max(worst, float(torch.linalg.vector_norm(basis @ weights - truth, dim=0).max()))
        blocks.append(weights)
    return torch.cat(blocks, 1), worst


def segment(
    rate: torch.Tensor, times: torch.Tensor, *, eps: float = 1e-3, mask: torch.Tensor | None = None
) -> Segmentation:
    """Fewest equidistant time segments whose least-squares interpolation reaches an error.

    Minimises ``sum_voxels |exp(-z t) - sum_l B_l(t) exp(-z t_l)|^2`` for every ``t`` over the histogram of ``z``, and
    adds segments until its root mean square over voxels is below ``eps`` at every ``t``. That takes about as many
    segments as the spread of frequencies times the duration, and 4 to 10 more.

    Parameters
    ----------
    rate
        ``z = R2* + 2 pi i f`` [1/s] per voxel, complex.
    times
        Sampling times [s] from the centre of excitation, any shape.
    eps
        Error allowed.
    mask
        Voxels that count, bool, broadcastable to `rate`; all by default.

    Returns
    -------
    Segmentation
        Times, weights and the error reached.

    Raises
    ------
    TypeError
        A mask that is not bool.
    ValueError
        No finite map, an empty mask or one of another shape, or more than 512 segments.

    References
    ----------
    Sutton BP, Noll DC, Fessler JA. Fast, iterative image reconstruction for MRI in the presence of field
    inhomogeneities. IEEE Trans Med Imaging 2003;22:178-188.
    """
    if not bool(torch.isfinite(torch.view_as_real(rate.detach())).all()) or rate.numel() == 0:
        raise ValueError("off_resonance: expected finite values, got NaN, Inf or none")
    if mask is not None:
        _check_mask(mask, tuple(rate.shape))
    z, share = _histogram(rate, mask)
    distinct, where = times.detach().to(device=z.device, dtype=torch.float64).flatten().unique(return_inverse=True)
    if not bool(torch.isfinite(distinct).all()):
        raise ValueError("times: expected finite values, got NaN or Inf")
    low, high = float(distinct[0]), float(distinct[-1])
    cycles = float(z.imag.max() - z.imag.min()) / (2 * math.pi) * (high - low)
    coarse = distinct[:: max(1, len(distinct) // int(64 + 8 * cycles))]
    n = max(1, int(cycles))
    while n <= _MAX_SEGMENTS:
        nodes = torch.linspace(low, high, n, dtype=torch.float64, device=z.device)
        nodes = nodes if n > 1 else nodes * 0 + (low + high) / 2
        if _fit(z, share, nodes, coarse)[1] <= eps:
            weights, error = _fit(z, share, nodes, distinct)
            if error <= eps:
                return Segmentation(nodes, weights[:, where].reshape(n, *times.shape), error)
        n += 1
    raise ValueError(f"eps: expected an error that {_MAX_SEGMENTS} segments reach ({cycles:.0f} cycles), got {eps}")


def _check_mask(mask: torch.Tensor, shape: Shape) -> None:
    if not isinstance(mask, torch.Tensor) or mask.dtype != torch.bool:
        raise TypeError(f"mask: expected a tensor of bool, got {_kind(mask)}")
    if not broadcasts_to(tuple(mask.shape), shape):
        raise ValueError(f"mask: expected a shape that broadcasts to {shape}, got {tuple(mask.shape)}")
    if not bool(mask.any()):
        raise ValueError("mask: expected at least one voxel, got none")


def _fits(shape: Shape, to: Shape | None) -> bool:
    """Whether an array fits the trailing axes of what an operator takes or gives, where that is known."""
    return to is None or (len(shape) <= len(to) and trailing_axes_agree(shape, to))


class OffResonanceOp(LinearOperator):
    """Encoding with off-resonance and decay: ``y[s] = sum_r x[r] exp(-(R2*[r] + 2 pi i f[r]) t[s]) e_s[r]``.

    ``e_s`` is what `op` does without them. Computed as ``sum_l B_l(t) op(exp(-z t_l) x)``, all segments in one call of
    `op`. The sign is that of the Fourier transform: a voxel at ``f > 0`` gains phase ``-2 pi f t``. Gradients reach
    image, field map and decay map; the interpolation ``B`` is that of the maps given here: `refit` after large changes.

    Parameters
    ----------
    op : LinearOperator
        Encoding without off-resonance, e.g. `SenseOp` or `NufftOp`; must accept a leading batch axis.
    off_resonance : torch.Tensor
        Field map ``f`` [Hz], ``(*im_size)`` or broadcastable to the image. Converted, with what comes of it, to the
        precision of the data.
    times : torch.Tensor
        Sampling times ``t`` [s] from the centre of excitation, broadcastable to the trailing axes of ``op``'s range:
        ``(readout,)``, ``(shots, readout)``.
    r2star : torch.Tensor, optional
        Decay rate [1/s].
    eps : float
        Root mean square error over voxels at the worst sample, relative to one.
    mask : torch.Tensor, optional
        Voxels that count for that error (bool).

    Raises
    ------
    TypeError, ValueError
        If maps are complex, do not fit, are not finite, or the error is out of reach.

    References
    ----------
    Sutton, Noll, Fessler. Fast, iterative image reconstruction for MRI in the presence of field inhomogeneities. IEEE
    Trans Med Imaging 22, 2003.
    """

    off_resonance: torch.Tensor
    r2star: torch.Tensor | None
    times: torch.Tensor
    segment_times: torch.Tensor
    segment_weights: torch.Tensor

    def __init__(
        self,
        op: LinearOperator,
        off_resonance: torch.Tensor,
        times: torch.Tensor,
        *,
        r2star: torch.Tensor | None = None,
        eps: float = 1e-3,
        mask: torch.Tensor | None = None,
    ):
        super().__init__()
        if not isinstance(op, LinearOperator):
            raise TypeError(f"op: expected a LinearOperator, got {type(op).__name__}")
        maps = {"off_resonance": off_resonance, "times": times, **({} if r2star is None else {"r2star": r2star})}
        for name, tensor in maps.items():
            if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
                raise TypeError(f"{name}: expected a real floating-point tensor, got {_kind(tensor)}")
        number("eps", eps, "0 < eps < 1", lambda value: 0 < value < 1)
        domain, im = op.domain_shape, tuple(off_resonance.shape)
        if not _fits(im, domain):
            raise ValueError(f"off_resonance: expected a shape that broadcasts to the image {domain}, got {im}")
        if not _fits(tuple(times.shape), op.range_shape):
            raise ValueError(f"times: expected a shape that broadcasts to {op.range_shape}, got {tuple(times.shape)}")
        if r2star is not None and not _fits(tuple(r2star.shape), im):
            raise ValueError(f"r2star: expected a shape that broadcasts to {im}, got {tuple(r2star.shape)}")
        self.op, self.eps = op, eps
        self.keep("off_resonance", off_resonance)
        self.keep("r2star", r2star)
        self.register_buffer("times", times.detach())
        self.domain_shape, self.range_shape = op.domain_shape, op.range_shape
        self.error = 0.0
        self.refit(mask)

    def _rate(self) -> torch.Tensor:
        frequency = 2 * math.pi * self.off_resonance
        decay = torch.zeros_like(frequency) if self.r2star is None else self.r2star.expand_as(frequency)
        return torch.complex(decay.to(frequency.dtype), frequency)

    def refit(self, mask: torch.Tensor | None = None) -> None:
        """Choose segments and interpolation for the maps as they are now."""
        found = segment(self._rate(), self.times, eps=self.eps, mask=mask)
        real = self.off_resonance.dtype
        self.register_buffer("segment_times", found.times.to(real))
        self.register_buffer("segment_weights", found.weights.to(real.to_complex()))
        self.error = found.error

    @property
    def n_segments(self) -> int:
        """Transforms per application."""
        return len(self.segment_times)

    def _phases(self, rank: int, dtype: torch.dtype) -> torch.Tensor:
        """``exp(-z t_l)``, ``(segments, ..., *im)`` with the number of axes and the precision of images."""
        rate = self._rate()
        times = self.segment_times.reshape(-1, *(1,) * rate.ndim)
        phases = torch.exp(-rate * times).to(complex_of(dtype))
        return phases.reshape(len(phases), *(1,) * (rank - rate.ndim), *rate.shape)

    def _weights(self, rank: int, dtype: torch.dtype) -> torch.Tensor:
        w = self.segment_weights.to(complex_of(dtype))
        return w.reshape(len(w), *(1,) * (rank - w.ndim + 1), *w.shape[1:])

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Image to k-space."""
        parts = self.op(self._phases(image.ndim, image.dtype) * image)
        return (self._weights(parts.ndim - 1, parts.dtype) * parts).sum(0)

    def adjoint(self, kspace: torch.Tensor) -> torch.Tensor:
        """k-space to image."""
        images = self.op.H(self._weights(kspace.ndim, kspace.dtype).conj() * kspace)
        return (self._phases(images.ndim - 1, images.dtype).conj() * images).sum(0)


def _kind(x: object) -> str:
    return str(x.dtype) if isinstance(x, torch.Tensor) else type(x).__name__
