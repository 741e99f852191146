"""Files appear whole or not at all: written beside their place under a temporary name, then renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path in the folder of `path`; renamed to `path` if the block ends well, deleted if it raises.

    The name ends like `path` does, so that libraries which look at the suffix behave the same. A process that is
    killed leaves at most a hidden file `.tmp-*`, never a file under the final name.

    Parameters
    ----------
    path
        Final name, in a folder that exists; a file of that name is replaced.

    Yields
    ------
    Path
        The temporary file, which exists and is empty.

    Raises
    ------
    OSError
        If the folder is missing, is not a folder, or cannot be written to.
    """
    path = Path(path)
    folder = path.parent
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise NotADirectoryError(f"cannot write {path}: expected an existing folder, but {folder} {what}")
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: expected a file name, got an existing folder")
    temporary = folder / f".tmp-{secrets.token_hex(4)}-{path.name}"
    try:
        temporary.touch()
    except OSError as error:
        raise type(error)(
            f"cannot write {path}: folder {folder} is not writable ({error.strerror or error})"
        ) from error
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sweep_temporaries(folder: str | os.PathLike[str]) -> None:
    """Delete the `.tmp-*` files that a killed process left in `folder`."""
    for left in Path(folder).glob(".tmp-*"):
        left.unlink(missing_ok=True)
