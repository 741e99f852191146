"""Leading eigenvectors of the band-limited coil Gram matrix at every pixel.

The matrix at every pixel is a trigonometric interpolation of a few samples (small real matrix products), made block by
block and never stored whole. A cold start by repeated squaring runs on a coarse grid only. Pixels that cannot reach the
wanted eigenvalue are recognised there; every other pixel starts from its coarse neighbour, and a few matrix-vector
products finish it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["EigenSettings", "dirichlet_matrix", "eigen_maps", "leading_eigenvector"]

_BLOCK_BYTES = {"cpu": 1 << 21}  # Gram matrices of one block stay in the second-level cache
_BLOCK_BYTES_DEVICE = 1 << 28
_COARSE_ANGLE = 0.5  # [rad] that the highest lag may turn between a coarse point and the pixels it starts
_SQUARINGS = 5
_PRODUCTS_PER_CHECK = 2


@dataclass(frozen=True)
class EigenSettings:
    """How the eigenvectors are found.

    Attributes
    ----------
    n_maps
        Number of leading eigenvectors.
    keep_level
        Pixels whose largest eigenvalue is certainly below this stay zero. 0 computes all.
    tol
        A pixel is done when ||G x - x (x^H G x)|| <= tol * (leading eigenvalue).
    max_iter
        Limit of matrix-vector products per pixel.
    """

    n_maps: int
    keep_level: float
    tol: float
    max_iter: int


def dirichlet_matrix(positions: Tensor, samples: int) -> Tensor:
    """Real interpolation matrix from ``samples`` (odd) equispaced values of a trigonometric polynomial.

    D[i, q] = (1/L) sum_{|l| <= (L-1)/2} exp(2 pi i l (positions[i] - q/L)), positions in periods, L = samples.
    """
    lags = torch.arange(1, (samples + 1) // 2, dtype=torch.float64, device=positions.device)
    grid = torch.arange(samples, dtype=torch.float64, device=positions.device) / samples
    angle = 2 * math.pi * (positions[:, None] - grid)
    return (1 + 2 * torch.cos(angle[..., None] * lags).sum(-1)) / samples


def eigen_maps(gram_samples: Tensor, im_size: tuple[int, ...], settings: EigenSettings) -> tuple[Tensor, Tensor]:
    """Leading eigenvectors and eigenvalues of the interpolated Gram matrix at every pixel.

    Parameters
    ----------
    gram_samples
        (batch, *grid, coils, coils), Hermitian with eigenvalues in [0, 1], from ``coil_gram_samples``.
    im_size
        Pixels per spatial axis; pixel i of N lies at (i - N//2) / N.
    settings
        See :class:`EigenSettings`.

    Returns
    -------
    vectors
        (batch, maps, coils, *im_size), orthonormal, arbitrary phase; zero where the eigenvalue is below keep_level.
    values
        (batch, maps, *im_size), descending along maps; zero where the vectors are.
    """
    batch, coils = gram_samples.shape[0], gram_samples.shape[-1]
    pad = (1,) * (3 - len(im_size))
    size, grid = (*pad, *im_size), (*pad, *gram_samples.shape[1:-2])
    samples = torch.view_as_real(gram_samples.resolve_conj()).reshape(batch, *grid, 2 * coils * coils).contiguous()
    steps = tuple(_coarse_step(n, g, len(im_size)) for n, g in zip(size, grid, strict=True))
    turn = sum(math.pi * (g - 1) * (s - 1) / (2 * n) for n, g, s in zip(size, grid, steps, strict=True))
    vectors = gram_samples.new_zeros(batch, settings.n_maps, coils, *size)
    values = samples.new_zeros(batch, settings.n_maps, *size)
    for item in range(batch):
        certain = _certain_level(settings.keep_level, turn)
        _solve_item(samples[item], steps, certain, vectors[item], values[item], settings)
    shape = (batch, settings.n_maps, coils, *im_size)
    return vectors.reshape(shape), values.reshape(batch, settings.n_maps, *im_size)


def leading_eigenvector(gram: Tensor, *, max_iter: int, tol: float) -> Tensor:
    """Leading eigenvectors (pixels, coils), unit norm, of Hermitian positive semidefinite (pixels, coils, coils).

    Any scale; a zero matrix gives a zero vector.
    """
    trace = gram.diagonal(dim1=1, dim2=2).real.sum(1).clamp_min(torch.finfo(gram.dtype).tiny)
    gram = gram / trace[:, None, None]
    return _iterate(gram, _cold_start(gram, 1), EigenSettings(1, 0.0, tol, max_iter))[0][..., 0]


def _coarse_step(pixels: int, samples: int, ndim: int) -> int:
    """Largest block of pixels whose members lie within _COARSE_ANGLE / ndim of its centre, for the highest lag."""
    if samples == 1:
        return pixels
    half_pixel = math.pi * (samples - 1) / (2 * pixels)
    return max(1, min(pixels, 1 + int(_COARSE_ANGLE / ndim / half_pixel)))


def _certain_level(level: float, turn: float) -> float:
    """Eigenvalue that a coarse point has at least, if any pixel of its block reaches ``level``.

    For a fixed unit vector x, g(r) = x^H G(r) x is a trigonometric polynomial with values in [0, 1], so Bernstein's
    inequality in the form of Szego, |g'| <= degree * sqrt(g (1 - g)), says that 2 asin(sqrt(g)) changes by no more than
    the angle the highest lag turns.
    """
    angle = 2 * math.asin(math.sqrt(min(1.0, level))) - turn
    return math.sin(max(0.0, angle) / 2) ** 2


def _solve_item(
    samples: Tensor, steps: tuple[int, ...], certain: float, vectors: Tensor, values: Tensor, settings: EigenSettings
) -> None:
    """Fill ``vectors`` (maps, coils, z, y, x) and ``values`` (maps, z, y, x) of one batch item."""
    size = tuple(values.shape[1:])
    every_pixel = torch.ones(size, dtype=torch.bool)
    if max(steps) == 1:
        return _sweep(samples, _positions(size, (1, 1, 1)), every_pixel, None, vectors, values, settings)
    cells = tuple(-(-n // s) for n, s in zip(size, steps, strict=True))
    coarse_vectors = vectors.new_zeros(*vectors.shape[:2], *cells)
    coarse_values = values.new_zeros(values.shape[0], *cells)
    everywhere = EigenSettings(settings.n_maps, 0.0, max(settings.tol, 1e-3), settings.max_iter)
    _sweep(
        samples,
        _positions(size, steps),
        torch.ones(cells, dtype=torch.bool),
        None,
        coarse_vectors,
        coarse_values,
        everywhere,
    )
    # The margin covers the tolerance of the coarse eigenvalues.
    active = (coarse_values[0] >= certain - 0.01).cpu()
    for axis, (n, step) in enumerate(zip(size, steps, strict=True)):
        active = active.repeat_interleave(step, dim=axis).narrow(axis, 0, n)
    start = coarse_vectors.reshape(*vectors.shape[:2], -1).permute(2, 1, 0).contiguous()
    return _sweep(samples, _positions(size, (1, 1, 1)), active, (start, steps, cells), vectors, values, settings)


def _positions(size: tuple[int, ...], steps: tuple[int, ...]) -> list[Tensor]:
    """Centres of blocks of ``steps`` pixels along each axis, in fields of view from the centre of the image."""
    return [
        (torch.arange(-(-n // s), dtype=torch.float64) * s + (s - 1) / 2 - n // 2) / n
        for n, s in zip(size, steps, strict=True)
    ]


def _sweep(
    samples: Tensor,
    positions: list[Tensor],
    active: Tensor,
    start: tuple[Tensor, tuple[int, ...], tuple[int, ...]] | None,
    vectors: Tensor,
    values: Tensor,
    settings: EigenSettings,
) -> None:
    """Solve all active points of a grid; ``start`` = (vectors (cells, coils, maps), block sizes, cell grid) or cold."""
    coils = vectors.shape[1]
    out_vectors, out_values = vectors.view(*vectors.shape[:2], -1), values.view(values.shape[0], -1)
    for gram, pixels in _gram_blocks(samples, positions, active, coils):
        if start is None:
            x = _cold_start(gram, settings.n_maps)
        else:
            x = start[0].index_select(0, _cell_of(pixels, tuple(active.shape), start[1], start[2]))
        x, value = _iterate(gram, x, settings)
        out_vectors[:, :, pixels] = x.permute(2, 1, 0)
        out_values[:, pixels] = value.T


def _cell_of(pixels: Tensor, size: tuple[int, ...], steps: tuple[int, ...], cells: tuple[int, ...]) -> Tensor:
    x = pixels % size[2] // steps[2]
    y = pixels // size[2] % size[1] // steps[1]
    z = pixels // (size[1] * size[2]) // steps[0]
    return (z * cells[1] + y) * cells[2] + x


def _gram_blocks(
    samples: Tensor, positions: list[Tensor], active: Tensor, coils: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Gram matrices (pixels, coils, coils) and flat indices of the active points, block by block."""
    grid = samples.shape[:3]
    weights = [dirichlet_matrix(p, n).to(samples) for p, n in zip(positions, grid, strict=True)]
    size = tuple(active.shape)
    block_bytes = _BLOCK_BYTES.get(samples.device.type, _BLOCK_BYTES_DEVICE)
    for z in range(size[0]):
        ys = active[z].any(1).nonzero()[:, 0].tolist()
        if not ys:
            continue
        plane = (weights[0][z] @ samples.reshape(grid[0], -1)).reshape(grid[1], -1)
        lines = (weights[1][ys[0] : ys[-1] + 1] @ plane).reshape(-1, grid[2], 2 * coils * coils)
        rows = max(1, block_bytes // (size[2] * coils * coils * 2 * samples.element_size()))
        for y in range(ys[0], ys[-1] + 1, rows):
            inside = active[z, y : min(y + rows, ys[-1] + 1)]
            xs = inside.any(0).nonzero()[:, 0]
            if xs.numel() == 0:
                continue
            first, last = int(xs[0]), int(xs[-1]) + 1
            gram = weights[2][first:last] @ lines[y - ys[0] : y - ys[0] + inside.shape[0]]
            gram = torch.view_as_complex(gram.reshape(-1, coils, coils, 2))
            local = inside[:, first:last].reshape(-1).nonzero()[:, 0]
            pixels = (z * size[1] + y + local // (last - first)) * size[2] + first + local % (last - first)
            if local.numel() < gram.shape[0]:
                gram = gram.index_select(0, local.to(gram.device))
            yield gram, pixels.to(gram.device)


def _cold_start(gram: Tensor, n_maps: int) -> Tensor:
    """Leading eigenvectors (pixels, coils, maps), roughly: the largest column of G^(2^_SQUARINGS), then deflate."""
    columns: list[Tensor] = []
    for _ in range(n_maps):
        power = gram
        for _ in range(_SQUARINGS):
            power = power @ power
            scale = power.diagonal(dim1=1, dim2=2).real.sum(1).clamp_min(torch.finfo(power.dtype).tiny)
            power = power / scale[:, None, None]
        pick = power.diagonal(dim1=1, dim2=2).real.argmax(1)
        column = power.gather(2, pick[:, None, None].expand(-1, gram.shape[1], 1))
        column = column / _norm(column)
        columns.append(column)
        if len(columns) < n_maps:
            projected = gram - column @ (column.mH @ gram)
            gram = projected - (projected @ column) @ column.mH
    return _orthonormal(torch.cat(columns, dim=2))


def _norm(x: Tensor) -> Tensor:
    """Norm of (pixels, coils, 1) complex columns, through the real view, which is several times faster."""
    flat = torch.view_as_real(x).reshape(x.shape[0], -1)
    return torch.linalg.vector_norm(flat, dim=1).clamp_min(torch.finfo(flat.dtype).tiny)[:, None, None]


def _orthonormal(x: Tensor) -> Tensor:
    """Modified Gram-Schmidt over the few columns of (pixels, coils, maps)."""
    if x.shape[2] == 1:
        return x / _norm(x)
    columns: list[Tensor] = []
    for column in x.split(1, dim=2):
        column = column.contiguous()
        for done in columns * 2:  # twice is enough
            column = column - done @ (done.mH @ column)
        columns.append(column / _norm(column))
    return torch.cat(columns, dim=2)


def _iterate(gram: Tensor, x: Tensor, settings: EigenSettings) -> tuple[Tensor, Tensor]:
    """Orthogonal iteration until every pixel has converged; pixels that are done leave the working set."""
    out = x.new_empty(x.shape)
    values = gram.new_empty(x.shape[0], settings.n_maps, dtype=gram.real.dtype)
    where: Tensor | None = None  # None = all
    products = 0
    while True:
        for _ in range(_PRODUCTS_PER_CHECK):
            x = gram @ x
        x = _orthonormal(x)
        image = gram @ x
        products += _PRODUCTS_PER_CHECK + 1
        x_done, value, converged = _ritz(x, image, settings)
        last = products + _PRODUCTS_PER_CHECK + 1 > settings.max_iter
        finished = torch.ones_like(converged) if last else converged
        index = finished.nonzero()[:, 0]
        target = index if where is None else where[index]
        if index.numel() == finished.numel() and where is None:
            return x_done, value
        out[target], values[target] = x_done[index], value[index]
        left = (~finished).nonzero()[:, 0]
        if left.numel() == 0:
            return out, values
        where = left if where is None else where[left]
        gram, x = gram[left], image[left]


def _ritz(x: Tensor, image: Tensor, settings: EigenSettings) -> tuple[Tensor, Tensor, Tensor]:
    """Ritz vectors, Ritz values (descending), and which pixels have converged, from X and G X."""
    if x.shape[2] == 1:
        flat, flat_image = (torch.view_as_real(t).reshape(x.shape[0], -1) for t in (x, image))
        value = (flat * flat_image).sum(1, keepdim=True)
        residual = torch.linalg.vector_norm(torch.addcmul(flat_image, flat, value, value=-1), dim=1)
        return x, value, residual <= settings.tol * value[:, 0]
    small = x.mH @ image
    value, rotation = torch.linalg.eigh((small + small.mH) / 2)
    value, rotation = value.flip(-1), rotation.flip(-1)
    ritz = x @ rotation
    residual = torch.linalg.vector_norm(image @ rotation - ritz * value[:, None, :], dim=1)
    wanted = value >= settings.keep_level
    return ritz, value, ((residual <= settings.tol * value[:, :1]) | ~wanted).all(1)
