"""Non-uniform Fourier transform as an operator: sorted once, weighted, with a normal operator that knows short cuts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch

from mriops import ops
from mriops._native.arguments import image_size
from mriops._native.batches import broadcasts_to
from mriops.operators.algebra import LinearOperator, Shape
from mriops.operators.remembered import RememberingOp, Tensors
from mriops.operators.sampling import check_argument
from mriops.ops._guards import transformed, visible
from mriops.ops.reference.precision import complex_of, real_of

GRAMS = ("auto", "toeplitz", "nufft")
_LARGEST_SPECTRUM = 1 << 26  # 256 MiB in single precision; making it takes ten times that


def check_trajectory(trajectory: torch.Tensor, ndim: int) -> None:
    """Raise unless a trajectory is ``(samples, ndim)`` or ``(*batch, shots, readout, ndim)`` and real."""
    if not isinstance(trajectory, torch.Tensor):
        raise TypeError(f"trajectory: expected a torch.Tensor, got {type(trajectory).__name__}")
    if not trajectory.is_floating_point():
        raise TypeError(f"trajectory: expected a real floating-point dtype, got {trajectory.dtype}")
    if trajectory.ndim < 2 or trajectory.shape[-1] != ndim or 0 in trajectory.shape:
        raise ValueError(
            f"trajectory: expected shape (samples, {ndim}) or (*batch, shots, readout, {ndim}) without empty axes, got "
            f"{tuple(trajectory.shape)}"
        )


def root_of(weights: torch.Tensor) -> torch.Tensor:
    """Square root of weights that are not negative, with all derivatives 0 where a weight is 0.

    They are infinite there, and times the zero that a weighted sample passes back they would be NaN.
    """
    left_out = weights == 0
    return torch.where(left_out, 0, torch.where(left_out, 1, weights).sqrt())


class NufftOp(RememberingOp):
    """Non-uniform Fourier transform ``y[s] = sqrt(w[s] / N) sum_r x[r] exp(-2 pi i k[s] . (r - N//2) / N)``.

    `H` is the adjoint; for the density-compensated image write ``A.H(A.weigh(kspace))``, which is ``F^H w kspace``.
    `gram` is ``F^H w F``: a convolution with the point-spread function (Toeplitz), whose spectrum, real and of twice
    the size, is worked out at the first call; the fused transform there and back where the spectra of all trajectories
    hold more than 2^26 numbers. The samples are sorted once, unless the trajectory requires gradients: then each call
    sorts, since an optimiser may have moved them, and `gram` is the fused transform. Order and spectrum are worked out
    again after `trajectory` or `dcf` has been replaced or written to; code that was compiled sees no writes.

    Parameters
    ----------
    trajectory : torch.Tensor
        ``(samples, ndim)`` or ``(*batch, shots, readout, ndim)``, in cycles per field of view, components in the order
        of the image's axes; wrapped periodically outside ``[-N/2, N/2)``. Gradients reach it. Data must have its
        precision.
    im_size : tuple of int
        Image size, ``(y, x)`` or ``(z, y, x)``.
    dcf : torch.Tensor, optional
        Density compensation ``w`` or other weights, not negative, broadcastable to the trajectory without its last
        axis. `gram` is linear in them; the operator and `H` hold their root, whose derivative is infinite where a
        weight is 0 and is taken as 0 there.
    eps : float
        Relative L2 error asked for.
    upsampling : float, optional
        Grid points per pixel; chosen by sizes by default.
    gram : str
        ``"auto"``, ``"toeplitz"`` or ``"nufft"``: how `gram` is computed.
    trajectory_gradient : str
        See `mriops.ops.nufft`.
    coils_at_once : int, optional
        Coil images that share the memory of a grid, at most; see `mriops.ops.nufft_plan`. Not of `gram` by
        convolution.

    Raises
    ------
    TypeError, ValueError
        If shapes, dtypes or precisions do not fit, or a coordinate is NaN or Inf.

    References
    ----------
    Fessler. On NUFFT-based gridding for non-Cartesian MRI. J Magn Reson 188, 2007.
    """

    trajectory: torch.Tensor
    domain_shape: Shape
    range_shape: Shape
    dcf: torch.Tensor | None
    points: torch.Tensor | None
    order: torch.Tensor | None
    spectrum: torch.Tensor | None

    def __init__(
        self,
        trajectory: torch.Tensor,
        im_size: Sequence[int],
        *,
        dcf: torch.Tensor | None = None,
        eps: float = 1e-4,
        upsampling: float | None = None,
        gram: str = "auto",
        trajectory_gradient: str = "exact",
        coils_at_once: int | None = None,
    ):
        super().__init__()
        self.im_size = image_size(im_size)
        self.ndim = len(self.im_size)
        check_trajectory(trajectory, self.ndim)
        if gram not in GRAMS:
            raise ValueError(f"gram: expected one of {', '.join(GRAMS)}, got {gram!r}")
        self.eps, self.upsampling, self.gram_method = eps, upsampling, gram
        self.trajectory_gradient = trajectory_gradient
        self.coils_at_once = coils_at_once
        self.keep("trajectory", trajectory)
        self.keep("dcf", self._checked_weights(dcf))
        n_samples = 1 if trajectory.ndim == 2 else 2
        self.sample_shape = tuple(trajectory.shape[-1 - n_samples : -1])
        self.batch = tuple(trajectory.shape[: trajectory.ndim - 1 - n_samples])
        self.domain_shape, self.range_shape = (*self.batch, *self.im_size), (*self.batch, *self.sample_shape)
        self.spectrum_size = prod(self.batch) * 2**self.ndim * prod(self.im_size)
        for name, persistent in (("points", True), ("order", True), ("spectrum", False)):
            self.register_buffer(name, None, persistent=persistent)
        if self._plan() is None:
            self._sort()  # which says what does not fit

    def _checked_weights(self, dcf: torch.Tensor | None) -> torch.Tensor | None:
        if dcf is None:
            return None
        if not isinstance(dcf, torch.Tensor):
            raise TypeError(f"dcf: expected a torch.Tensor or None, got {type(dcf).__name__}")
        if dcf.is_complex() or dcf.dtype == torch.bool:
            raise TypeError(f"dcf: expected real weights, got {dcf.dtype}")
        shape = tuple(self.trajectory.shape[:-1])
        if not broadcasts_to(tuple(dcf.shape), shape):
            raise ValueError(f"dcf: expected a shape that broadcasts to {shape}, got {tuple(dcf.shape)}")
        if visible(dcf):
            least = float(dcf.detach().min())
            if not least >= 0:  # NaN is none of them either
                raise ValueError(f"dcf: expected weights that are not negative, got {least:g}")
        return dcf if dcf.is_floating_point() else dcf.to(self.trajectory.dtype)

    def _sources(self, name: str) -> Tensors:
        return (self.trajectory, self.dcf) if name == "spectrum" else (self.trajectory,)

    def _plan(self) -> ops.NufftPlan | None:
        """The samples, sorted; None for a trajectory that each call sorts."""
        if transformed(self.trajectory):
            return None
        return ops.NufftPlan(*self._remembered(("points", "order"), self._sort))

    def _sort(self) -> ops.NufftPlan:
        flat = self._flat(self.trajectory, 1)
        keywords = {"eps": self.eps, "upsampling": self.upsampling, "coils_at_once": self.coils_at_once}
        return ops.nufft_plan(flat, self.im_size, **keywords)

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> LinearOperator:
        before = self.trajectory.dtype
        super()._apply(fn, recurse)
        if self.trajectory.dtype != before:
            self._plan()
        return self

    def _flat(self, array: torch.Tensor, core: int) -> torch.Tensor:
        """Shots and readout as one axis of samples, which ``core`` axes follow."""
        if len(self.sample_shape) == 1 or array.ndim < core + 2:
            return array
        return array.flatten(-core - 2, -core - 1)

    def _rows(self, coils: bool) -> tuple[torch.Tensor, dict[str, Any]]:
        """Trajectory and keywords for the ops; ``coils``: with an axis of one for coils behind the batch."""
        trajectory, plan = self._flat(self.trajectory, 1), self._plan()
        if plan is None and self.coils_at_once is not None:
            plan = self._sort()  # which an op that sorts by itself could not be told
        if coils and plan is not None:
            plan = plan._replace(points=plan.points.unsqueeze(-3), order=plan.order.unsqueeze(-2))
        keywords = {"eps": self.eps, "upsampling": self.upsampling, "plan": plan}
        keywords["trajectory_gradient"] = self.trajectory_gradient
        return trajectory.unsqueeze(-3) if coils else trajectory, keywords

    def _check_precision(self, name: str, data: torch.Tensor) -> None:
        """Samples are sorted in one precision; ops say what is wrong with data of no precision at all."""
        sorts_itself = self.points is None and self.coils_at_once is None
        if sorts_itself or not (data.is_floating_point() or data.is_complex()):
            return
        own = self.trajectory.dtype
        if real_of(data.dtype) != own:
            raise TypeError(
                f"{name}: expected {complex_of(own)}, the precision of the trajectory (.to({real_of(data.dtype)}) "
                f"changes that of the operator), got {data.dtype}"
            )

    def _weights(self, coils: bool) -> torch.Tensor | None:
        if self.dcf is None:
            return None
        weights = self._flat(self.dcf.expand(self.trajectory.shape[:-1]), 0)
        return weights.unsqueeze(-2) if coils else weights

    def _root(self, coils: bool) -> torch.Tensor | None:
        weights = self._weights(coils)
        return None if weights is None else root_of(weights)

    def sample_weights(self, like: torch.Tensor) -> torch.Tensor | None:
        """Root of `dcf` per sample, ``(*batch, *samples)``, in the precision of ``like``."""
        if self.dcf is None:
            return None
        return root_of(self.dcf).to(real_of(like.dtype)).expand(self.trajectory.shape[:-1])

    def weigh(self, kspace: torch.Tensor) -> torch.Tensor:
        """``sqrt(dcf)`` times k-space ``(*batch, *samples)``: the data that this operator is a model of."""
        check_argument(kspace, "kspace", self.range_shape, len(self.sample_shape))
        root = self.sample_weights(kspace)
        return kspace if root is None else kspace * root

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Image ``(*batch, *im_size)`` to samples ``(*batch, *samples)``."""
        check_argument(image, "image", self.domain_shape, self.ndim)
        return self.encode(image)

    def adjoint(self, kspace: torch.Tensor) -> torch.Tensor:
        """Samples to image."""
        check_argument(kspace, "kspace", self.range_shape, len(self.sample_shape))
        return self.decode(kspace)

    def normal(self, image: torch.Tensor) -> torch.Tensor:
        """``A^H A``, image to image."""
        check_argument(image, "image", self.domain_shape, self.ndim)
        return self.encode_normal(image)

    def encode(self, image: torch.Tensor, csm: torch.Tensor | None = None, *, coils: bool = False) -> torch.Tensor:
        """Image through coil maps, or coil images (`coils`), or image, to weighted samples."""
        self._check_precision("image", image)
        trajectory, keywords = self._rows(coils)
        root = self._root(coils or csm is not None)
        if csm is None:
            kspace = ops.nufft(image, trajectory, **keywords)
        else:
            kspace = ops.sense_nufft(image, csm, trajectory, **keywords)
        weighted = kspace if root is None else kspace * root.to(real_of(kspace.dtype))
        return weighted.unflatten(-1, self.sample_shape)

    def decode(self, kspace: torch.Tensor, csm: torch.Tensor | None = None, *, coils: bool = False) -> torch.Tensor:
        """The adjoint of `encode`."""
        self._check_precision("kspace", kspace)
        trajectory, keywords = self._rows(coils)
        flat, root = self._flat(kspace, 0), self._root(coils)
        if csm is None:
            return ops.nufft_adjoint(flat, trajectory, self.im_size, dcf=root, **keywords)
        return ops.sense_nufft_adjoint(flat, csm, trajectory, dcf=root, **keywords)

    def encode_normal(
        self, image: torch.Tensor, csm: torch.Tensor | None = None, *, coils: bool = False
    ) -> torch.Tensor:
        """`decode` of `encode`."""
        self._check_precision("image", image)
        if self.uses_toeplitz():
            spectrum = self.toeplitz_spectrum()
            if csm is not None:
                return ops.sense_toeplitz(image, csm, spectrum, ndim=self.ndim)
            return ops.toeplitz(image, spectrum.unsqueeze(-self.ndim - 1) if coils else spectrum, ndim=self.ndim)
        trajectory, keywords = self._rows(coils)
        if csm is not None:
            return ops.sense_nufft_gram(image, csm, trajectory, dcf=self._weights(coils), **keywords)
        kspace = ops.nufft(image, trajectory, **keywords)
        return ops.nufft_adjoint(kspace, trajectory, self.im_size, dcf=self._weights(coils), **keywords)

    @property
    def moves(self) -> bool:
        """Whether derivatives, or a transform over it, are wanted of what the spectrum depends on."""
        return any(source is not None and transformed(source) for source in self._sources("spectrum"))

    def uses_toeplitz(self, copies: int = 1) -> bool:
        """Whether `gram` is the convolution, with as many spectra per trajectory as ``copies``.

        Its cost does not grow with the samples, and is about that of the fused transform for the fewest (a hundredth of
        a sample per pixel). What speaks against it is memory, and gradients that would have to go through making the
        spectrum.
        """
        if self.gram_method != "auto":
            return self.gram_method == "toeplitz"
        return not self.moves and copies * self.spectrum_size <= _LARGEST_SPECTRUM

    def toeplitz_spectrum(self) -> torch.Tensor:
        """Spectrum of the point-spread function, worked out once for a trajectory and weights that stay."""
        return self._remembered(("spectrum",), self._make_spectrum)[0]

    def _make_spectrum(self) -> tuple[torch.Tensor]:
        eps = min(self.eps, 1e-6)  # worked out once, in double precision: not where to save
        trajectory, weights = self._flat(self.trajectory, 1), self._weights(False)
        return (ops.toeplitz_kernel(trajectory, self.im_size, dcf=weights, eps=eps),)
