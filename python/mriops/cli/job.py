"""A reconstruction that can be stopped and continued: finished slices on disk, for one file and one set of settings."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mriops import __version__
from mriops.io.atomic import atomic_path, sweep_temporaries
from mriops.io.cfl import pair_of

_FOLDER = ".slices"
_SETTINGS = "settings.json"
REPORT = "report.json"


@dataclasses.dataclass(frozen=True)
class FinishedSlice:
    """One slice: `image (*frames, *recon_size)`, and the time it took [s]."""

    image: np.ndarray
    seconds: float


class Job:
    """The folder `<out>/.slices`: one file per finished slice, written whole or not at all.

    Slices of an earlier run with other settings stay until the first of this one is kept.

    Parameters
    ----------
    out
        Output folder; made if it is not there (its parent must be).
    file
        Raw file.
    settings
        Everything the images depend on, for JSON.
    restart
        Compute what is there anew.

    Attributes
    ----------
    continued
        Slices of an earlier run with the same settings are used.

    Raises
    ------
    OSError
        If the folder cannot be made or written to.
    """

    def __init__(self, out: Path, file: Path, settings: dict[str, Any], *, restart: bool = False) -> None:
        self.out = out
        self._folder = out / _FOLDER
        make_folder(out)
        key = {"file": identity(file), "settings": settings, "mriops": __version__}
        self._key = json.loads(json.dumps(key))
        if self._folder.exists():
            make_folder(self._folder)
        self.continued = not restart and self._stored_key() == self._key
        self._current = self.continued
        if self.continued:
            sweep_temporaries(self._folder)

    def _begin(self) -> None:
        """An empty folder of this run."""
        if self._folder.exists():
            shutil.rmtree(self._folder)
        make_folder(self._folder)
        write_json(self._key, self._folder / _SETTINGS)
        self._current = True

    def _stored_key(self) -> Any:
        try:
            return json.loads((self._folder / _SETTINGS).read_text())
        except (OSError, ValueError):
            return None

    @staticmethod
    def finished_images(out: Path) -> np.ndarray:
        """All finished slices of the job in `out`, stacked."""
        parts = []
        for path in sorted((out / _FOLDER).glob("slice_*.npz"), key=lambda path: int(path.stem.partition("_")[2])):
            with np.load(path) as stored:
                parts.append(stored["image"])
        return np.stack(parts)

    def _path(self, number: int) -> Path:
        return self._folder / f"slice_{number:04d}.npz"

    def load(self, number: int) -> FinishedSlice | None:
        """The slice if it is finished and readable."""
        if not self._current:
            return None
        try:
            with np.load(self._path(number)) as stored:
                return FinishedSlice(stored["image"], float(stored["seconds"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def is_finished(self, number: int) -> bool:
        """Whether the slice need not be computed."""
        return self._path(number).exists() and self.load(number) is not None

    def save(self, number: int, image: np.ndarray, seconds: float) -> None:
        """Keep a finished slice."""
        if not self._current:
            self._begin()
        with atomic_path(self._path(number)) as temporary, temporary.open("wb") as file:
            np.savez(file, image=image, seconds=seconds)


def identity(file: Path) -> dict[str, Any]:
    """Name, size and time of a file, and for pairs (.cfl and .hdr) of both."""
    is_pair = file.suffix in (".cfl", ".hdr") or not file.exists()
    stats = [part.stat() for part in (pair_of(file) if is_pair else (file,)) if part.exists()]
    digest = hashlib.sha256(str([(s.st_size, s.st_mtime_ns) for s in stats]).encode()).hexdigest()
    return {"path": str(file.resolve()), "bytes": sum(s.st_size for s in stats), "stamp": digest[:16]}


def keep_inputs(inputs: Iterable[str | None], results: Iterable[Path]) -> None:
    """Raise for an input that the results would overwrite, or that would be deleted with those of an earlier run.

    Raises
    ------
    ValueError
        With its name.
    """
    taken = {path.resolve() for path in results}
    for given in inputs:
        if given and Path(given).resolve() in taken:
            raise ValueError(f"output: expected a folder whose results do not overwrite an input, got that of {given}")


@contextmanager
def new_results(out: Path, earlier: Iterable[Path]) -> Iterator[None]:
    """Around the writing of results: those of earlier runs which the block does not write are deleted after it.

    The report is deleted before it and is to be written last: a folder without one is not complete.

    Parameters
    ----------
    out
        Output folder.
    earlier
        What an earlier run may have left.
    """
    (out / REPORT).unlink(missing_ok=True)
    # What is written under a temporary name and then renamed is another file than the one before it.
    before = {path: path.stat().st_ino for path in earlier if path.exists()}
    yield
    for path, number in before.items():
        if path.exists() and path.stat().st_ino == number:
            path.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder, with a message that says what is in the way.

    Raises
    ------
    OSError
        If it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(f"output: expected a folder, but {folder} is a file") from error
    except NotADirectoryError as error:
        raise NotADirectoryError(f"output: expected a folder, but a parent of {folder} is a file") from error
    except OSError as error:
        raise type(error)(f"output: folder {folder} cannot be made ({error.strerror or error})") from error
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"output: folder {folder} is not writable")


def write_json(values: Any, path: Path) -> None:
    """Write JSON, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n")
