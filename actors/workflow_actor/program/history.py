"""What has happened to a run since its beginning or last sign, as its code may measure it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dalsegno.actors.workflow_actor.run.inputs import Begin, Input
from dalsegno.payload import Payload


class InputHistory:
    """Implements dalsegno._runtime.HistoryMeasure. A beginning counts once, whether code was stepped with it,
    or has only just set the sign: `inputs` are those that it was stepped with."""

    __slots__ = ("_begun", "_counted", "_inputs", "_size")

    def __init__(self, inputs: Sequence[Input]) -> None:
        self._inputs = inputs
        self._counted = 0
        self._begun = 0
        self._size = 0

    @property
    def length(self) -> int:
        self._count()
        return 1 + len(self._inputs) - self._begun

    @property
    def size(self) -> int:
        self._count()
        return self._size

    def _count(self) -> None:
        """What has come since it was counted last."""
        for input_ in self._inputs[self._counted :]:
            self._begun += isinstance(input_, Begin)
            self._size += sum(len(value.data) for value in _values(input_))
        self._counted = len(self._inputs)


def _values(input_: Any) -> Iterator[Payload]:
    yield from getattr(input_, "args", ())
    result = getattr(input_, "result", None)
    if isinstance(result, Payload):
        yield result
