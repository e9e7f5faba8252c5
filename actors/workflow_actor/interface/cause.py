"""A cause: the message or wake-up that an activation answers. It is removed only when all that it caused is
durable and confirmed; until then it will come again."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from dalsegno.actors.workflow_actor.interface.commands import Caller, Command, WakeUp
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo


class AwaitOutcome(Struct, frozen=True, kw_only=True):
    """Answer when the run has ended, or the update named has come to its `stage`. The waiter lives in memory;
    the caller asks again. `follow_runs`: where a run goes on as another, that one's end is meant."""

    run_id: str | None = None
    caller: Caller | None = None
    update_id: str | None = None
    stage: Literal["admitted", "accepted", "completed"] = "completed"
    follow_runs: bool = True

    def concerns(self, current: RunInfo) -> bool:
        """It is the current run of which it asks."""
        if self.run_id in (None, current.run_id):
            return True
        return self.follow_runs and self.update_id is None and current.follows(self.run_id)


class Origin(Protocol):
    """Where a cause came from, and how it is removed."""

    @property
    def is_void(self) -> bool:
        """It will come again by itself (its channel is gone): this copy is not to be handled any more."""

    def remove(self) -> None:
        """All that it caused is durable and confirmed."""


class Cause:
    """`name` is for the journal's reader. `recognisable`: a client command that is kept in `seen` by its `key`,
    the type and ID of the message.
    `redelivered`: somebody may have been given it before, and have died of it. `goes_back`: it is about an
    update that some run of the chain has taken, this one or one before it.

    `pending` counts what still has to happen before it may be removed: its commit, and a confirm for each of
    its effects.
    """

    __slots__ = (
        "command",
        "failures",
        "goes_back",
        "key",
        "message_id",
        "message_type",
        "name",
        "origin",
        "pending",
        "recognisable",
        "redelivered",
    )

    def __init__(
        self,
        command: Command | AwaitOutcome,
        *,
        name: str,
        origin: Origin | None = None,
        message_id: str | None = None,
        message_type: str = "",
        recognisable: bool = False,
    ) -> None:
        self.command = command
        self.name = name
        self.origin = origin
        self.message_id = message_id
        self.message_type = message_type
        self.key = message_type, message_id or ""
        self.recognisable = recognisable
        self.redelivered = False
        self.goes_back = False
        self.pending = 1
        self.failures = 0

    @property
    def held(self) -> bool:
        """A message that stays unacknowledged until its effects are confirmed; else a wake-up."""
        return self.origin is not None

    @property
    def is_void(self) -> bool:
        return self.origin is not None and self.origin.is_void

    def done(self) -> None:
        """One thing less to wait for."""
        self.pending -= 1
        if self.pending == 0 and self.origin is not None:
            self.origin.remove()

    def as_question(self, run_id: str) -> Cause:
        """The same, as what only asks, about that run: nothing waits for its answer, and nobody removes it."""
        command = replace(self.command, run_id=run_id)
        cause = Cause(command, name=self.name, message_id=self.message_id, message_type=self.message_type)
        cause.goes_back = getattr(self.command, "run_id", None) is None
        return cause

    def retry(self) -> None:
        """It is handled anew from the start, after its actor was thrown away."""
        self.pending = 1


class Together(Cause):
    """Stands for causes that wait for the same things, so that ten thousand things don't have to know each of a
    hundred causes. For as long as it is being made it is not done."""

    __slots__ = ("_waiting",)

    def __init__(self, causes: Sequence[Cause]) -> None:
        super().__init__(WakeUp(), name="together")
        self._waiting = list(causes)
        for cause in causes:
            cause.pending += 1

    def done(self) -> None:
        self.pending -= 1
        if self.pending == 0:
            for cause in self._waiting:
                cause.done()

    def disown(self, causes: Container[int]) -> None:
        """Those with these `id`s do not wait any more."""
        self._waiting = [cause for cause in self._waiting if id(cause) not in causes]

    @property
    def waiting(self) -> list[Cause]:
        return self._waiting


class MoreMail(Cause):
    """Not mail itself: behind it, more of what the database keeps is to be read."""

    __slots__ = ("after",)

    def __init__(self, after: int) -> None:
        super().__init__(WakeUp(), name="mail")
        self.after = after
