"""The ISMRMRD XML header (also inside fastMRI files), reduced to what a reconstruction needs, in SI units."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from xml.etree import ElementTree

from mriops.io.raw_data import ScanInfo

_MM = 1e-3
_MS = 1e-3


@dataclass(frozen=True)
class Encoding:
    """One encoding: sizes in order `(z, y, x)`, fields of view [m], limits `name -> (minimum, maximum, centre)`."""

    matrix: tuple[int, int, int]
    field_of_view: tuple[float, float, float]
    recon_matrix: tuple[int, int, int]
    recon_field_of_view: tuple[float, float, float]
    trajectory: str
    limits: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    @property
    def ndim(self) -> int:
        """3 where there is a second phase-encode axis."""
        return 3 if self.matrix[0] > 1 else 2

    def recon_size(self, stored: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """Prescribed field of view in acquired voxels, `(y, x)` or `(z, y, x)`, of the matrix or of what is stored."""
        stored = stored or self.matrix[3 - self.ndim :]
        fields = zip(self.field_of_view, self.recon_field_of_view, strict=True)
        shares = [recon / encoded if encoded > 0 and recon > 0 else 1.0 for encoded, recon in fields]
        return tuple(min(n, max(1, round(n * share))) for n, share in zip(stored, shares[-len(stored) :], strict=True))


@dataclass(frozen=True)
class Header:
    """All encodings, the scan information that the header has, and the receiver's noise bandwidth [bandwidth]."""

    encodings: tuple[Encoding, ...]
    info: ScanInfo
    noise_bandwidth: float = 1.0


def parse_header(xml: bytes | str, source: str) -> Header:
    """Read an ISMRMRD header.

    Parameters
    ----------
    xml
        The document.
    source
        Name of the file, for messages.

    Raises
    ------
    ValueError
        If it is not XML, has no complete `encoding` section, text where numbers belong, or a matrix of no size.

    References
    ----------
    Inati et al., ISMRM Raw data format, Magn Reson Med 77 (2017) 411-421.
    """
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise ValueError(f"{source}: the ISMRMRD header is not valid XML ({error})") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    encodings = tuple(_encoding(e, source) for e in root.findall("encoding"))
    if not encodings:
        raise ValueError(f"{source}: expected an ISMRMRD header with an 'encoding' section, got none")
    info = ScanInfo(
        repetition_time=_numbers(root, "sequenceParameters/TR", _MS, source),
        echo_time=_numbers(root, "sequenceParameters/TE", _MS, source),
        inversion_time=_numbers(root, "sequenceParameters/TI", _MS, source),
        flip_angle=_numbers(root, "sequenceParameters/flipAngle_deg", math.pi / 180, source),
        field_strength=next(
            iter(_numbers(root, "acquisitionSystemInformation/systemFieldStrength_T", 1.0, source)), None
        ),
        vendor=root.findtext("acquisitionSystemInformation/systemVendor"),
        model=root.findtext("acquisitionSystemInformation/systemModel"),
    )
    bandwidths = _numbers(root, "acquisitionSystemInformation/relativeReceiverNoiseBandwidth", 1.0, source)
    return Header(encodings, info, next((width for width in bandwidths if 0 < width <= 1), 1.0))


def _number(text: str, where: str, source: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{source}: expected a number in {where} of the ISMRMRD header, got {text!r}")
    return value


def _numbers(root: ElementTree.Element, path: str, scale: float, source: str) -> tuple[float, ...]:
    return tuple(scale * _number(e.text, path, source) for e in root.findall(path) if e.text)


def _encoding(element: ElementTree.Element, source: str) -> Encoding:
    def triple(path: str, scale: float) -> tuple[float, float, float]:
        values = [element.findtext(f"{path}/{axis}") for axis in "zyx"]
        if any(v is None for v in values):
            raise ValueError(f"{source}: expected encoding/{path} with x, y and z in the ISMRMRD header, got {values}")
        z, y, x = (scale * _number(v, f"encoding/{path}", source) for v in values if v is not None)
        return z, y, x

    def sizes(path: str, least: int) -> tuple[int, int, int]:
        z, y, x = (int(v) for v in triple(path, 1.0))
        if z < 0 or min(y, x) < least:
            raise ValueError(
                f"{source}: expected encoding/{path} with x and y of at least {least} and z of at least 0 in the "
                f"ISMRMRD header, got x {x}, y {y}, z {z}"
            )
        return max(z, 1), y, x

    limits = {}
    for limit in element.findall("encodingLimits/*"):
        numbers = [limit.findtext(name) for name in ("minimum", "maximum", "center")]
        if all(numbers):
            where = f"encoding/encodingLimits/{limit.tag}"
            low, high, centre = (int(_number(n, where, source)) for n in numbers if n is not None)
            limits[limit.tag] = (low, high, centre)
    return Encoding(
        matrix=sizes("encodedSpace/matrixSize", 1),
        field_of_view=triple("encodedSpace/fieldOfView_mm", _MM),
        recon_matrix=sizes("reconSpace/matrixSize", 0),
        recon_field_of_view=triple("reconSpace/fieldOfView_mm", _MM),
        trajectory=(element.findtext("trajectory") or "cartesian").lower(),
        limits=limits,
    )
