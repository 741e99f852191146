"""Leading eigenvectors of the band-limited coil Gram matrix at every pixel.

The matrix at every pixel is a trigonometric interpolation of a few samples (small real matrix products), made block by
block and never stored whole. A cold start by repeated squaring runs on a coarse grid only. Pixels that cannot reach the
wanted eigenvalue are recognised there; every other pixel starts from its coarse neighbour, and a few matrix-vector
products finish it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["EigenSettings", "dirichlet_matrix", "eigen_maps", "leading_eigenvector"]

_BLOCK_BYTES = {"cpu": 1 << 22}  # Gram matrices of one block stay in cache
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


def eigen_maps(
    gram_samples: Tensor, reference: Tensor, im_size: tuple[int, ...], settings: EigenSettings
) -> tuple[Tensor, Tensor]:
    """Leading eigenvectors and eigenvalues of the interpolated Gram matrix at every pixel.

    Parameters
    ----------
    gram_samples
        (batch, *grid, coils, coils), Hermitian with eigenvalues in [0, 1], from ``coil_gram_samples``.
    reference
        (batch, coils): a combination of coils with signal nearly everywhere; helps to find first guesses.
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
        _solve_item(samples[item], reference[item], steps, certain, vectors[item], values[item], settings)
    shape = (batch, settings.n_maps, coils, *im_size)
    return vectors.reshape(shape), values.reshape(batch, settings.n_maps, *im_size)


