"""Picture of a parameter map: slices side by side, its uncertainty below, colour bars with units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mriops.io.atomic import atomic_path
from mriops.io.optional import require

__all__ = ["draw_map"]

_MOST = 6
# Of a picture; a series that is slimmer is drawn with pixels that are no squares.
_SLIMMEST = 5.0


def draw_map(
    values: npt.NDArray[Any],
    deviation: npt.NDArray[Any],
    path: Path,
    *,
    name: str,
    unit: str,
    note: str,
    limits: tuple[float, float] | None = None,
    below: str | None = None,
) -> None:
    """Draw up to six slices of a map ``(slices, y, x)`` and of its standard deviation.

    Parameters
    ----------
    values, deviation
        ``(slices, y, x)``; NaN is left black.
    path
        PNG.
    name, unit
        For the colour bars.
    note
        Under the title.
    limits
        Window of the map; by its percentiles if None.
    below
        What the second row is, where it is no standard deviation.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    require("matplotlib", "drawing parameter maps")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    chosen = np.unique(np.linspace(0, len(values) - 1, min(_MOST, len(values))).round().astype(int))
    height, width = values.shape[1:]
    tall = min(max(height / width, 1 / _SLIMMEST), _SLIMMEST)
    figure = Figure(figsize=(3.4 * len(chosen) + 1.1, 2 * 3.4 * tall + 0.9), facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        2, len(chosen) + 1, width_ratios=[1] * len(chosen) + [0.05], left=0.02, right=0.84,
        top=1 - 0.5 / figure.get_figheight(), bottom=0.02,
        wspace=0.04, hspace=0.06,
    )  # fmt: skip
    rows = ((values, "viridis", f"{name} [{unit}]"), (deviation, "magma", below or f"standard deviation [{unit}]"))
    for row, (shown, colours, label) in enumerate(rows):
        finite = shown[np.isfinite(shown)]
        low = float(np.percentile(finite, 1)) if finite.size and finite.min() < 0 else 0.0
        # Fluids and edges are few and may clip: the window is for tissue.
        high = min(float(np.percentile(finite, 98)), 2.5 * float(np.percentile(finite, 75))) if finite.size else 1.0
        if row == 0 and limits is not None:
            low, high = limits
        picture: Any = None
        for column, s in enumerate(chosen):
            axis = figure.add_subplot(grid[row, column])
            axis.set_facecolor("black")
            axis.set_xticks([])
            axis.set_yticks([])
            picture = axis.imshow(
                shown[s], cmap=colours, vmin=low, vmax=max(high, low + 1e-12), interpolation="nearest",
                aspect=tall * width / height,
            )  # fmt: skip
            if row == 0 and len(values) > 1:
                axis.set_title(f"slice {s}", fontsize=8, pad=2)
        bar = figure.colorbar(picture, cax=figure.add_subplot(grid[row, len(chosen)]), extend="max")
        bar.ax.tick_params(labelsize=8)
        bar.set_label(label, fontsize=9)
    figure.suptitle(f"{name}   {note}", fontsize=10, x=0.02, ha="left", y=1 - 0.1 / figure.get_figheight(), va="top")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130)
