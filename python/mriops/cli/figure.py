"""The figure of `mriops demo`: reference, zero-filled, CG-SENSE, sampling and errors with their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mriops.io.atomic import atomic_path
from mriops.io.optional import require

ERROR_GAIN = 5


def draw(
    reference: npt.NDArray[Any],
    images: Mapping[str, npt.NDArray[Any]],
    mask: npt.NDArray[np.bool_],
    scores: Mapping[str, Mapping[str, float]],
    path: Path,
    *,
    title: str,
    voxel: float,
) -> None:
    """Draw and write the figure.

    Parameters
    ----------
    reference
        Magnitude `(y, x)`.
    images
        Magnitudes by name, two of them.
    mask
        `(y, x)`, True where acquired.
    scores
        By name of the image: NRMSE, SSIM and PSNR.
    path
        PNG, SVG or PDF.
    title
        Above all.
    voxel
        Side of a pixel [m], for the scale bar.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    OSError
        If the folder cannot be written to.
    """
    require("matplotlib", "drawing the demo's figure")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 7.0), facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        2,
        5,
        width_ratios=(1, 1, 1, 0.01, 0.045),
        left=0.01,
        right=0.925,
        top=0.865,
        bottom=0.015,
        wspace=0.04,
        hspace=0.14,
    )
    top = float(np.percentile(reference, 99.8))
    _picture(figure.add_subplot(grid[0, 0]), reference, "Reference", "fully sampled, no noise", top, voxel=voxel)
    sampled = f"{100 * mask.mean():.0f} % of the phase-encode lines"
    _picture(figure.add_subplot(grid[1, 0]), mask.astype(float), "Sampling", sampled, 1.0, colours="cividis")
    shade: Any = None
    for column, (name, image) in enumerate(images.items(), start=1):
        s = scores[name]
        numbers = f"NRMSE {s['NRMSE']:.3f}   SSIM {s['SSIM']:.3f}   PSNR {s['PSNR']:.1f} dB"
        _picture(figure.add_subplot(grid[0, column]), image, name, numbers, top)
        error = ERROR_GAIN * np.abs(image - reference)
        axis = figure.add_subplot(grid[1, column])
        shade = _picture(axis, error, f"Error x {ERROR_GAIN}", f"|{name} - reference|", top, colours="inferno")
    bar = figure.colorbar(shade, cax=figure.add_subplot(grid[1, 4]))
    ticks = [top * i / 4 for i in range(5)]
    bar.set_ticks(ticks, labels=[f"{100 * t / top / ERROR_GAIN:.0f} %" for t in ticks])
    bar.ax.tick_params(labelsize=8, length=2)
    bar.set_label("error, of the brightest signal", fontsize=8)
    figure.suptitle(title, fontsize=12, y=0.975)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=200)


def _picture(
    axis: Any, values: Any, title: str, below: str, top: float, *, colours: str = "gray", voxel: float | None = None
) -> Any:
    shown = axis.imshow(values, cmap=colours, vmin=0, vmax=top, interpolation="nearest")
    axis.set_axis_off()
    axis.text(0.5, 1.065, title, transform=axis.transAxes, ha="center", va="bottom", fontsize=11, weight="bold")
    axis.text(0.5, 1.015, below, transform=axis.transAxes, ha="center", va="bottom", fontsize=8)
    if voxel is not None:
        length = 0.05 / voxel
        x, y = 0.05 * values.shape[1], 0.95 * values.shape[0]
        axis.plot([x, x + length], [y, y], color="white", linewidth=2, solid_capstyle="butt")
        axis.text(
            x + length / 2, y - 0.015 * values.shape[0], "5 cm", color="white", fontsize=7, ha="center", va="bottom"
        )
    return shown
