"""Stacks of stars and of spirals: non-uniform transforms in plane, a Fourier transform along the partitions."""

from __future__ import annotations

import torch

from mriops import ops
from mriops.operators.algebra import LinearOperator, Shape
from mriops.operators.nufft import NufftOp
from mriops.operators.sampling import check_argument, check_csm, in_precision


class StackOfPlanesOp(LinearOperator):
    """Multi-coil encoding of a volume, Cartesian along z: ``k[c, l] = A_l (F_z csm_c x)[l]``.

    The partitions are those of the centred orthonormal transform along z. Where all have one trajectory, ``F_z``
    cancels in `gram`, which then treats each plane of the volume as an image of its own.

    Parameters
    ----------
    csm : torch.Tensor
        Coil sensitivity maps ``(coils, z, y, x)``.
    trajectory : torch.Tensor
        In-plane, components (y, x), in cycles per field of view: ``(shots, readout, 2)`` for all partitions, or
        ``(z, shots, readout, 2)``.
    dcf : torch.Tensor, optional
        Density compensation, broadcastable to the trajectory without its last axis; see `mriops.operators.NufftOp`.
    eps, upsampling, gram, coils_at_once
        See `mriops.operators.NufftOp`.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes do not fit.

    References
    ----------
    Feng et al. Golden-angle radial sparse parallel MRI. Magn Reson Med 72, 2014.
    """

    csm: torch.Tensor
    domain_shape: Shape
    range_shape: Shape

    def __init__(
        self,
        csm: torch.Tensor,
        trajectory: torch.Tensor,
        *,
        dcf: torch.Tensor | None = None,
        eps: float = 1e-4,
        upsampling: float | None = None,
        gram: str = "auto",
        coils_at_once: int | None = None,
    ):
        super().__init__()
        check_csm(csm, 3, False)
        if csm.ndim != 4:
            raise ValueError(f"csm: expected shape (coils, z, y, x), got {tuple(csm.shape)}")
        coils, n_planes, *plane = csm.shape
        self.per_plane = isinstance(trajectory, torch.Tensor) and trajectory.ndim == 4
        if isinstance(trajectory, torch.Tensor) and not (
            trajectory.ndim == 3 or (self.per_plane and trajectory.shape[0] == n_planes)
        ):
            raise ValueError(
                f"trajectory: expected shape (shots, readout, 2) or ({n_planes}, shots, readout, 2), got "
                f"{tuple(trajectory.shape)}"
            )
        self.keep("csm", csm)
        trajectory = in_precision(trajectory, csm.dtype.to_real())
        self.sampling = NufftOp(
            trajectory, plane, dcf=dcf, eps=eps, upsampling=upsampling, gram=gram, coils_at_once=coils_at_once
        )
        self.domain_shape = (n_planes, *plane)
        self.range_shape = (coils, n_planes, *self.sampling.sample_shape)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Volume ``(*batch, z, y, x)`` to k-space ``(*batch, coils, z, shots, readout)``."""
        check_argument(image, "image", self.domain_shape, 3)
        hybrid = ops.fft(ops.coil_expand(image, self.csm, ndim=3), -3)
        # Planes first, so that coils share a plane's trajectory.
        return self.sampling.encode(hybrid.movedim(-3, -4), coils=self.per_plane).movedim(-3, -4)

    def adjoint(self, kspace: torch.Tensor) -> torch.Tensor:
        """k-space to volume."""
        check_argument(kspace, "kspace", self.range_shape, 4)
        hybrid = self.sampling.decode(kspace.movedim(-4, -3), coils=self.per_plane)
        return ops.coil_combine(ops.ifft(hybrid.movedim(-4, -3), -3), self.csm, ndim=3)

    def normal(self, image: torch.Tensor) -> torch.Tensor:
        """``A^H A``, volume to volume."""
        check_argument(image, "image", self.domain_shape, 3)
        if not self.per_plane:
            return self.sampling.encode_normal(image, self.csm.movedim(1, 0))
        hybrid = ops.fft(ops.coil_expand(image, self.csm, ndim=3), -3).movedim(-3, -4)
        filtered = self.sampling.encode_normal(hybrid, coils=True).movedim(-4, -3)
        return ops.coil_combine(ops.ifft(filtered, -3), self.csm, ndim=3)

    def weigh(self, kspace: torch.Tensor) -> torch.Tensor:
        """k-space times the root of `dcf`: the data that this operator is a model of."""
        check_argument(kspace, "kspace", self.range_shape, 4)
        root = self.sampling.sample_weights(kspace)
        return kspace if root is None else kspace * root
