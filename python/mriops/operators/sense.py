"""Multi-coil encoding as an operator, Cartesian and non-Cartesian."""

import torch

from mriops import ops
from mriops.operators.algebra import LinearOperator, Shape
from mriops.operators.nufft import NufftOp
from mriops.operators.sampling import (
    batch_axes,
    batch_of,
    check_argument,
    check_csm,
    compress_mask,
    image_axes,
    in_precision,
    weights_like,
)


class SenseOp(LinearOperator):
    """Multi-coil encoding ``k_c = mask F (csm_c x)``, image to k-space, on a Cartesian grid or along a trajectory.

    ``F`` is the centred orthonormal Fourier transform over the spatial axes, with a `trajectory` the non-uniform one;
    with map sets, ``k_c = mask F sum_m csm_mc x_m``. `gram` is fused: ``mriops.ops.sense_gram``; with a trajectory
    ``mriops.ops.sense_toeplitz`` or ``mriops.ops.sense_nufft_gram``: see `mriops.operators.NufftOp`, which also says
    what `dcf` does.

    Parameters
    ----------
    csm : torch.Tensor
        Coil sensitivity maps, shape ``(*batch, coils, *im_size)``, or ``(*batch, maps, coils, *im_size)`` with `maps`.
        A `torch.nn.Parameter` is trained; gradients reach any tensor.
    mask : torch.Tensor, optional
        Sampling mask (bool) or real k-space weights (counted twice in `gram`), broadcastable to
        ``(*batch, *im_size)``. Axes along which its values are constant are reduced to length 1, which lets `gram`
        skip their transform, and a mask that keeps all becomes None, unless it requires gradients.
    ndim : int, optional
        Number of spatial axes, 2 or 3; by default the trajectory's components, 2 without one.
    maps : bool
        Whether `csm` holds sets of maps (soft SENSE).
    trajectory : torch.Tensor, optional
        ``(samples, ndim)`` or ``(*batch, shots, readout, ndim)``, in cycles per field of view; instead of `mask`.
        k-space is then ``(*batch, coils, samples)`` or ``(*batch, coils, shots, readout)``. Converted to the precision
        of `csm`.
    dcf : torch.Tensor, optional
        Density compensation, broadcastable to the trajectory without its last axis. Its root weighs k-space, so that
        `gram` has it once; `weigh` prepares data.
    eps, upsampling, gram, trajectory_gradient, coils_at_once
        Of the non-uniform transform, see `mriops.operators.NufftOp`.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes do not fit.

    References
    ----------
    Pruessmann et al. SENSE: sensitivity encoding for fast MRI. Magn Reson Med 42, 1999.

    Pruessmann et al. Advances in sensitivity encoding with arbitrary k-space trajectories. Magn Reson Med 46, 2001.
    """

    csm: torch.Tensor
    domain_shape: Shape
    range_shape: Shape
    mask: torch.Tensor | None

    def __init__(
        self,
        csm: torch.Tensor,
        mask: torch.Tensor | None = None,
        *,
        ndim: int | None = None,
        maps: bool = False,
        trajectory: torch.Tensor | None = None,
        dcf: torch.Tensor | None = None,
        eps: float = 1e-4,
        upsampling: float | None = None,
        gram: str = "auto",
        trajectory_gradient: str = "exact",
        coils_at_once: int | None = None,
    ):
        super().__init__()
        if ndim is None:
            ndim = int(trajectory.shape[-1]) if isinstance(trajectory, torch.Tensor) and trajectory.ndim else 2
        check_csm(csm, ndim, maps)
        self.ndim, self.maps = ndim, bool(maps)
        self.keep("csm", csm)
        self.sampling = None
        if trajectory is None:
            if coils_at_once is not None:
                raise ValueError(f"coils_at_once: expected None without a trajectory, got {coils_at_once!r}")
            if dcf is not None:
                raise ValueError("dcf: expected None without a trajectory (weights go into mask), got a tensor")
            self._init_cartesian(mask)
        elif mask is not None:
            raise ValueError("mask: expected None with a trajectory (weights go into dcf), got a tensor")
        else:
            self.keep("mask", None)
            self.sampling = NufftOp(
                in_precision(trajectory, csm.dtype.to_real()),
                csm.shape[-ndim:],
                dcf=dcf,
                eps=eps,
                upsampling=upsampling,
                gram=gram,
                trajectory_gradient=trajectory_gradient,
                coils_at_once=coils_at_once,
            )
            self._set_shapes(self.sampling.batch, self.sampling.sample_shape)

    def _init_cartesian(self, mask: torch.Tensor | None) -> None:
        im_size = tuple(self.csm.shape[-self.ndim :])
        mask = compress_mask(mask, self.ndim, self.csm.dtype.to_real(), im_size)
        self.keep("mask", mask)
        self._set_shapes(() if mask is None else tuple(mask.shape[: -self.ndim]), im_size)

    def _set_shapes(self, batch: Shape, samples: Shape) -> None:
        batch = batch_of(batch_axes(self.csm, self.ndim, self.maps), batch)
        self.n_samples_axes = len(samples)
        self.domain_shape = (*batch, *image_axes(self.csm, self.ndim, self.maps))
        self.range_shape = (*batch, self.csm.shape[-self.ndim - 1], *samples)

    def weigh(self, kspace: torch.Tensor) -> torch.Tensor:
        """k-space times `mask`, or times the root of `dcf`: the data that this operator is a model of."""
        check_argument(kspace, "kspace", self.range_shape, self.n_samples_axes + 1)
        if self.sampling is not None:
            root = self.sampling.sample_weights(kspace)
            return kspace if root is None else kspace * root.unsqueeze(-self.n_samples_axes - 1)
        if self.mask is None:
            return kspace
        return kspace * weights_like(self.mask, kspace).unsqueeze(-self.ndim - 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Image ``(*batch, [maps,] *im_size)`` to k-space ``(*batch, coils, *im_size)``, or ``(..., *samples)``."""
        check_argument(image, "image", self.domain_shape, self.ndim + self.maps)
        if self.sampling is None:
            return ops.sense(image, self.csm, self.mask, ndim=self.ndim, maps=self.maps)
        if not self.maps:
            return self.sampling.encode(image, self.csm)
        return self.sampling.encode(ops.coil_expand(image, self.csm, ndim=self.ndim, maps=True), coils=True)

    def adjoint(self, kspace: torch.Tensor) -> torch.Tensor:
        """k-space to image ``(*batch, [maps,] *im_size)``."""
        check_argument(kspace, "kspace", self.range_shape, self.n_samples_axes + 1)
        if self.sampling is None:
            return ops.sense_adjoint(kspace, self.csm, self.mask, ndim=self.ndim, maps=self.maps)
        if not self.maps:
            return self.sampling.decode(kspace, self.csm)
        return ops.coil_combine(self.sampling.decode(kspace, coils=True), self.csm, ndim=self.ndim, maps=True)

    def normal(self, image: torch.Tensor) -> torch.Tensor:
        """Fused ``A^H A``, image to image."""
        check_argument(image, "image", self.domain_shape, self.ndim + self.maps)
        if self.sampling is None:
            return ops.sense_gram(image, self.csm, self.mask, ndim=self.ndim, maps=self.maps)
        if not self.maps:
            return self.sampling.encode_normal(image, self.csm)
        coil_images = ops.coil_expand(image, self.csm, ndim=self.ndim, maps=True)
        images = self.sampling.encode_normal(coil_images, coils=True)
        return ops.coil_combine(images, self.csm, ndim=self.ndim, maps=True)
