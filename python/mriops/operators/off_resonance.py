"""Encoding while the field is off resonance and signal decays, by as few transforms as a stated error allows."""

from __future__ import annotations

import math

import torch

from mriops._native.arguments import number
from mriops._native.batches import broadcasts_to
from mriops.operators.algebra import LinearOperator, Shape, trailing_axes_agree
from mriops.operators.sampling import check_argument, shape_of
from mriops.operators.segmentation import segment
from mriops.ops.reference.precision import complex_of


def _fits(shape: Shape, to: Shape | None) -> bool:
    """Whether an array fits the trailing axes of what an operator takes or gives, where that is known."""
    return to is None or (len(shape) <= len(to) and trailing_axes_agree(shape, to))


class OffResonanceOp(LinearOperator):
    """Encoding with off-resonance and decay: ``y[s] = sum_r x[r] exp(-(R2*[r] + 2 pi i f[r]) t[s]) e_s[r]``.

    ``e_s`` is what `op` does without them. Computed as ``sum_l B_l(t) op(exp(-z t_l) x)``, all segments in one call of
    `op`. The sign is that of the Fourier transform: a voxel at ``f > 0`` gains phase ``-2 pi f t``. Gradients reach
    image, field map and decay map, those of maps to `eps` as well, of uniform ones too. The interpolation ``B`` is that
    of the maps given here: `refit` after large changes.

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
        Root mean square over voxels of the error of ``exp(-z t)`` at the worst sample, relative to one, and of its
        derivative by ``z``, relative to the largest ``|t|``. `error` is what the former reaches, a bound for the values
        of the maps; rounding in the precision of the data comes on top.
    mask : torch.Tensor, optional
        Voxels that count for that error (bool).

    Raises
    ------
    TypeError, ValueError
        If maps are complex, do not fit, are not finite, or the error is out of reach; if an argument has not the shape
        of the domain or range.

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
        _check(image, "image", self.domain_shape, "off_resonance", self.off_resonance)
        parts = self.op(self._phases(image.ndim, image.dtype) * image)
        return (self._weights(parts.ndim - 1, parts.dtype) * parts).sum(0)

    def adjoint(self, kspace: torch.Tensor) -> torch.Tensor:
        """k-space to image."""
        _check(kspace, "kspace", self.range_shape, "times", self.times)
        images = self.op.H(self._weights(kspace.ndim, kspace.dtype).conj() * kspace)
        return (self._phases(images.ndim - 1, images.dtype).conj() * images).sum(0)


def _check(x: torch.Tensor, name: str, shape: Shape | None, owner: str, own: torch.Tensor) -> None:
    """Raise unless an argument has the shape that the operator knows, or one that what it is multiplied by fits."""
    if shape is not None:
        check_argument(x, name, shape, 0)
    elif not isinstance(x, torch.Tensor) or not broadcasts_to(tuple(own.shape), tuple(x.shape)):
        raise ValueError(
            f"{name}: expected a shape that {owner} of shape {tuple(own.shape)} broadcasts to, got {shape_of(x)}"
        )


def _kind(x: object) -> str:
    return str(x.dtype) if isinstance(x, torch.Tensor) else type(x).__name__
