"""Non-Cartesian encoding of images that live in a temporal subspace: one transform per coefficient, none per frame."""

from __future__ import annotations

import torch

from mriops import ops
from mriops._native.batches import broadcasts_to
from mriops.operators.algebra import Shape
from mriops.operators.nufft import NufftOp
from mriops.operators.remembered import RememberingOp, Tensors
from mriops.operators.sampling import basis_like, check_argument, check_csm, in_precision, shape_of
from mriops.ops._guards import transformed


class SubspaceNufftOp(RememberingOp):
    """Coefficient images to the k-space of all frames: ``y[f, c] = A_f csm_c sum_k basis[f, k] x[k]``.

    A sample belongs to one frame, so that ``A_f sum_k basis[f, k] x[k] = sum_k basis[f, k] A_f x[k]``: each coefficient
    image is transformed once to the samples of all frames, and frames are never formed. `gram` applies the convolutions
    with the point-spread functions of all pairs of coefficients, whose spectra are worked out at the first call.

    Parameters
    ----------
    csm : torch.Tensor
        Coil sensitivity maps ``(coils, *im_size)``.
    trajectory : torch.Tensor
        ``(frames, shots, readout, ndim)``, in cycles per field of view.
    basis : torch.Tensor
        ``(frames, coefficients)``, real or complex. Gradients reach it.
    dcf : torch.Tensor, optional
        Density compensation, broadcastable to ``(frames, shots, readout)``; see `mriops.operators.NufftOp`.
    eps, upsampling, gram, coils_at_once
        See `mriops.operators.NufftOp`.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes do not fit.

    References
    ----------
    Tamir et al. T2 shuffling: sharp, multicontrast, volumetric fast spin-echo imaging. Magn Reson Med 77, 2017.
    """

    csm: torch.Tensor
    basis: torch.Tensor
    spectra: torch.Tensor | None
    domain_shape: Shape
    range_shape: Shape

    def __init__(
        self,
        csm: torch.Tensor,
        trajectory: torch.Tensor,
        basis: torch.Tensor,
        *,
        dcf: torch.Tensor | None = None,
        eps: float = 1e-4,
        upsampling: float | None = None,
        gram: str = "auto",
        coils_at_once: int | None = None,
    ):
        super().__init__()
        if not isinstance(trajectory, torch.Tensor) or trajectory.ndim != 4:
            raise ValueError(f"trajectory: expected shape (frames, shots, readout, ndim), got {shape_of(trajectory)}")
        frames, self.ndim = int(trajectory.shape[0]), int(trajectory.shape[-1])
        check_csm(csm, self.ndim, False)
        if csm.ndim != self.ndim + 1:
            raise ValueError(f"csm: expected shape (coils, *im_size) for {self.ndim} axes, got {tuple(csm.shape)}")
        if not isinstance(basis, torch.Tensor) or basis.ndim != 2 or basis.shape[0] != frames or 0 in basis.shape:
            raise ValueError(f"basis: expected shape ({frames}, coefficients), got {shape_of(basis)}")
        self.keep("csm", csm)
        self.keep("basis", basis)
        self.samples = tuple(trajectory.shape[:3])
        if dcf is not None and not isinstance(dcf, torch.Tensor):
            raise TypeError(f"dcf: expected a torch.Tensor or None, got {type(dcf).__name__}")
        if dcf is not None and not broadcasts_to(tuple(dcf.shape), self.samples):
            raise ValueError(f"dcf: expected a shape that broadcasts to {self.samples}, got {tuple(dcf.shape)}")
        weights = None if dcf is None else dcf.expand(self.samples).reshape(-1)
        flat = in_precision(trajectory, csm.dtype.to_real()).reshape(-1, self.ndim)
        im_size = tuple(csm.shape[1:])
        self.sampling = NufftOp(
            flat, im_size, dcf=weights, eps=eps, upsampling=upsampling, gram=gram, coils_at_once=coils_at_once
        )
        self.register_buffer("spectra", None, persistent=False)
        self.domain_shape = (basis.shape[1], *im_size)
        self.range_shape = (frames, csm.shape[0], *self.samples[1:])

    def _sources(self, name: str) -> Tensors:
        return self.basis, self.sampling.trajectory, self.sampling.dcf

    def _basis(self, like: torch.Tensor) -> torch.Tensor:
        """As what multiplies k-space ``(coefficients, coils, frames, samples)``."""
        return basis_like(self.basis, like.dtype).T[:, None, :, None]

    def forward(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Coefficient images ``(*batch, coefficients, *im_size)`` to ``(*batch, frames, coils, shots, readout)``."""
        check_argument(coefficients, "coefficients", self.domain_shape, self.ndim + 1)
        parts = self.sampling.encode(coefficients, self.csm).unflatten(-1, (self.samples[0], -1))
        frames = (parts * self._basis(parts)).sum(-4)
        return frames.movedim(-2, -3).unflatten(-1, self.samples[1:])

    def adjoint(self, kspace: torch.Tensor) -> torch.Tensor:
        """k-space of all frames to coefficient images."""
        check_argument(kspace, "kspace", self.range_shape, 4)
        frames = kspace.flatten(-2).movedim(-3, -2).unsqueeze(-4)
        parts = frames * self._basis(kspace).conj()
        return self.sampling.decode(parts.flatten(-2), self.csm)

    def normal(self, coefficients: torch.Tensor) -> torch.Tensor:
        """``A^H A``, coefficients to coefficients."""
        check_argument(coefficients, "coefficients", self.domain_shape, self.ndim + 1)
        if transformed(self.basis) or not self.sampling.uses_toeplitz(self.basis.shape[1] ** 2):
            return self.adjoint(self(coefficients))
        columns = coefficients.unsqueeze(-self.ndim - 2)  # the same for each coefficient of the result
        parts = [
            ops.sense_toeplitz(columns, self.csm, spectrum, ndim=self.ndim).sum(-self.ndim - 1)
            for spectrum in self._remembered(("spectra",), self._make_spectra)[0]
        ]
        return parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1]

    def _make_spectra(self) -> tuple[torch.Tensor]:
        """``(1 or 2, coefficients, coefficients, *2 im)``: of ``conj(basis[:, j]) basis[:, k]``, real and imaginary."""
        basis, sampling = self.basis, self.sampling
        rank, parts = basis.shape[1], 2 if basis.is_complex() else 1
        eps = min(sampling.eps, 1e-6)
        rows = []
        for j in range(rank):  # row by row: all pairs at once would take many times the memory of the result
            pairs = basis[:, j:] * basis[:, j : j + 1].conj()
            per_frame = torch.stack([pairs.real, pairs.imag] if parts == 2 else [pairs])
            weights = per_frame.to(torch.float64).movedim(1, -1)  # (parts, k, frames)
            weights = weights.repeat_interleave(self.samples[1] * self.samples[2], dim=-1)
            if sampling.dcf is not None:
                weights = weights * sampling.dcf
            rows.append(ops.toeplitz_kernel(sampling.trajectory, sampling.im_size, dcf=weights, eps=eps))
        # Swapped coefficients have the conjugate weights.
        sign = torch.tensor([1.0, -1.0][:parts], dtype=rows[0].dtype, device=rows[0].device)
        sign = sign.reshape(-1, *(1,) * sampling.ndim)
        pairs = [rows[j][:, k - j] if k >= j else sign * rows[k][:, j - k] for j in range(rank) for k in range(rank)]
        return (torch.stack(pairs, 1).unflatten(1, (rank, rank)),)

    def weigh(self, kspace: torch.Tensor) -> torch.Tensor:
        """k-space times the root of `dcf`: the data that this operator is a model of."""
        check_argument(kspace, "kspace", self.range_shape, 4)
        root = self.sampling.sample_weights(kspace)
        return kspace if root is None else kspace * root.reshape(self.samples).unsqueeze(1)
