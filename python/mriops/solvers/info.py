"""What a solver reports about its run."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class SolverInfo:
    """Report of an iterative solve; every tensor stays on the device of the solution.

    Attributes
    ----------
    n_iter : torch.Tensor
        Iterations each batch item took before it stopped, integer, shape ``(*batch,)``.
    residual_norms : torch.Tensor
        Residual norm relative to its value for the zero solution, before the first and after each iteration, shape
        ``(iterations + 1, *batch)``. An item that has stopped repeats its last value.
    converged : torch.Tensor
        Whether each batch item reached the tolerance, boolean, shape ``(*batch,)``.
    """

    n_iter: torch.Tensor
    residual_norms: torch.Tensor
    converged: torch.Tensor
