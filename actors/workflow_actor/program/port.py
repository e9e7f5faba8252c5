"""The seam between the instance (state, events) and the program (live user code on its small event loop)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from dalsegno.actors.workflow_actor.activities.events import ActivityResolved
from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.run.inputs import Input, SignedState
from dalsegno.actors.workflow_actor.updates.events import Updated
from dalsegno.error_text import storable
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.stored_payloads import Pieces

REASON_CHARACTERS_MAX = 8_000
"""Less than what an answer has room for."""


class WorkflowCodeError(Exception):
    """User code raised what it did not mean as a failure: a bug. The instance is suspended with this reason
    (one or a few lines for people: exception, file, line). `stack` is the formatted traceback; `bare` the
    reason without what the exception itself says, where it says something."""

    def __init__(self, reason: str, stack: str = "", bare: str = "") -> None:
        self.reason = storable(reason, REASON_CHARACTERS_MAX)
        super().__init__(self.reason)
        self.stack = stack
        self._bare = bare

    def shown(self, *, hides_messages: bool) -> WorkflowCodeError:
        """As it may be shown in the clear."""
        return WorkflowCodeError(self._bare) if hides_messages and self._bare else self


NO_HEADERS: Mapping[str, Payload] = {}


class Program(Protocol):
    """Live user code of one run since its last sign. It can't be rolled back: after any error or failed
    commit it is thrown away and built again from (RunInfo, SignedState, logged inputs)."""

    def step(self, input_: Input, *, now: int, replaying: bool) -> list[Intent]:
        """Give one input and run until idle. Raises WorkflowCodeError for a bug in user code.

        `replaying` mutes the workflow's logger. After an error the program is dead.
        """

    def take_pieces(self) -> Pieces:
        """What the last step has made for the payload store: nobody has put it there."""

    def query(self, name: str, args: Sequence[Payload], headers: Mapping[str, Payload] = NO_HEADERS) -> Payload:
        """Run a query handler: no intents, counters restored. Raises QueryFailedError, QueryHandlerError
        where the handler raised."""

    def query_handler(self, name: str) -> str | None:
        """The name of the handler that a query of that name is put to; None for the one that takes all other
        names. Where there is none, the name itself."""

    @property
    def takes_updates(self) -> bool:
        """An update would be handled now: its validator may be asked beforehand."""

    def rejection(self, asked: Updated | ActivityResolved) -> Failure | None:
        """Why an update is refused, as its validator says, or a result that somebody gives, as the annotation
        says; None if the code may have it."""

    @property
    def is_spoiled(self) -> bool:
        """A query or validator has done more than read: this is not the program that the log leads to any more,
        and it is to be given nothing."""

    @property
    def details(self) -> str:
        """For people: what the code says of itself."""

    def waiting_for(self) -> tuple[str, ...]:
        """For people: what the code waits for ("activity 3 charge_card", "condition at x.py:10")."""

    def drop(self) -> None:
        """Let go of the coroutines without a trace: while they unwind, every `workflow.*` call raises a
        BaseException and loggers are mute."""


class KnownActivities(Protocol):
    """The activities that this host itself can run. (It is `activity_code.registry.Registry`.)"""

    @property
    def names(self) -> list[str]: ...

    def find(self, name: str) -> object | None:
        """None for one that it does not have."""


ABSENT = "absent"
"""The fingerprint of the definition that a host does not have: to have one is other code."""

UNVERSIONED = ""
"""The version of all definitions, as long as they have no other."""


class Code(Protocol):
    """The workflow code that this host has, by task queue, type and version. Definitions may be added and
    withdrawn; whoever does it tells the engine (`code_changed`)."""

    def fingerprint(self, task_queue: str, workflow_type: str, version: str = UNVERSIONED) -> str:
        """Of the definition for these: it changes with its source, and other code is worth another try. ABSENT
        when this host has none."""

    def sets_signals_aside(self, task_queue: str, workflow_type: str, version: str = UNVERSIONED) -> bool:
        """A signal that its code cannot take goes into the quarantine; False where the definition, if there is
        one, says that it suspends the workflow."""

    def build(self, info: RunInfo, signed: SignedState, patches: Sequence[str] = ()) -> Program | None:
        """A new program, of the definition whose `fingerprint` is told; None when this host has none. `patches`
        are those that the run has taken.

        Raises WorkflowCodeError when the signed state cannot be decoded or migrated by today's code.
        """
