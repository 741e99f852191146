"""Opens Pulseq files with pypulseq, round what ends its parser in an endless loop or in errors without a name."""

from __future__ import annotations

import re
import tempfile
import warnings
from pathlib import Path
from typing import Any

# Extensions that pypulseq 1.5 knows. None moves k-space; of soft delays the values in the file are taken.
_HARMLESS = {"TRIGGERS", "LABELSET", "LABELINC", "DELAYS"}


def read_sequence(path: Path) -> Any:
    """The ``pypulseq.Sequence`` of a file.

    Raises
    ------
    ImportError
        If pypulseq is not installed.
    FileNotFoundError
        If there is no such file.
    ValueError
        If it has extensions that are not known or no blocks, or pypulseq does not read it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    try:
        import pypulseq
    except ImportError as error:
        raise ImportError(
            "reading Pulseq files needs the package 'pypulseq', which is not installed: pip install 'mriops[pulseq]'"
        ) from error
    content = path.read_bytes()
    named = {name.decode(errors="replace") for name in re.findall(rb"^extension\s+(\S+)", content, re.MULTILINE)}
    if named - _HARMLESS:
        raise ValueError(
            f"{path}: expected no extensions but those known, got {sorted(named - _HARMLESS)}; "
            f"which are {sorted(_HARMLESS)}"
        )
    sequence = pypulseq.Sequence()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of every version but its own
            _read_terminated(sequence, path, content)
    except Exception as error:  # its parser raises whatever comes
        raise ValueError(
            f"{path}: pypulseq {_version(pypulseq)} does not read this file ({type(error).__name__}: {error}); "
            "expected a Pulseq file of version 1.2 to 1.5 without extensions unknown to it"
        ) from error
    if not sequence.block_events:
        raise ValueError(f"{path}: expected a Pulseq file with blocks, got none")
    return sequence


def _read_terminated(sequence: Any, path: Path, content: bytes) -> None:
    """Read a file, with an empty line at its end: without one pypulseq 1.5.0 loops forever over a last shape."""
    if content.endswith((b"\n\n", b"\n\r\n")):
        sequence.read(str(path))
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(content + b"\n\n")
        sequence.read(str(copy))


def _version(pypulseq: Any) -> str:
    return str(getattr(pypulseq, "__version__", "of unknown version"))
