"""The log: the inputs of a run since its last sign. Replaying it gives the live program back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from msgspec import Struct

from dalsegno.actors.workflow_actor.run.inputs import Begin, Input
from dalsegno.actors.workflow_actor.signals.events import SetAside, Signaled

CHUNK = 256


class LogEntry(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One input, the time at which it was recorded (and is run, however late: replays see the same), and the
    digests of what user code wanted on it; None until it has been run."""

    time: int
    input: Input
    wanted: tuple[str, ...] | None = None


class InputLog(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Log entries in order, in full chunks and a tail, so that a change copies one chunk and not all."""

    full: tuple[tuple[LogEntry, ...], ...] = ()
    tail: tuple[LogEntry, ...] = ()

    def __len__(self) -> int:
        return len(self.full) * CHUNK + len(self.tail)

    def __getitem__(self, index: int) -> LogEntry:
        chunk, place = divmod(index, CHUNK)
        return self.full[chunk][place] if chunk < len(self.full) else self.tail[place]

    def __iter__(self) -> Iterator[LogEntry]:
        for chunk in self.full:
            yield from chunk
        yield from self.tail

    def append(self, time: int, input_: Input) -> InputLog:
        tail = (*self.tail, LogEntry(time, input_))
        return InputLog((*self.full, tail), ()) if len(tail) == CHUNK else InputLog(self.full, tail)

    def before_begin(self, input_: Input) -> InputLog:
        """With one more input before the beginning of the run, which has not been run yet, and behind others
        that stand there. It is run at the time of that: it must not seem to begin later."""
        entries = tuple(self)
        place = next(index for index, entry in enumerate(entries) if isinstance(entry.input, Begin))
        entry = LogEntry(entries[place].time, input_)
        return _log_of((*entries[:place], entry, *entries[place:]))

    def set_aside(self, place: int, name: str) -> InputLog:
        """See `put_in_place`. Raises LookupError."""
        entries = tuple(self)
        inputs, place = put_in_place([entry.input for entry in entries], place, name)
        if place >= 0:
            raise LookupError(f"no signal {name!r} was given that could be set aside")
        changed = zip(entries, inputs, strict=True)
        return _log_of(tuple(LogEntry(entry.time, input_, entry.wanted) for entry, input_ in changed))

    def ran(self, index: int, wanted: tuple[str, ...]) -> InputLog:
        """The entry at `index` has been run."""
        chunk, place = divmod(index, CHUNK)
        old = self.full[chunk] if chunk < len(self.full) else self.tail
        entry = old[place]
        new = (*old[:place], LogEntry(entry.time, entry.input, wanted), *old[place + 1 :])
        if chunk == len(self.full):
            return InputLog(self.full, new)
        return InputLog((*self.full[:chunk], new, *self.full[chunk + 1 :]), self.tail)

    def begun_anew(self, index: int) -> InputLog:
        """From a sign on: the entry at `index`, on which it was set, is a beginning; those behind it stay."""
        begun = InputLog().append(self[index].time, Begin())
        for entry in self.from_(index + 1):
            begun = begun.append(entry.time, entry.input)
        return begun

    def from_(self, index: int) -> InputLog:
        """The log without its first `index` entries."""
        return _log_of(tuple(self)[index:])


def _log_of(entries: tuple[LogEntry, ...]) -> InputLog:
    cut = len(entries) // CHUNK * CHUNK
    return InputLog(tuple(entries[i : i + CHUNK] for i in range(0, cut, CHUNK)), entries[cut:])


Given = TypeVar("Given")


def put_in_place(inputs: Sequence[Given], place: int, name: str) -> tuple[tuple[Given | SetAside, ...], int]:
    """The `place`-th signal among them gives its place to a note that it was set aside. Returns what comes of
    them, and the place less the signals that there were: -1 if it was found. Raises LookupError for another."""
    changed: list[Given | SetAside] = []
    for input_ in inputs:
        is_signal = place >= 0 and isinstance(input_, Signaled | SetAside)
        if is_signal and place == 0:
            if not isinstance(input_, Signaled) or input_.name != name:
                raise LookupError(f"what is to be set aside is no signal {name!r}")
            changed.append(SetAside(name=name))
        else:
            changed.append(input_)
        place -= is_signal
    return tuple(changed), place
