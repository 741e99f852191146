"""What writers are given, as NumPy arrays: tensors of any device or state, arrays of CuPy, lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def as_numpy(name: str, values: Any) -> npt.NDArray[Any]:
    """The values in host memory, without a copy where they lie there.

    Raises
    ------
    TypeError
        If they are no numbers, or of a dtype that NumPy does not have.
    """
    if hasattr(values, "resolve_conj"):
        values = values.detach().resolve_conj().resolve_neg().cpu()
    elif hasattr(values, "__cuda_array_interface__"):
        values = values.get()
    kind = type(values).__name__
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name}: expected an array of numbers, got {kind} ({error})") from error
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{name}: expected an array of numbers, got {kind} of {array.dtype}")
    return array