def leading_eigenvector(gram: Tensor, *, max_iter: int, tol: float) -> Tensor:
    """Leading eigenvectors (pixels, coils), unit norm, of Hermitian positive semidefinite (pixels, coils, coils).

    Any scale; a zero matrix gives a zero vector.
    """
    trace = gram.diagonal(dim1=1, dim2=2).real.sum(1).clamp_min(torch.finfo(gram.dtype).tiny)
    gram = _scaled(gram, 1 / trace)
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
    samples: Tensor,
    reference: Tensor,
    steps: tuple[int, ...],
    certain: float,
    vectors: Tensor,
    values: Tensor,
    settings: EigenSettings,
) -> None:
    """Fill ``vectors`` (maps, coils, z, y, x) and ``values`` (maps, z, y, x) of one batch item."""
    size = tuple(values.shape[1:])
    field = SeparableField(samples, _fourier_weights(size, (1, 1, 1), samples))
    if max(steps) == 1:
        return _sweep(field, None, torch.ones(size, dtype=torch.bool), vectors, values, settings)
    cells = tuple(-(-n // s) for n, s in zip(size, steps, strict=True))
    coarse_vectors = vectors.new_zeros(*vectors.shape[:2], *cells)
    coarse_values = values.new_zeros(values.shape[0], *cells)
    coarse_field = SeparableField(samples, _fourier_weights(size, steps, samples))
    rough = EigenSettings(settings.n_maps, 0.0, max(settings.tol, 1e-3), settings.max_iter)
    _sweep(coarse_field, None, torch.ones(cells, dtype=torch.bool), coarse_vectors, coarse_values, rough)
    # The margin covers the tolerance of the coarse eigenvalues.
    active = (coarse_values[0] >= certain - 0.01).cpu()
    for axis, (n, step) in enumerate(zip(size, steps, strict=True)):
        active = active.repeat_interleave(step, dim=axis).narrow(axis, 0, n)
    # Neighbours can be mixed once they are positive in the same virtual coil.
    virtual = torch.einsum("c,mczyx->mzyx", reference.conj(), coarse_vectors)
    coarse_vectors *= torch.polar(torch.ones_like(virtual.real), -virtual.angle()).unsqueeze(1)
    nodes = torch.view_as_real(coarse_vectors.permute(2, 3, 4, 1, 0).contiguous()).reshape(*cells, -1)
    linear = [_linear_weights(n, s, samples) for n, s in zip(size, steps, strict=True)]
    return _sweep(field, SeparableField(nodes, linear), active, vectors, values, settings)


@dataclass(frozen=True)
class SeparableField:
    """A field of real vectors given by ``nodes`` (gz, gy, gx, features) and one interpolation matrix per axis."""

    nodes: Tensor
    weights: Sequence[Tensor]

    def lines(self, z: int, rows: slice) -> Tensor:
        """Field at plane z and some rows, still at the nodes along x: (rows, gx, features)."""
        gz, gy, gx, features = self.nodes.shape
        plane = (self.weights[0][z] @ self.nodes.reshape(gz, -1)).reshape(gy, -1)
        return (self.weights[1][rows] @ plane).reshape(-1, gx, features)

    def along_x(self, lines: Tensor, columns: slice) -> Tensor:
        """(rows * columns, features) from ``lines``."""
        return (self.weights[2][columns] @ lines).reshape(-1, lines.shape[2])


def _fourier_weights(size: tuple[int, ...], steps: tuple[int, ...], samples: Tensor) -> list[Tensor]:
    """Interpolation matrices to the centres of blocks of ``steps`` pixels."""
    weights = []
    for n, step, count in zip(size, steps, samples.shape[:3], strict=True):
        centres = torch.arange(-(-n // step), dtype=torch.float64) * step + (step - 1) / 2
        weights.append(dirichlet_matrix((centres - n // 2) / n, count).to(samples))
    return weights


def _linear_weights(pixels: int, step: int, like: Tensor) -> Tensor:
    """Linear interpolation (pixels, cells) from the centres of blocks of ``step`` pixels, constant beyond the ends."""
    cells = -(-pixels // step)
    at = ((torch.arange(pixels, dtype=torch.float64) - (step - 1) / 2) / step).clamp(0, cells - 1)
    return (1 - (at[:, None] - torch.arange(cells)).abs()).clamp_min(0).to(like)


def _sweep(
    field: SeparableField,
    start: SeparableField | None,
    active: Tensor,
    vectors: Tensor,
    values: Tensor,
    settings: EigenSettings,
) -> None:
    """Solve all active points of a grid, block by block, from interpolated vectors or cold."""
    maps, coils = vectors.shape[:2]
    out_vectors, out_values = vectors.view(maps, coils, -1), values.view(maps, -1)
    for gram, first_guess, pixels in _blocks(field, start, active, coils):
        if first_guess is None:
            x = _cold_start(gram, maps)
        else:
            x = torch.view_as_complex(first_guess.reshape(-1, coils, maps, 2))
        x, value = _iterate(gram, x, settings)
        out_vectors[:, :, pixels] = x.permute(2, 1, 0)
        out_values[:, pixels] = value.T


def _blocks(
    field: SeparableField, start: SeparableField | None, active: Tensor, coils: int
) -> Iterator[tuple[Tensor, Tensor | None, Tensor]]:
    """Gram matrices (pixels, coils, coils), first guesses and flat indices of the active points, block by block."""
    size, device = tuple(active.shape), field.nodes.device
    budget = _BLOCK_BYTES.get(device.type, _BLOCK_BYTES_DEVICE)
    height = max(1, budget // (size[2] * coils * coils * 2 * field.nodes.element_size()))
    for z in range(size[0]):
        ys = active[z].any(1).nonzero()[:, 0].tolist()
        if not ys:
            continue
        inside_rows = slice(ys[0], ys[-1] + 1)
        lines = field.lines(z, inside_rows)
        start_lines = None if start is None else start.lines(z, inside_rows)
        for y in range(ys[0], ys[-1] + 1, height):
            inside = active[z, y : min(y + height, ys[-1] + 1)]
            xs = inside.any(0).nonzero()[:, 0].tolist()
            if not xs:
                continue
            columns, rows = slice(xs[0], xs[-1] + 1), slice(y - ys[0], y - ys[0] + inside.shape[0])
            gram = torch.view_as_complex(field.along_x(lines[rows], columns).reshape(-1, coils, coils, 2))
            guess = None if start is None or start_lines is None else start.along_x(start_lines[rows], columns)
            row, column = inside[:, columns].nonzero(as_tuple=True)
            if row.numel() < gram.shape[0]:
                local = (row * (columns.stop - columns.start) + column).to(device)
                gram = gram.index_select(0, local)
                guess = None if guess is None else guess.index_select(0, local)
            yield gram, guess, ((z * size[1] + y + row) * size[2] + columns.start + column).to(device)


def _cold_start(gram: Tensor, n_maps: int, squarings: int = _SQUARINGS) -> Tensor:
    """Leading eigenvectors (pixels, coils, maps), roughly: the largest column of G^(2^squarings), then deflate."""
    columns: list[Tensor] = []
    for _ in range(n_maps):
        power = gram
        for _ in range(squarings):
            power = power @ power
            scale = power.diagonal(dim1=1, dim2=2).real.sum(1).clamp_min(torch.finfo(power.dtype).tiny)
            power = _scaled(power, 1 / scale)
        pick = power.diagonal(dim1=1, dim2=2).real.argmax(1)
        column = power.gather(2, pick[:, None, None].expand(-1, gram.shape[1], 1))
        column = _scaled(column, 1 / _norm(column))
        columns.append(column)
        if len(columns) < n_maps:
            projected = gram - column @ (column.mH @ gram)
            gram = projected - (projected @ column) @ column.mH
    return _orthonormal(torch.cat(columns, dim=2))


def _norm(x: Tensor) -> Tensor:
    """Norm of (pixels, coils, 1) complex columns, through the real view, which is several times faster."""
    flat = torch.view_as_real(x).reshape(x.shape[0], -1)
    return torch.linalg.vector_norm(flat, dim=1).clamp_min(torch.finfo(flat.dtype).tiny)


def _scaled(x: Tensor, factor: Tensor) -> Tensor:
    """Complex (pixels, ...) times one real factor per pixel, through the real view for the same reason."""
    return torch.view_as_complex(torch.view_as_real(x) * factor.reshape(-1, *(1,) * x.ndim))


def _orthonormal(x: Tensor) -> Tensor:
    """Modified Gram-Schmidt over the few columns of (pixels, coils, maps)."""
    if x.shape[2] == 1:
        return _scaled(x, 1 / _norm(x))
    columns: list[Tensor] = []
    for column in x.split(1, dim=2):
        column = column.contiguous()
        for done in columns * 2:  # twice is enough
            column = column - done @ (done.mH @ column)
        columns.append(_scaled(column, 1 / _norm(column)))
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
    value, rotation = _small_eigh(small)
    ritz = x @ rotation
    residual = torch.linalg.vector_norm(image @ rotation - ritz * value[:, None, :], dim=1)
    wanted = value >= settings.keep_level
    return ritz, value, ((residual <= settings.tol * value[:, :1]) | ~wanted).all(1)


def _small_eigh(h: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, descending, and vectors of Hermitian (pixels, n, n); n = 2 in closed form (20 times faster)."""
    if h.shape[-1] != 2:
        value, vector = torch.linalg.eigh((h + h.mH) / 2)
        return value.flip(-1), vector.flip(-1)
    a, d, b = h[:, 0, 0].real, h[:, 1, 1].real, (h[:, 0, 1] + h[:, 1, 0].conj()) / 2
    half, size = (a - d) / 2, b.abs()
    radius = torch.hypot(half, size)
    value = torch.stack([(a + d) / 2 + radius, (a + d) / 2 - radius], dim=1)
    # Half the angle between the axis and (half, |b|): stable for equal eigenvalues too.
    angle = torch.atan2(size, half) / 2
    phase = torch.where(size > 0, b.conj() / size.clamp_min(torch.finfo(size.dtype).tiny), 1)
    cos, sin = angle.cos().to(b.dtype), angle.sin() * phase
    return value, torch.stack([torch.stack([cos, -sin.conj()], 1), torch.stack([sin, cos], 1)], 1)
