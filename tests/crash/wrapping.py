"""Putting a point around production code, from outside: before or after a call of a function, or within it.

A *site* is one place; installing it replaces an attribute of a class or module by a function that passes the
point. Installed before anything runs, so that no reference to what was replaced is left.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Callable, Generator, Iterator
from functools import wraps
from typing import Any

from psycopg.waiting import Wait

from tests.crash.crossing import Crossing

Site = Callable[[Crossing], None]


ACKNOWLEDGE = (
    "dalsegno.broker.embedded.channels:EmbeddedConsumer.acknowledge",
    "dalsegno.broker.rabbitmq.batch:BatchConsumer.acknowledge",
)


def _always(*_: Any) -> bool:
    return True


def before(target: str, when: Callable[..., bool] = _always) -> Site:
    """When `target` ("module:Class.method" or "module:function") is called with arguments that `when`
    accepts."""

    def install(cross: Crossing) -> None:
        def wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **options: Any) -> Any:
                if when(*args):
                    cross()
                return original(*args, **options)

            return call

        replace(target, wrapped)

    return install


def after(target: str, when: Callable[..., bool] = _always) -> Site:
    """When `target` has returned; `when` gets what it returned, and its arguments."""

    def install(cross: Crossing) -> None:
        def wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **options: Any) -> Any:
                result = original(*args, **options)
                if when(result, *args):
                    cross()
                return result

            return call

        replace(target, wrapped)

    return install


def replace(target: str, wrapped: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Put `wrapped(original)` in the place of `target`. AttributeError if there is no such thing any more."""
    module, _, path = target.partition(":")
    holder: Any = importlib.import_module(module)
    *classes, name = path.split(".")
    for class_ in classes:
        holder = getattr(holder, class_)
    original = getattr(holder, name)
    setattr(holder, name, wraps(original)(wrapped(original)))


def caused_by(kind: type) -> Callable[..., bool]:
    """For activations: that the cause's command is a `kind`."""
    return lambda _result, _partition, _actor, cause, *_: isinstance(cause.command, kind)


def on_writer_thread(*_: Any) -> bool:
    return threading.current_thread().name.startswith("dalsegno-writer")


# --- within functions -----------------------------------------------------------------------------------------


IsHere = Callable[[list[str], str], bool]


def between_tables(is_here: IsHere) -> Site:
    """Within SQLite's transaction, when the rows of a table are written. `is_here` gets the names of all groups
    of rows of the round, in order, and the one just written."""

    def install(cross: Crossing) -> None:
        replace(
            "dalsegno.persistence.sqlite_writer:rows_of",
            lambda original: lambda *args: _Watched(original(*args), is_here, cross),
        )

    return install


class _Watched:
    """The rows of a round, as they are looped over. There may be one around another."""

    def __init__(self, rows: Any, is_here: IsHere, cross: Crossing) -> None:
        self._rows = rows
        self._is_here = is_here
        self._cross = cross

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def items(self) -> Iterator[Any]:
        names = [str(part) for part in self]
        for part, rows in self._rows.items():
            yield part, rows
            if self._is_here(names, str(part)):
                self._cross()


def statement_sent(cross: Crossing) -> None:
    """PostgreSQL has the whole statement of a round, and its answer is not read."""

    def watched(steps: Any) -> Generator[Any, Any, Any]:
        ready: Any = None
        while True:
            try:
                waits_for = steps.send(ready)
            except StopIteration as end:
                return end.value
            if waits_for == Wait.R:
                cross()
            ready = yield waits_for

    def wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
        def wait(self: Any, steps: Any, *args: Any, **options: Any) -> Any:
            return original(self, watched(steps) if on_writer_thread() else steps, *args, **options)

        return wait

    replace("psycopg:Connection.wait", wrapped)


def half_published(cross: Crossing) -> None:
    """The first half of a batch of effects is with the broker, the second was never written."""

    def wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
        def carry(self: Any, batch: list[Any]) -> None:
            if len(batch) < 2 or not cross.kills_next():
                original(self, batch)
                if len(batch) >= 2:
                    cross()
                return
            original(self, batch[: len(batch) // 2])
            loop = asyncio.get_running_loop()
            # Two turns of the loop later the socket has what was written.
            loop.call_soon(loop.call_soon, cross)

        return carry

    replace("dalsegno.actors.supervisor.outbox.departures:Departures._carry", wrapped)


def tick_after_acknowledgement(cross: Crossing) -> None:
    """Some time after an acknowledgement, but for nothing else in between."""
    acknowledged = threading.Event()

    def note(*_: Any) -> bool:
        acknowledged.set()
        return False

    def was_noted(*_: Any) -> bool:
        noted = acknowledged.is_set()
        acknowledged.clear()
        return noted

    for acknowledge in ACKNOWLEDGE:
        after(acknowledge, note)(cross)
    before("dalsegno.actors.supervisor.engine:Engine.tick", was_noted)(cross)
