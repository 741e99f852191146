"""What an operator works out of its tensors and keeps for later calls, for as long as these stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from mriops.operators.algebra import LinearOperator
from mriops.ops._guards import lasting, outside_transforms

Tensors = tuple[torch.Tensor | None, ...]


class Origin:
    """Values, and the tensors that they were worked out of: whether these are still the same.

    A tensor is the same while it is the same object with the same count of writes. Compiled code cannot read that
    count, nor does torch count writes to an inference tensor or through ``.data``: there the object alone tells.
    """

    def __init__(self, sources: Tensors, values: tuple[Any, ...]):
        self.sources, self.values = sources, values
        # Values of compiled code are for compiled code: when they were worked out is not known.
        self.writes = None if torch.compiler.is_compiling() else _writes(sources)

    def holds(self, sources: Tensors) -> bool:
        """Whether the values are those of `sources` as they are, of which no gradients are wanted."""
        for own, other in zip(self.sources, sources, strict=True):
            if own is not other or (other is not None and other.requires_grad):
                return False
        return torch.compiler.is_compiling() or self.writes == _writes(sources)

    def __getstate__(self) -> dict[str, Any]:
        return {"sources": self.sources, "values": self.values, "current": self.writes == _writes(self.sources)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A copy starts to count anew.
        self.sources, self.values = state["sources"], state["values"]
        self.writes = _writes(self.sources) if state["current"] else None


def _writes(tensors: Tensors) -> list[int | None]:
    return [None if tensor is None or tensor.is_inference() else tensor._version for tensor in tensors]


class RememberingOp(LinearOperator):
    """An operator that works something out of its tensors once, and again when these have been replaced or written to.

    A subclass registers a buffer for each tensor that is kept, says by `_sources` what it is worked out of, and asks
    `_remembered` for it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._origins: dict[tuple[str, ...], Origin] = {}  # replaced, never changed: copies of an operator share it

    def _sources(self, name: str) -> Tensors:
        """What the buffer `name` is worked out of."""
        raise NotImplementedError

    def _remembered(self, names: tuple[str, ...], make: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
        """What `make` returns: tensors, kept in the buffers `names` where they last beyond the call, then numbers."""
        sources, origin = self._sources(names[0]), self._origins.get(names)
        if origin is not None and self._current(names, origin, sources):
            return origin.values
        if not all(source is None or lasting(source) for source in sources):
            return make()
        with outside_transforms():
            values = make()
        self._keep_values(names, sources, values)
        return values

    def _current(self, names: tuple[str, ...], origin: Origin, sources: Tensors) -> bool:
        for name, value in zip(names, origin.values, strict=False):
            if self._buffers[name] is not value:  # replaced too, as by torch.func.functional_call
                return False
        return origin.holds(sources)

    def _keep_values(self, names: tuple[str, ...], sources: Tensors, values: tuple[Any, ...]) -> None:
        for name, value in zip(names, values, strict=False):
            setattr(self, name, value)
        self._origins = {**self._origins, names: Origin(sources, values)}

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> LinearOperator:
        before = {}
        for names, origin in self._origins.items():
            sources = self._sources(names[0])
            if self._current(names, origin, sources):
                before[names] = (origin.values, _dtypes(sources))
        gone, self._origins = self._origins, {}
        super()._apply(fn, recurse)
        for names in gone:
            sources = self._sources(names[0])
            values, dtypes = before.get(names, ((), None))
            if dtypes == _dtypes(sources):
                moved = tuple(self._buffers[name] for name in names)
                self._keep_values(names, sources, moved + tuple(values[len(names) :]))
            else:  # what another precision reaches, and rounds, is different
                for name in names:
                    setattr(self, name, None)
        return self

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._origins = {}


def _dtypes(tensors: Tensors) -> list[torch.dtype | None]:
    return [None if tensor is None else tensor.dtype for tensor in tensors]
