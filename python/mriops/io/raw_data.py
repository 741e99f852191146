"""What a raw file holds: multi-coil k-space with named axes, and the scan it came from."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

LEADING_AXES = ("slice", "average", "repetition", "set", "phase", "contrast")
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


@dataclass(kw_only=True)
class ScanInfo:
    """A scan without its samples: sizes, geometry, sequence times. Nothing in it identifies a patient.

    Attributes
    ----------
    format
        Name of the file format (`mriops.io.FORMATS`), `"array"` for data made in memory.
    axes, shape
        Names and lengths of the axes of the whole k-space: `slice` first (slabs in 3D), then those of `average`,
        `repetition`, `set`, `phase`, `contrast` that are longer than one, then `coil`, then `y, x` or `z, y, x`
        with the readout last, or `shot, sample` where samples have a trajectory. Slices are in spatial order.
    matrix
        Encoded size `(y, x)` or `(z, y, x)` where k-space is not on a grid (`RawData.trajectory`), else empty.
    recon_size
        Image size `(y, x)` or `(z, y, x)` of the prescribed field of view, at the acquired voxel size: what is
        left after readout and phase oversampling are cropped.
    field_of_view
        Of the encoded grid (with oversampling), order `(z, y, x)` [m]; z is the slice thickness in 2D.
    voxel_size
        Acquired, order `(z, y, x)` [m].
    slice_spacing
        Distance of neighbouring slice centres [m]; None for a single slice.
    directions
        `(3, 3)` unit vectors of the x (readout), y (phase) and z (slice) image axes as columns, patient LPS
        (DICOM) coordinates. None where the file does not say.
    position
        Patient LPS position of image index N//2 in the first slice (2D) or in the slab (3D) [m].
    repetition_time, echo_time, inversion_time
        As many as the file lists [s].
    flip_angle
        As many as the file lists [rad].
    field_strength
        Static field [T].
    vendor, model
        Of the scanner.
    swapped
        The file stores the readout as the first of the two image axes (fastMRI); k-space was transposed, and
        pictures are transposed back so that they look like the source's own.
    notes
        What was found in the file and left out or changed, one sentence each.
    """

    format: str = "array"
    axes: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    recon_size: tuple[int, ...] = ()
    matrix: tuple[int, ...] = ()
    field_of_view: tuple[float, float, float] | None = None
    slice_spacing: float | None = None
    directions: npt.NDArray[np.float64] | None = None
    position: npt.NDArray[np.float64] | None = None
    repetition_time: tuple[float, ...] = ()
    echo_time: tuple[float, ...] = ()
    inversion_time: tuple[float, ...] = ()
    flip_angle: tuple[float, ...] = ()
    field_strength: float | None = None
    vendor: str | None = None
    model: str | None = None
    swapped: bool = False
    notes: tuple[str, ...] = ()

    @property
    def im_size(self) -> tuple[int, ...]:
        """Encoded size `(y, x)` or `(z, y, x)`."""
        return self.matrix or self.shape[self.axes.index("coil") + 1 :]

    @property
    def ndim(self) -> int:
        """Number of spatial axes, 2 or 3."""
        return len(self.im_size)

    @property
    def n_slices(self) -> int:
        """Length of the first axis: slices, or slabs in 3D."""
        return self.shape[0]

    @property
    def n_coils(self) -> int:
        """Number of receive channels."""
        return self.shape[self.axes.index("coil")]

    @property
    def voxel_size(self) -> tuple[float, float, float] | None:
        """Acquired voxel `(z, y, x)` [m]; None also where the field of view is zero, as some files have it."""
        if self.field_of_view is None or not min(self.field_of_view) > 0:
            return None
        nz, ny, nx = (1, *self.im_size)[-3:]
        z, y, x = self.field_of_view
        return z / nz, y / ny, x / nx

    def affine(self, im_size: tuple[int, ...] | None = None, *, first_slice: int = 0) -> npt.NDArray[np.float64]:
        """`(4, 4)` map from image index `(x, y, z, 1)` to patient RAS [m].

        Parameters
        ----------
        im_size
            Size of the image, centre-cropped from the encoded size; `recon_size` if not given.
        first_slice
            Slice (2D) that is index 0 of the image.

        Notes
        -----
        Index N//2 lies on `position`, as the centred Fourier transform has it. Without geometry in the file the
        axes are taken as x, y, z and the voxel as 1 mm.
        """
        nz, ny, nx = (1, *(im_size or self.recon_size or self.im_size))[-3:]
        vz, vy, vx = self.voxel_size or (1e-3, 1e-3, 1e-3)
        directions = np.eye(3) if self.directions is None else np.asarray(self.directions, float)
        centre = np.zeros(3) if self.position is None else np.asarray(self.position, float)
        step_z = vz if self.ndim == 3 else (self.slice_spacing or vz)
        columns = directions * np.array([vx, vy, step_z])
        index = np.array([nx // 2, ny // 2, nz // 2 if self.ndim == 3 else -first_slice])
        if self.position is None and self.ndim == 2:
            index[2] = self.n_slices // 2 - first_slice
        affine = np.eye(4)
        affine[:3, :3] = _LPS_TO_RAS @ columns
        affine[:3, 3] = _LPS_TO_RAS @ (centre - columns @ index)
        return affine

    def slice_position(self, number: int) -> npt.NDArray[np.float64]:
        """Patient LPS position of image index N//2 in a slice of the file [m]; without `position` as in `affine`."""
        normal = np.array([0.0, 0.0, 1.0]) if self.directions is None else np.asarray(self.directions, float)[:, 2]
        step = self.slice_spacing or (self.voxel_size or (1e-3,))[0]
        if self.position is None:
            return (number - self.n_slices // 2) * step * normal
        return np.asarray(self.position, float) + step * number * normal

    def picture(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """`image (..., y, x)` turned the way the source shows it (a transpose where `swapped`)."""
        return np.swapaxes(image, -1, -2) if self.swapped else image

    def info_dict(self) -> dict[str, Any]:
        """Plain Python values for JSON."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(ScanInfo)}
        return {k: _plain(v) for k, v in values.items()}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> ScanInfo:
        """The inverse of `info_dict`; unknown keys are ignored."""
        known = {f.name for f in dataclasses.fields(ScanInfo)}
        kept: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in known}
        for name in ("directions", "position"):
            if kept.get(name) is not None:
                kept[name] = np.asarray(kept[name], float)
        return ScanInfo(**kept)

    def describe(self) -> list[str]:
        """Lines for people: what the file holds."""
        sizes = ", ".join(f"{a} {n}" for a, n in zip(self.axes, self.shape, strict=True))
        lines = [f"format          {self.format}", f"k-space         {sizes}", f"recon size      {self.recon_size}"]
        if self.voxel_size is not None:
            lines.append("voxel           " + " x ".join(f"{1e3 * v:.3g}" for v in self.voxel_size) + " mm (z, y, x)")
        for label, name, scale, unit in (
            ("TR", "repetition_time", 1e3, "ms"),
            ("TE", "echo_time", 1e3, "ms"),
            ("TI", "inversion_time", 1e3, "ms"),
            ("flip angle", "flip_angle", 180 / np.pi, "deg"),
        ):
            values = getattr(self, name)
            if values:
                lines.append(f"{label:<16}" + ", ".join(f"{scale * v:.4g}" for v in values) + f" {unit}")
        scanner = " ".join(str(v) for v in (self.vendor, self.model) if v)
        if scanner or self.field_strength:
            tesla = f" {self.field_strength:.3g} T" if self.field_strength else ""
            lines.append(f"scanner         {scanner}{tesla}")
        lines.extend(f"note            {note}" for note in self.notes)
        return lines


@dataclass(kw_only=True)
class RawData(ScanInfo):
    """Multi-coil k-space, all of a file or some of its slices; inherits the fields of `ScanInfo`.

    Attributes
    ----------
    kspace
        complex64, axes as named by `axes`: `(slices, ..., coils, *im_size)`; DC at index N//2 of each spatial
        axis, lines that were not acquired are zero. With a trajectory `(slices, ..., coils, shots, samples)`.
    mask
        bool, `kspace` without its coil axis, True where acquired; the readout axis has length 1 where whole lines
        were acquired. None: fully sampled.
    trajectory
        Where the samples lie if they are not on a grid: `kspace` without its coil axis and with a last axis for the
        components `(y, x)` or `(z, y, x)` [cycles per encoded field of view]; `matrix` is the size of the image.
    noise
        Noise-only samples `(coils, samples)`, complex64.
    acs
        Separately acquired calibration k-space `(slices, coils, *acs_size)`, DC at N//2.
    acs_size
        Size of the centred fully sampled part of `kspace` that the file flags as calibration.
    slices
        The slices of the file that `kspace` holds.

    Raises
    ------
    ValueError
        If the shapes of the arrays do not belong together.
    """

    kspace: npt.NDArray[np.complex64]
    mask: npt.NDArray[np.bool_] | None = None
    trajectory: npt.NDArray[np.float32] | None = None
    noise: npt.NDArray[np.complex64] | None = None
    acs: npt.NDArray[np.complex64] | None = None
    acs_size: tuple[int, ...] | None = None
    slices: range = field(default=range(0))

    def __post_init__(self) -> None:
        self._lay_out()
        if not self.axes:
            self.axes = default_axes(self.kspace.ndim)
            if self.kspace.ndim == 3:
                self.kspace = self.kspace[None]
        if not self.shape:
            self.shape = tuple(self.kspace.shape)
        if len(self.axes) != self.kspace.ndim or self.axes[0] != "slice" or "coil" not in self.axes:
            raise ValueError(
                f"axes: expected {self.kspace.ndim} names that start with 'slice' and contain 'coil' for kspace of "
                f"shape {self.kspace.shape}, got {self.axes}"
            )
        if tuple(self.kspace.shape[1:]) != tuple(self.shape[1:]):
            raise ValueError(f"kspace: expected shape (slices, {self.shape[1:]}), got {self.kspace.shape}")
        self.recon_size = self.recon_size or self.im_size
        if not self.slices:
            self.slices = range(self.kspace.shape[0])
        self._check_parts()

    def _lay_out(self) -> None:
        """Arrays in this machine's byte order and of steps that torch takes; parts as precise as `kspace`."""
        for name in ("kspace", "trajectory", "noise", "acs"):
            array = getattr(self, name)
            if array is None:
                continue
            dtype = array.dtype.newbyteorder("=")
            if name in ("noise", "acs") and dtype.kind == self.kspace.dtype.kind == "c":
                dtype = self.kspace.dtype
            if array.dtype != dtype or min(array.strides, default=0) < 0:
                setattr(self, name, np.ascontiguousarray(array, dtype))

    def _check_parts(self) -> None:
        n_coils = self.n_coils
        self._check_trajectory()
        if self.mask is not None:
            coil = self.axes.index("coil")
            expected = self.kspace.shape[:coil] + self.kspace.shape[coil + 1 :]
            fits = self.mask.ndim == len(expected) and all(
                m in (1, n) for m, n in zip(self.mask.shape, expected, strict=True)
            )
            if not fits:
                raise ValueError(f"mask: expected a shape broadcastable to {expected}, got {self.mask.shape}")
        if self.noise is not None and (self.noise.ndim != 2 or self.noise.shape[0] != n_coils):
            raise ValueError(f"noise: expected ({n_coils} coils, samples), got {self.noise.shape}")
        first = (self.kspace.shape[0], n_coils)
        if self.acs is not None and (self.acs.ndim != 2 + self.ndim or self.acs.shape[:2] != first):
            raise ValueError(
                f"acs: expected ({first[0]} slices, {n_coils} coils, {self.ndim} axes), got {self.acs.shape}"
            )

    def _check_trajectory(self) -> None:
        if (self.trajectory is None) != (not self.matrix):
            raise ValueError(
                f"matrix: expected an image size with a trajectory and none without, got {self.matrix} and a "
                f"trajectory {'of no' if self.trajectory is None else 'of some'} samples"
            )
        if self.trajectory is None:
            return
        coil = self.axes.index("coil")
        expected = (*self.kspace.shape[:coil], *self.kspace.shape[coil + 1 :], len(self.matrix))
        if self.axes[coil + 1 :] != ("shot", "sample") or tuple(self.trajectory.shape) != expected:
            raise ValueError(
                f"trajectory: expected {expected} and last axes ('shot', 'sample'), got {self.trajectory.shape} and "
                f"{self.axes}"
            )
        if self.mask is not None or self.acs is not None:
            raise ValueError("trajectory: expected neither mask nor acs beside it, got some")

    def only_sampled(self) -> RawData:
        """The same with zeros where the mask has no sample, whatever is there: NaN too."""
        if self.mask is None or self.mask.all():
            return self
        outside = ~np.expand_dims(self.mask, self.axes.index("coil"))
        if not self.kspace.any(where=np.broadcast_to(outside, self.kspace.shape)):
            return self
        return dataclasses.replace(self, kspace=np.where(outside, self.kspace.dtype.type(0), self.kspace))

    def without_samples(self) -> ScanInfo:
        """A copy of the fields that are not samples."""
        return ScanInfo.from_dict(self.info_dict())

    def sampled_fraction(self) -> float:
        """Acquired share of the encoded k-space, 1 for fully sampled; samples over points with a trajectory."""
        if self.trajectory is not None:
            return math.prod(self.trajectory.shape[-3:-1]) / math.prod(self.matrix)
        return 1.0 if self.mask is None else float(self.mask.mean())


def _plain(value: Any) -> Any:
    """NumPy's arrays and numbers as Python's, inside tuples too."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return tuple(_plain(v) for v in value) if isinstance(value, (tuple, list)) else value


def default_axes(ndim: int) -> tuple[str, ...]:
    """Axis names of unnamed k-space with `ndim` axes: 3 `(coil, y, x)`, 4 with slices, 5 with contrasts.

    Raises
    ------
    ValueError
        For any other number of axes: name them.
    """
    names = {
        3: ("slice", "coil", "y", "x"),
        4: ("slice", "coil", "y", "x"),
        5: ("slice", "contrast", "coil", "y", "x"),
    }
    if ndim not in names:
        raise ValueError(
            f"kspace: expected (coil, y, x), (slice, coil, y, x) or (slice, contrast, coil, y, x), got {ndim} axes; "
            "name them with axes=..."
        )
    return names[ndim]


def find_sampling(kspace: npt.NDArray[Any], coil_axis: int) -> npt.NDArray[np.bool_] | None:
    """Where k-space was acquired, judged by samples that are not exactly zero in every coil.

    Parameters
    ----------
    kspace
        `(..., coils, *im_size)`.
    coil_axis
        Position of the coil axis.

    Returns
    -------
    mask
        `kspace` without the coil axis; readout axis of length 1 where each line is wholly acquired or wholly
        missing; None where nothing is missing.
    """
    sampled: npt.NDArray[Any] = np.zeros(kspace.shape[:coil_axis] + kspace.shape[coil_axis + 1 :], bool)
    for coil in range(kspace.shape[coil_axis]):
        sampled |= np.take(kspace, coil, axis=coil_axis) != 0
    if sampled.all():
        return None
    lines = np.asarray(sampled.any(axis=-1, keepdims=True))
    # A sample inside an acquired line can be exactly zero by chance or by integer data: a tenth of them is let pass.
    filled = sampled.sum() >= 0.9 * lines.sum() * sampled.shape[-1]
    if filled:
        return None if lines.all() else lines
    return sampled
