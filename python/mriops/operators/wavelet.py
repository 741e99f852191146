"""Orthogonal wavelet transform of images of any size, as an operator."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import torch

from mriops.operators.algebra import LinearOperator
from mriops.operators.sampling import check_floating

MAX_MOMENTS = 10


class WaveletOp(LinearOperator):
    r"""Daubechies wavelet transform of the last `ndim` axes: images to coefficients of the same shape, unitary.

    Along each axis and on each level, with periodic ends,

    .. math:: l_i = \sum_k h_k x_{2i + k}, \qquad g_i = \sum_k (-1)^k h_{2m - 1 - k} x_{2i + k},

    low frequencies first. The last pixel of an axis of odd length is passed on to the next level as it is, so that the
    transform is orthogonal for any size; levels stop where no axis is longer than one pixel.

    Parameters
    ----------
    moments : int
        Vanishing moments ``m``, 1 (Haar) to 10; filters have ``2 m`` taps.
    levels : int
        Levels at most.
    ndim : int
        Number of trailing axes that are transformed.

    Raises
    ------
    TypeError
        If the argument is not a floating-point or complex tensor.
    ValueError
        If a number is out of range, or the argument has too few axes.

    References
    ----------
    Daubechies. Orthonormal bases of compactly supported wavelets. Commun Pure Appl Math 41, 1988.
    """

    def __init__(self, moments: int = 2, *, levels: int = 4, ndim: int = 2):
        super().__init__()
        if not isinstance(moments, int) or not 1 <= moments <= MAX_MOMENTS:
            raise ValueError(f"moments: expected an integer from 1 to {MAX_MOMENTS}, got {moments!r}")
        for name, value in (("levels", levels), ("ndim", ndim)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}: expected an integer >= 1, got {value!r}")
        self.moments, self.levels, self.ndim = moments, levels, ndim
        low = _daubechies(moments)
        self.low = low.tolist()
        self.high = (low[::-1] * (-1.0) ** np.arange(len(low))).tolist()

    def approximation_size(self, im_size: tuple[int, ...]) -> tuple[int, ...]:
        """Size of the corner that holds what is left of the image after all levels.

        Parameters
        ----------
        im_size
            Of the image, the last `ndim` axes.

        Returns
        -------
        tuple of int
        """
        for _ in range(self.levels):
            im_size = tuple((n + 1) // 2 for n in im_size)
        return im_size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(*batch, *im_size)`` to coefficients of the same shape."""
        return self._levels(x, self._split, range(self.levels))

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        """Coefficients to images: the inverse."""
        return self._levels(y, self._join, reversed(range(self.levels)))

    def normal(self, x: torch.Tensor) -> torch.Tensor:
        """The identity."""
        check_floating("x", x)
        return x

    def _levels(
        self, x: torch.Tensor, step: Callable[[torch.Tensor, int], torch.Tensor], levels: Iterable[int]
    ) -> torch.Tensor:
        check_floating("x", x)
        if x.ndim < self.ndim:
            raise ValueError(f"x: expected at least {self.ndim} axes, got shape {tuple(x.shape)}")
        sizes = [tuple(x.shape[x.ndim - self.ndim :])]
        for _ in range(self.levels - 1):
            sizes.append(tuple((n + 1) // 2 for n in sizes[-1]))
        axes = range(-self.ndim, 0)
        x = x.clone()
        for level in levels:
            corner = (..., *(slice(0, n) for n in sizes[level]))
            part = x[corner]
            for axis in axes:
                if part.shape[axis] > 1:
                    part = step(part.movedim(axis, -1), part.shape[axis]).movedim(-1, axis)
            x[corner] = part
        return x

    def _split(self, x: torch.Tensor, n: int) -> torch.Tensor:
        """One level along the last axis."""
        even = n - n % 2
        taps = len(self.low)
        wrapped = x[..., torch.arange(even + taps - 2, device=x.device) % even]
        windows = [wrapped[..., k : k + even : 2] for k in range(taps)]
        low, high = self.low[0] * windows[0], self.high[0] * windows[0]
        for h, g, window in zip(self.low[1:], self.high[1:], windows[1:], strict=True):
            low, high = low + h * window, high + g * window
        return torch.cat([low, x[..., even:], high], dim=-1)

    def _join(self, y: torch.Tensor, n: int) -> torch.Tensor:
        """The transpose of `_split`."""
        even = n - n % 2
        half, taps = even // 2, len(self.low)
        low, last, high = y[..., :half], y[..., half : n - half], y[..., n - half :]
        wrapped = y.new_zeros(*y.shape[:-1], even + taps - 2)
        for k, (h, g) in enumerate(zip(self.low, self.high, strict=True)):
            wrapped[..., k : k + even : 2] += h * low + g * high
        place = torch.arange(even + taps - 2, device=y.device) % even
        x = y.new_zeros(*y.shape[:-1], even).index_add(-1, place, wrapped)
        return torch.cat([x, last], dim=-1)


def _daubechies(moments: int) -> np.ndarray:
    """Filter of extremal phase with norm 1, by spectral factorisation."""
    # Zeros of sum_k C(m - 1 + k, k) y^k with y = (2 - z - 1 / z) / 4; of each pair z, 1 / z the one inside the circle.
    polynomial = [math.comb(moments - 1 + k, k) for k in range(moments)]
    taps = np.ones(1)
    for _ in range(moments):
        taps = np.convolve(taps, [0.5, 0.5])
    for y in np.roots(polynomial[::-1]):
        b = 1 - 2 * y
        root = b + np.sqrt(b * b - 1 + 0j)
        root = root if abs(root) < 1 else 1 / root
        taps = np.convolve(taps, np.array([1, -root]) / (1 - root))
    return math.sqrt(2) * taps.real
