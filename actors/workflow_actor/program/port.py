"""The seam between the instance (state, events) and the program (live user code on its small event loop)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.run.inputs import Input, SignedState
from dalsegno.error_text import storable
from dalsegno.errors import QueryFailedError
from dalsegno.failure import Failure
from dalsegno.payload import Payload

REASON_CHARACTERS_MAX = 8_000
"""Less than what an answer has room for."""


class WorkflowCodeError(Exception):
    """User code raised what it did not mean as a failure: a bug. The instance is suspended with this reason
    (one or a few lines for people: exception, file, line). `stack` is the formatted traceback."""

    def __init__(self, reason: str, stack: str = "") -> None:
        self.reason = storable(reason, REASON_CHARACTERS_MAX)
        super().__init__(self.reason)
        self.stack = stack


class QueryHandlerError(QueryFailedError):
    """A query handler raised; `failure` is what."""

    def __init__(self, reason: str, failure: Failure) -> None:
        super().__init__(storable(reason, REASON_CHARACTERS_MAX))
        self.failure = failure


class Program(Protocol):
    """Live user code of one run since its last sign. It can't be rolled back: after any error or failed
    commit it is thrown away and built again from (RunInfo, SignedState, logged inputs)."""

    def step(self, input_: Input, *, now: int, replaying: bool) -> list[Intent]:
        """Give one input and run until idle. Raises WorkflowCodeError for a bug in user code.

        `replaying` mutes the workflow's logger. After an error the program is dead.
        """

    def query(self, name: str, args: Sequence[Payload]) -> Payload:
        """Run a query handler: no intents, counters restored. Raises QueryFailedError, QueryHandlerError
        where the handler raised."""

    def query_handler(self, name: str) -> str | None:
        """The name of the handler that a query of that name is put to; None for the one that takes all other
        names. Where there is none, the name itself."""

    @property
    def is_spoiled(self) -> bool:
        """A query has done more than read: this is not the program that the log leads to any more, and it is
        to be given nothing."""

    def waiting_for(self) -> tuple[str, ...]:
        """For people: what the code waits for ("activity 3 charge_card", "condition at x.py:10")."""

    def drop(self) -> None:
        """Let go of the coroutines without a trace: while they unwind, every `workflow.*` call raises a
        BaseException and loggers are mute."""


class Code(Protocol):
    """The workflow code that this host has."""

    @property
    def fingerprint(self) -> str:
        """Changes with the set of types, their sources and versions: other code is worth another try."""

    def build(self, info: RunInfo, signed: SignedState) -> Program | None:
        """A new program for (task queue, type); None when this host has no such type.

        Raises WorkflowCodeError when the signed state cannot be decoded or migrated by today's code.
        """
