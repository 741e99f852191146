"""Echo-planar lines of two directions: their shift and phase against each other, from a navigator."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["EpiPhase", "epi_phase"]


class EpiPhase(NamedTuple):
    """How lines of the two directions differ.

    Attributes
    ----------
    shift : Tensor ()
        Samples of lines towards +x were taken at k + shift, of those towards -x at k - shift [cycles/FOV]. Negative
        where gradients come late.
    phase : Tensor ()
        Lines towards +x have the phase + phase, those towards -x - phase [rad].
    """

    shift: Tensor
    phase: Tensor

    def correct(self, kspace: Tensor, trajectory: Tensor) -> tuple[Tensor, Tensor]:
        """K-space without the phase, and the trajectory with the shift.

        Parameters
        ----------
        kspace : Tensor (*batch, coils, lines, samples)
        trajectory : Tensor (lines, samples, ndim)
            Nominal [cycles/FOV]; x is the last component.

        Returns
        -------
        kspace, trajectory : Tensors like those given

        Raises
        ------
        TypeError
            If the trajectory is not of floating point.
        """
        way = _direction(trajectory)
        turn = torch.polar(torch.ones_like(self.phase), -self.phase).to(kspace.dtype)
        turned = torch.where(way > 0, turn, turn.conj())
        moved = trajectory.clone()
        moved[..., -1] += (way * self.shift).to(trajectory)[:, None]
        return kspace * turned[:, None].to(kspace.device), moved


@torch.no_grad()
def epi_phase(navigator: Tensor, trajectory: Tensor, n_x: int) -> EpiPhase:
    r"""Estimate the N/2 ghost's cause from lines without phase encoding.

    .. math:: p_l(x) \propto \sum_j w_j\, y_{lj}\, e^{2\pi i k_{lj} x / N}, \qquad
              \arg \sum_{l\ \text{odd},\,c} p_{l+1} \overline{p_l}\, e^{-i\omega(x)}
              = \pm 2\,(\varphi + 2\pi\,\Delta k\, x / N)

    Lines are transformed along x, ramp samples with their density as weights; the phase from each line to the next has
    a part that alternates, which is fitted by a straight line, and a drift omega (off-resonance), which does not.

    Parameters
    ----------
    navigator : Tensor (*batch, coils, lines, samples)
        The echo train without blips, or at least three lines of it; complex.
    trajectory : Tensor (lines, samples, ndim)
        Of the train, nominal [cycles/FOV]; x is the last component, lines alternate in direction.
    n_x : int
        N, image columns.

    Returns
    -------
    EpiPhase

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, there are fewer than three lines, or they do not alternate.

    Notes
    -----
    The drift must stay below pi/2 from line to line: |f| < 1 / (4 echo spacing).

    References
    ----------
    Bruder et al. Image reconstruction for echo planar imaging with nonequidistant k-space sampling. MRM 23:311 (1992).
    """
    if not navigator.is_complex():
        raise TypeError(f"navigator: expected a complex tensor, got {navigator.dtype}")
    if trajectory.ndim != 3 or trajectory.shape[0] < 3 or trajectory.shape[1] < 2:
        raise ValueError(f"trajectory: expected (lines >= 3, samples, ndim), got {tuple(trajectory.shape)}")
    if navigator.ndim < 3 or navigator.shape[-2:] != trajectory.shape[:2]:
        lines, samples = trajectory.shape[:2]
        raise ValueError(f"navigator: expected (*batch, coils, {lines}, {samples}), got {tuple(navigator.shape)}")
    way = _direction(trajectory)
    if bool((way[1:] == way[:-1]).any()):
        raise ValueError("trajectory: expected lines in alternating directions, got two neighbours alike")
    profiles = _profiles(navigator.reshape(-1, *navigator.shape[-2:]), trajectory[..., -1], n_x)
    step = (profiles[:, 1:] * profiles[:, :-1].conj()).sum(dim=0)
    up, down = step[way[1:] > 0].sum(dim=0), step[way[1:] < 0].sum(dim=0)
    drift = 0.5 * torch.angle(up * down)
    both = (
        up * torch.polar(torch.ones_like(drift), -drift) + (down * torch.polar(torch.ones_like(drift), -drift)).conj()
    )
    slope = torch.angle((both[1:] * both[:-1].conj()).sum())
    x = torch.arange(n_x, dtype=torch.float64, device=both.device) - n_x // 2
    phase = torch.angle((both * torch.polar(torch.ones_like(x), -slope * x)).sum())
    # A profile taken at k + shift but placed at k carries exp(-2 pi i shift x / N); half the difference is one line's.
    return EpiPhase(-slope / 2 * n_x / (2 * math.pi), phase / 2)


def _direction(trajectory: Tensor) -> Tensor:
    """+1 for lines towards +x, -1 for the others."""
    if not trajectory.is_floating_point():
        raise TypeError(f"trajectory: expected a real floating-point dtype, got {trajectory.dtype}")
    return (trajectory[:, -1, -1] - trajectory[:, 0, -1]).sign()


def _profiles(lines: Tensor, k: Tensor, n_x: int) -> Tensor:
    """(coils, lines, n_x): transforms along x of (coils, lines, samples) at k (lines, samples)."""
    k = k.double()
    spacing = torch.cat([k[:, 1:2] - k[:, :1], (k[:, 2:] - k[:, :-2]) / 2, k[:, -1:] - k[:, -2:-1]], dim=1).abs()
    x = torch.arange(n_x, dtype=torch.float64, device=k.device) - n_x // 2
    basis = torch.exp(2j * math.pi / n_x * k[..., None] * x)
    return torch.einsum("cls,lsx->clx", (lines * spacing).to(basis.dtype), basis)
