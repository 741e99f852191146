"""Draws the contours of the brain phantom: grows sulci on a grid, outlines the tissues, writes brain_contours.json.

Run by hand, `python tools/draw_brain.py`, when the anatomy is to change; the package only reads the result. Nothing is
traced from a measured image. Lengths in mm, x to the right, y towards the back of the head. Needs scipy, scikit-image.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import interpolate, ndimage
from skimage import measure

FOV = 240.0
STEP = 0.25
SEED = 22
Mask = NDArray[np.bool_]

_AXIS = (np.arange(int(FOV / STEP)) + 0.5) * STEP - FOV / 2
Y, X = np.meshgrid(_AXIS, _AXIS, indexing="ij")


def ellipse(x: float, y: float, rx: float, ry: float, tilt: float = 0.0) -> Mask:
    """Filled ellipse, turned by `tilt` [degree] clockwise on the picture."""
    c, s = np.cos(np.deg2rad(tilt)), np.sin(np.deg2rad(tilt))
    u, v = c * (X - x) + s * (Y - y), -s * (X - x) + c * (Y - y)
    return (u / rx) ** 2 + (v / ry) ** 2 < 1


def blob(points: list[tuple[float, float]], smooth: float = 0.8) -> Mask:
    """A polygon with rounded corners."""
    index = [((y + FOV / 2) / STEP, (x + FOV / 2) / STEP) for x, y in points]
    filled = measure.grid_points_in_poly(X.shape, index).astype(float)
    return ndimage.gaussian_filter(filled, smooth / STEP) > 0.5


def both(make, *args, **kwargs) -> Mask:
    """A shape and its mirror image."""
    one = make(*args, **kwargs)
    return one | one[:, ::-1]


def stroke(points: list[tuple[float, float]], width: float) -> Mask:
    """A smooth line of given width through the points."""
    spline, _ = interpolate.splprep(np.array(points, dtype=float).T, s=0, k=3)
    x, y = interpolate.splev(np.linspace(0, 1, 400), spline)
    out = np.ones(X.shape, dtype=bool)
    out[((np.array(y) + FOV / 2) / STEP).astype(int), ((np.array(x) + FOV / 2) / STEP).astype(int)] = False
    return ndimage.distance_transform_edt(out) * STEP < width / 2


def distance_inside(mask: Mask) -> NDArray[np.float64]:
    """Signed distance to the edge [mm], positive inside."""
    inside, outside = ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask)
    return (inside - outside) * STEP


def smooth_noise(rng: np.random.Generator, scale: float) -> NDArray[np.float64]:
    """Random field of unit deviation, correlated over `scale` [mm]."""
    coarse = ndimage.gaussian_filter(rng.standard_normal(X.shape), scale / STEP)
    return coarse / coarse.std()


class Sulci:
    """Furrows that grow together from given mouths, and stop before they come too near to each other."""

    def __init__(self, surface: NDArray[np.float64], core: Mask, rng: np.random.Generator) -> None:
        self.surface, self.core, self.rng = surface, core, rng
        self.gradient = np.gradient(ndimage.gaussian_filter(surface, 2 / STEP), STEP)
        self.paths: list[list[tuple[float, float]]] = []
        self.widths: list[float] = []
        self.parents: list[int] = []

    def at(self, field: NDArray, x: float, y: float) -> float:
        return float(field[int((y + FOV / 2) / STEP), int((x + FOV / 2) / STEP)])

    def normal(self, x: float, y: float) -> NDArray[np.float64]:
        n = np.array([self.at(self.gradient[1], x, y), self.at(self.gradient[0], x, y)])
        return n / (np.linalg.norm(n) + 1e-9)

    def grow(self, mouths: list[tuple], apart: float) -> None:
        """Mouths are (x, y, direction, length, width, parent); all grow in steps of 0.5 mm."""
        rng = self.rng
        active = []
        for x, y, direction, length, width, parent in mouths:
            self.paths.append([(x, y)])
            self.widths.append(width)
            self.parents.append(parent)
            active.append([len(self.paths) - 1, direction, length, 0.08 * rng.standard_normal(), 0.0])
        while active:
            for state in list(active):
                number, direction, length, bend, done = state
                x, y = self.paths[number][-1]
                state[3] = bend = 0.96 * bend + 0.022 * rng.standard_normal()
                state[1] = direction = direction + 0.5 * bend
                x, y = x + 0.5 * np.cos(direction), y + 0.5 * np.sin(direction)
                state[4] = done + 0.5
                if done > length or self.at(self.core, x, y) or self._crowded(number, x, y, apart, done):
                    active.remove(state)
                    continue
                self.paths[number].append((x, y))

    def _crowded(self, number: int, x: float, y: float, apart: float, done: float) -> bool:
        for other, path in enumerate(self.paths):
            if other == number or path[0][0] * x < 0:  # the fissure keeps the hemispheres apart
                continue
            kin = other == self.parents[number] or self.parents[other] == number
            if done < (1.2 * apart if kin else 4.0):
                continue
            points = np.array(path)
            if np.min((points[:, 0] - x) ** 2 + (points[:, 1] - y) ** 2) < apart**2:
                return True
        return False

    def mask(self) -> Mask:
        """Union of the furrows, narrowing towards their ends."""
        out = np.zeros(X.shape, dtype=bool)
        for path, width in zip(self.paths, self.widths, strict=True):
            n = len(path)
            for i, (x, y) in enumerate(path):
                radius = 0.5 * width * (1.0 - 0.3 * i / n)
                j, k = int((y + FOV / 2) / STEP), int((x + FOV / 2) / STEP)
                box = np.s_[max(0, j - 12) : j + 13, max(0, k - 12) : k + 13]
                out[box] |= (X[box] - x) ** 2 + (Y[box] - y) ** 2 < radius**2
        return out


def cortex(surface: NDArray[np.float64], fissure: Mask, core: Mask, rng: np.random.Generator) -> Mask:
    """The furrows of both hemispheres."""
    sulci = Sulci(surface, core, rng)
    boundary = max(measure.find_contours(surface, 0.0), key=len)
    ring = np.stack([boundary[:, 1], boundary[:, 0]], 1) * STEP - FOV / 2 + STEP / 2
    arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(ring, axis=0), axis=1))])
    count = 38
    places = (np.arange(count) + 0.5 + 0.13 * rng.standard_normal(count)) * arc[-1] / count
    mouths, shallow = [], []
    for i, place in enumerate(places):
        x, y = (float(np.interp(place, arc, ring[:, d])) for d in (0, 1))
        if abs(x) < 6:
            continue
        inward = sulci.normal(x, y)
        direction = np.arctan2(inward[1], inward[0]) + 0.2 * rng.standard_normal()
        deep = i % 2 == 1
        length = rng.uniform(20, 34) if deep else rng.uniform(9, 16)
        x, y = x - 1.5 * inward[0], y - 1.5 * inward[1]
        (mouths if deep else shallow).append((x, y, direction, length, rng.uniform(1.2, 1.9), -1))
    for side in (-1, 1):  # the Sylvian fissure, and the furrows of the medial wall
        sideways = 0.0 if side > 0 else np.pi
        for y, tilt, length in ((-64, 0.5, 12), (-50, 0.2, 15), (47, 0.25, 20), (60, -0.15, 17), (71, -0.3, 9)):
            angle = sideways + side * (tilt + 0.15 * rng.standard_normal())
            mouths.append((1.0 * side, y + rng.normal(0, 1.5), angle, length, 1.5, -1))
    sulci.grow(mouths, apart=9.2)
    sulci.grow(shallow, apart=8.0)
    branches = []
    for number, path in enumerate(list(sulci.paths)):
        if len(path) < 22:
            continue
        (x0, y0), (x1, y1) = path[-8], path[-1]
        heading = np.arctan2(y1 - y0, x1 - x0)
        for turn in (-1, 1):
            angle = heading + turn * rng.uniform(0.9, 1.4)
            x, y = path[int(len(path) * rng.uniform(0.55, 0.95))]
            if rng.random() < 0.75:
                branches.append((x, y, angle, rng.uniform(5, 11), 1.2, number))
    sulci.grow(branches, apart=8.4)
    return sulci.mask()


def deep_structures() -> dict[str, Mask]:
    """Ventricles and deep grey matter, symmetric, none touching another but the third ventricle in the thalamus."""
    ventricles = both(
        blob,
        [
            (1.7, -25),
            (4, -30.5),
            (9, -34.5),
            (14.5, -35),
            (16, -31),
            (12, -25),
            (8.2, -18),
            (5, -9),
            (2.6, -4),
            (1.7, -5),
        ],
    )
    ventricles |= both(
        blob, [(12.5, 24), (17, 21.5), (23, 27), (28, 37), (30.5, 49), (28.5, 53), (25, 48), (20, 38), (14.5, 31)]
    )
    third = blob([(-1.3, -1), (1.3, -1), (1.9, 8), (1.3, 17), (-1.3, 17), (-1.9, 8)], 0.5)
    near_ventricle = distance_inside(ventricles) > -0.8
    caudate = both(ellipse, 13.2, -19.5, 4.6, 9.5, -30) & ~near_ventricle
    thalamus = both(ellipse, 10.2, 8.5, 7.6, 12.5, -22) | (distance_inside(third) > -0.8)
    thalamus &= ~(distance_inside(ventricles) > -0.8)
    putamen = both(
        blob,
        [(21, -24), (25, -23), (30, -14), (32.5, -2), (31, 8), (28.5, 11), (27.5, 5), (26.5, -5), (23.5, -15)],
        1.2,
    )
    pallidum = both(blob, [(20, -13), (22.8, -12), (25, -3), (26, 5), (23.5, 5), (19, -1), (16.5, -6)], 1.0)
    claustrum = both(blob, [(34.2, -16), (35.6, -15), (37.2, -3), (36.4, 9), (35.2, 9), (35.8, -3)], 0.3)
    pallidum &= ~(distance_inside(putamen) > -0.8)
    return {
        "thalamus": thalamus,
        "third_ventricle": third,
        "ventricles": ventricles,
        "caudate": caudate,
        "putamen": putamen,
        "pallidum": pallidum,
        "claustrum": claustrum,
    }


def draw() -> dict[str, Mask]:
    """Masks of all tissues; each lies inside the one that it is cut from."""
    rng = np.random.default_rng(SEED)
    head = (np.abs(X / (76.5 * (1 + 0.055 * Y / 97))) ** 2.25 + np.abs(Y / 97) ** 2.25) < 1
    depth = distance_inside(head)
    angle = np.degrees(np.arctan2(np.abs(X), -Y))  # 0 at the forehead
    temple = np.exp(-0.5 * ((angle - 63) / 17) ** 2)
    back = np.exp(-0.5 * ((angle - 180) / 25) ** 2)
    out = {"head": head, "fat": depth > 1.7}
    out["muscle"] = (depth > 3.2) & (depth < 2.2 + 7.5 * temple)
    skull = depth - 4.7 - 6.0 * temple - 1.5 * back
    out["skull"] = skull > 0
    diploe = 1.6 * (1 - 0.95 * temple) + 0.35 * smooth_noise(rng, 7)
    out["marrow"] = np.abs(skull - 3.4) < diploe
    inner = skull - 6.6
    out["intracranial"] = inner > 0
    surface = ndimage.gaussian_filter(inner - 2.0 + 0.5 * smooth_noise(rng, 6), 1 / STEP)
    out["sinus"] = blob([(-4.2, 83.2), (4.2, 83.2), (0.3, 75.5), (-0.3, 75.5)], 0.6) & (inner > 0.8)

    deep = deep_structures()
    ventricles = deep["ventricles"]

    wiggle = 0.8 * np.sin(Y / 9.0)
    gap = 0.9 + 1.6 * np.exp(-np.maximum(surface, 0) / 4)
    fissure = (np.abs(X - wiggle * np.clip((np.abs(Y) - 45) / 20, 0, 1)) < gap) & ((Y < -43) | (Y > 37))
    cistern = ellipse(0, 25.5, 5.5, 3.0) | ellipse(0, 30, 2.0, 3.5)
    insula = both(stroke, [(41.5, -26), (44, -20), (46.3, -10), (46.8, 0), (45.5, 10), (42.5, 18)], 1.9)
    insula |= both(stroke, [(44.2, -19), (49, -22), (55, -21), (61, -24), (70, -24)], 1.7)
    insula |= both(stroke, [(45.3, 11), (50, 14.5), (56, 14), (62, 17), (72, 19)], 1.7)
    core = ellipse(0, -1, 38, 37) | ellipse(0, 22, 32, 33) | both(ellipse, 43, -3, 11, 30)
    core |= (distance_inside(insula) > -6.5) | (distance_inside(ventricles) > -8.5)
    sulci = cortex(surface, fissure, core, rng)
    csf = (surface < 0) | fissure | sulci | insula
    csf = ndimage.gaussian_filter(csf.astype(float), 0.35 / STEP) > 0.5
    out["grey"] = ~csf & ~cistern & (distance_inside(out["sinus"]) < -1.0)
    thickness = 2.75 + 0.3 * smooth_noise(rng, 8)
    into_grey = ndimage.distance_transform_edt(~csf) * STEP
    white = (into_grey > thickness) & (distance_inside(cistern) < -1.0)
    out["white"] = ndimage.gaussian_filter(white.astype(float), 0.6 / STEP) > 0.5
    out.update(deep)
    return out


def lesions(masks: dict[str, Mask], rng: np.random.Generator) -> list[tuple[float, float, float, float, float]]:
    """Small ellipses (x, y, rx, ry, tilt) in the white matter around the ventricles."""
    free = masks["white"].copy()
    for name in ("ventricles", "caudate", "thalamus", "putamen", "pallidum", "claustrum"):
        free &= ~masks[name]
    room, away = distance_inside(free), -distance_inside(masks["ventricles"])
    found: list[tuple[float, float, float, float, float]] = []
    for radius in (4.2, 3.3, 2.8, 2.3, 2.0, 1.7):
        fits = (room > radius + 0.9) & (away < 16) & (np.abs(X) > 10)
        for x, y, *_ in found:
            fits &= (X - x) ** 2 + (Y - y) ** 2 > 20.0**2
        places = np.flatnonzero(fits)
        if places.size:
            at = rng.choice(places)
            tilt = float(np.degrees(rng.uniform(0, np.pi)))
            found.append((float(X.flat[at]), float(Y.flat[at]), radius, radius * rng.uniform(0.55, 0.9), tilt))
    return found


def warp(rng: np.random.Generator):
    """A smooth displacement of points (y, x) [mm] that breaks the symmetry and keeps what is inside inside."""
    fields = [1.5 * smooth_noise(rng, 22) for _ in range(2)]

    def displace(points: NDArray[np.float64]) -> NDArray[np.float64]:
        index = (points.T + FOV / 2) / STEP - 0.5
        return points + np.stack([ndimage.map_coordinates(f, index, order=1, mode="nearest") for f in fields], 1)

    return displace


def outline(
    mask: Mask, displace, spacing: float, smooth: float, smallest: float
) -> list[tuple[bool, NDArray[np.float64]]]:
    """Closed curves (hole?, points (n, 2) of (y, x) in fields of view) around a mask, band-limited along the way."""
    soft = ndimage.gaussian_filter(mask.astype(float), 0.3 / STEP)
    curves = []
    for curve in measure.find_contours(np.pad(soft, 1), 0.5):
        points = (curve[:-1] - 1) * STEP - FOV / 2 + STEP / 2
        y, x = points.T
        area = 0.5 * float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))
        if abs(area) < smallest:
            continue
        points = displace(points)
        closed = np.vstack([points, points[:1]])
        arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
        dense = 16 * max(6, round(arc[-1] / spacing / 2)) + 8
        even = np.stack([np.interp(np.arange(dense) * arc[-1] / dense, arc, closed[:, d]) for d in (0, 1)], 1)
        even = ndimage.gaussian_filter1d(even, smooth * dense / arc[-1], axis=0, mode="wrap")
        count = dense // 8  # odd: no Nyquist harmonic
        harmonics = np.fft.rfft(even, axis=0)[: (count + 1) // 2] / dense
        kept = np.fft.irfft(harmonics, n=count, axis=0) * count
        curves.append((area > 0, kept / FOV))
    # find_contours winds bright regions one way and dark ones the other; the largest curve is an outer one
    if not curves:
        raise ValueError("mask: expected a region larger than `smallest`, got none")
    outer = max(curves, key=lambda c: np.ptp(c[1][:, 0]) * np.ptp(c[1][:, 1]))[0]
    return [(sense != outer, points) for sense, points in curves]


def main() -> None:
    masks, rng = draw(), np.random.default_rng(SEED + 1000)
    displace = warp(rng)
    result = {}
    for name, mask in masks.items():
        fine, small = name in ("grey", "white"), mask.sum() * STEP**2 < 900
        curves = outline(mask, displace, 1.0 if fine else 2.5 if small else 5.0, 0.6, 5.0)
        result[name] = {
            "loops": [np.round(p * 1e5).astype(int).tolist() for hole, p in curves if not hole],
            "holes": [np.round(p * 1e5).astype(int).tolist() for hole, p in curves if hole],
        }
    spots = lesions(masks, rng)
    centres = displace(np.array([[y, x] for x, y, *_ in spots])) / FOV
    result["lesions"] = [
        [round(float(c[0]), 5), round(float(c[1]), 5), round(ry / FOV, 5), round(rx / FOV, 5), round(tilt, 1)]
        for c, (_, _, rx, ry, tilt) in zip(centres, spots, strict=True)
    ]
    target = Path(__file__).parent.parent / "python" / "mriops" / "phantoms" / "brain_contours.json"
    lines = [f"{json.dumps(name)}:{json.dumps(value, separators=(',', ':'))}" for name, value in result.items()]
    target.write_text("{" + ",\n".join(lines) + "}\n")
    points = {k: sum(map(len, v["loops"] + v["holes"])) for k, v in result.items() if k != "lesions"}
    print(points, target.stat().st_size)  # noqa: T201


if __name__ == "__main__":
    main()
