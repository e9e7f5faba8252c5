"""What may be wrong, for a time, with what is read of one workflow: its own rows, and its run's as it is shown.
The store's rows stay whole, so that all is well when it is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from msgspec.structs import replace

from dalsegno.errors import UnreadableRowError
from dalsegno.persistence.port import Loaded, LoadedInstance, Remains, RunRow

OF_A_NEWER_FORMAT = b"\x92\x7f\xc0"
"""A blob of format 127, which nobody may write."""

LOST = "run unreadable"

Harm = Callable[[Any], Any]
"""A row as it is read, of one as it is. May raise UnreadableRowError."""


def _truncated(blob: bytes) -> bytes:
    return blob[: len(blob) // 2]


def _flipped(blob: bytes) -> bytes:
    return blob[:-1] + bytes([blob[-1] ^ 1])


def _as_text(value: object) -> str:
    """SQLite lets any type into any column."""
    return str(value)


def _refuse(row: object) -> Any:
    raise UnreadableRowError("its row is damaged")


def _column(name: str, change: Harm) -> Harm:
    return lambda row: replace(row, **{name: change(getattr(row, name))})


def _newest_event(harm: Harm) -> Harm:
    return lambda row: replace(row, journal=(*row.journal[:-1], *map(harm, row.journal[-1:])))


def _snapshot(harm: Harm) -> Harm:
    return lambda row: row if row.snapshot is None else replace(row, snapshot=harm(row.snapshot))


_EVENTS: Mapping[str, Harm] = {
    "events of a newer format": _column("events", lambda _: OF_A_NEWER_FORMAT),
    "truncated events": _column("events", _truncated),
    "events as text": _column("events", _as_text),
    "time as text": _column("time", _as_text),
    "sequence as text": _column("sequence", _as_text),
}
_SNAPSHOTS: Mapping[str, Harm] = {
    "truncated snapshot": _column("body", _truncated),
    "snapshot with another bit": _column("body", _flipped),
    "snapshot of a newer format": _column("format", lambda _: 127),
    "snapshot as text": _column("body", _as_text),
    "checksum as text": _column("checksum", _as_text),
    "snapshot's sequence as text": _column("sequence", _as_text),
}
ROWS: Mapping[str, Harm] = {
    "row unreadable": _refuse,
    "newest row lost": lambda row: replace(row, journal=row.journal[:-1]),
    "wake-up as text": _column("wake_at", _as_text),
    "instance's sequence as text": _column("sequence", _as_text),
    **{kind: _newest_event(harm) for kind, harm in _EVENTS.items()},
    **{kind: _snapshot(harm) for kind, harm in _SNAPSHOTS.items()},
}
"""Of what is loaded. Where there is nothing of a kind to be harmed, the row is as it is."""

RUNS: Mapping[str, Harm] = {
    "whole": lambda run: run,
    "outcome of a newer format": _column("result", lambda _: OF_A_NEWER_FORMAT),
    "truncated outcome": _column("result", lambda result: result and _truncated(result)),
    "outcome as text": _column("result", _as_text),
    "memo as text": _column("memo", _as_text),
    LOST: _refuse,
}
"""Of what is read where the rows themselves cannot be."""


@dataclass(frozen=True, slots=True)
class Damage:
    """`row` and `run` are kinds: of `ROWS`, and of `RUNS`."""

    row: str
    run: str

    @classmethod
    def drawn(cls, stream: Random, *, run_may_be_lost: bool) -> Damage:
        """Not `run_may_be_lost`: who ends what cannot be read, or begins another, is to find its run."""
        runs = [kind for kind in RUNS if run_may_be_lost or kind != LOST]
        return cls(stream.choice(list(ROWS)), stream.choice(runs))

    def of_loaded(self, loaded: Loaded) -> Loaded:
        """Raises UnreadableRowError, as the reader does."""
        if loaded.instance is None:
            return loaded
        return replace(loaded, instance=self.of_instance(loaded.instance))

    def of_instance(self, row: LoadedInstance) -> LoadedInstance:
        """As `of_loaded`."""
        harmed: LoadedInstance = ROWS[self.row](row)
        return harmed

    def of_remains(self, remains: Remains) -> Remains:
        """As the reader does: a run that cannot be read is as none."""
        if remains.run is None:
            return remains
        try:
            run: RunRow = RUNS[self.run](remains.run)
        except UnreadableRowError:
            return Remains(last_mail=remains.last_mail)
        return replace(remains, run=run)
