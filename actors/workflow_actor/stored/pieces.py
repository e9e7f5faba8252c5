"""A large state as the same bytes as ever, in pieces: whoever asks for one after the other can do something
else in between. A state never changes, so that there is no hurry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from dalsegno.actors.workflow_actor.run.chunked_map import ChunkedMap
from dalsegno.actors.workflow_actor.run.log import InputLog
from dalsegno.actors.workflow_actor.run.state import WorkflowState

PIECE = 16
"""Entries of an array: an input may be large."""


@dataclass(frozen=True, slots=True)
class Script:
    """How bytes are written: any value at once, and the heads of arrays and maps of a length."""

    dumps: Callable[[Any], bytes]
    array: Callable[[int], bytes]
    map: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Instead of a change: the format has no such field. `require` raises for a value that would be lost."""

    require: Callable[[Any], None]

    def __call__(self, value: Any) -> None:
        self.require(value)


def pieces(
    script: Script, format_: int, state: WorkflowState, lower: Mapping[str, Callable[[Any], Any]]
) -> Iterator[bytes]:
    """Together they are what the layout makes of it at once. `lower` has a change for each field of the state
    that is to be another one, or is left out; of a field's entries it is given some at a time."""
    yield script.array(2) + script.dumps(format_)
    left_out = [name for name, change in lower.items() if isinstance(change, LeftOut)]
    for name in left_out:
        lower[name](getattr(state, name))
    names = [name for name in state.__struct_fields__ if name not in left_out]
    yield script.array(len(names))
    for name in names:
        yield from _pieces(script, getattr(state, name), lower.get(name, _as_it_is))


def _pieces(script: Script, value: Any, lower: Callable[[Any], Any]) -> Iterator[bytes]:
    dumps = script.dumps
    if isinstance(value, InputLog):
        fields = value.__struct_fields__
        yield script.array(len(fields))
        yield from chain.from_iterable(_pieces(script, getattr(value, name), lower) for name in fields)
    elif isinstance(value, ChunkedMap):
        yield script.map(len(value))
        for part in value.chunks():
            yield dumps(lower(part))[len(script.map(len(part))) :]
    elif isinstance(value, tuple) and len(value) > PIECE and not isinstance(value[0], tuple):
        yield script.array(len(value))
        for at in range(0, len(value), PIECE):
            some = value[at : at + PIECE]
            yield dumps(lower(some))[len(script.array(len(some))) :]
    elif isinstance(value, tuple) and value and isinstance(value[0], tuple):  # the log's full chunks
        yield script.array(len(value))
        yield from chain.from_iterable(_pieces(script, part, lower) for part in value)
    else:
        yield dumps(lower(value))


def _as_it_is(value: Any) -> Any:
    return value
