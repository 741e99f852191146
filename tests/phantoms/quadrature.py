"""Fourier integrals by Gauss-Legendre quadrature: an independent road to every closed form."""

import math

import numpy as np
import torch


def legendre(n):
    """Nodes and weights on [0, 1]."""
    x, w = np.polynomial.legendre.leggauss(n)
    return torch.from_numpy(0.5 * (x + 1.0)), torch.from_numpy(0.5 * w)


def ellipsoid_points(centre, matrix, n=80):
    """Nodes (points, ndim) and weights over {centre + matrix u : |u| <= 1}."""
    r, wr = legendre(n)
    theta = torch.arange(2 * n, dtype=torch.float64) * (math.pi / n)
    if len(centre) == 2:
        unit = torch.stack([torch.sin(theta), torch.cos(theta)], -1)
        points = (r[:, None, None] * unit).reshape(-1, 2)
        weights = ((wr * r)[:, None] * torch.full((2 * n,), math.pi / n, dtype=torch.float64)).reshape(-1)
    else:
        u, wu = legendre(n)
        u, wu = 2 * u - 1, 2 * wu
        s = torch.sqrt(1 - u * u)
        unit = torch.stack(
            [u[:, None].expand(n, 2 * n), s[:, None] * torch.sin(theta), s[:, None] * torch.cos(theta)], -1
        ).reshape(-1, 3)
        surface = (wu[:, None] * torch.full((2 * n,), math.pi / n, dtype=torch.float64)).reshape(-1)
        points = (r[:, None, None] * unit).reshape(-1, 3)
        weights = ((wr * r * r)[:, None] * surface).reshape(-1)
    return centre + points @ matrix.T, weights * abs(float(torch.linalg.det(matrix)))


def triangle_fan(vertices, n=60):
    """Nodes and signed weights over a polygon (y, x), as signed triangles from its first vertex."""
    s, ws = legendre(n)
    points, weights = [], []
    first = vertices[0]
    for i in range(1, len(vertices) - 1):
        u, v = vertices[i] - first, vertices[i + 1] - first
        cross = float(u[1] * v[0] - u[0] * v[1])
        place = s[:, None, None] * ((1 - s)[:, None] * u + s[:, None] * v)
        points.append((first + place).reshape(-1, 2))
        weights.append(cross * ((ws * s)[:, None] * ws).reshape(-1))
    total = torch.cat(weights)
    return torch.cat(points), total * torch.sign(total.sum())


def fourier(points, weights, k, factor=None):
    """sum_q w_q factor_q exp(-2 pi i k.r_q) for k (K, ndim)."""
    weights = weights.to(torch.complex128) if factor is None else weights * factor
    out = []
    for one in k:
        angle = (-2 * math.pi) * (points @ one)
        out.append((weights * torch.complex(torch.cos(angle), torch.sin(angle))).sum())
    return torch.stack(out)
