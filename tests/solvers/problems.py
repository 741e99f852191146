"""Small dense problems with known solutions."""

import torch


def matvec(matrix, x):
    """``(*batch, m, n) (*batch, n)`` -> ``(*batch, m)``."""
    return (matrix @ x[..., None])[..., 0]


def positive_definite(n, dtype=torch.complex128, batch=(), condition=100.0, seed=0):
    """Hermitian matrices with eigenvalues spread geometrically from 1 to `condition`."""
    generator = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(torch.randn(*batch, n, n, dtype=torch.complex128, generator=generator))
    eigenvalues = torch.logspace(0, torch.tensor(float(condition)).log10().item(), n, dtype=torch.float64)
    matrix = (q * eigenvalues) @ q.mH
    matrix = (matrix + matrix.mH) / 2
    if not dtype.is_complex:
        matrix = matrix.real + 0.0
    return matrix.to(dtype)


def vector(*shape, dtype=torch.complex128, seed=1):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))
