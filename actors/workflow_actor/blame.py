"""Whose fault it is when a host dies in user code: what strikes are counted by, and what is not run for them.

Only what a mark names may be at fault. A query's handler harms nobody but who asks it, so it has a mark of its
own, and what has to run before it can be asked (the replay) is not under that mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.commands import Describe, Resume, Start
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.queries.strikes import handler_mark, struck_refusal
from dalsegno.actors.workflow_actor.run.state import WorkflowState

LETTING_GO = "letting go of its coroutines"
"""The mark of code that is put away: its `finally` and `except` blocks run then."""


class Struck(Struct, frozen=True):
    """What has killed hosts too often in one run, with the code that this host has: mark to reason, for people.
    `causes` keep the run's code from running at all, `queries` and `requests` (by the names of their messages)
    only what they name."""

    run_id: str = ""
    causes: Mapping[str, str] = {}
    queries: Mapping[str, str] = {}
    requests: Mapping[str, str] = {}

    @property
    def reason(self) -> str | None:
        """Why the run's code must not run any more; None if it may."""
        return next(iter(self.causes.values()), None)

    def of(self, run_id: str) -> Struck:
        """The same, said of that run."""
        return replace(self, run_id=run_id)

    def against_run(self, request: str) -> Struck:
        """The same, where the request cannot be kept from the code otherwise than with the run."""
        left = {name: why for name, why in self.requests.items() if name != request}
        return replace(self, causes={**self.causes, request: self.requests[request]}, requests=left)

    def refusal(self, query: Query, instance: Instance) -> tuple[str, str] | None:
        """Why this query is not run; None if it may be. To be asked again once the program is back, which says
        whose query it is."""
        reason = self.queries.get(query_mark(query, instance)) if instance.run_id == self.run_id else None
        if reason is None:
            return None
        state = instance.state
        is_open = state is not None and not state.is_closed
        return struck_refusal(query, instance.workflow_id, reason, is_open=is_open)


NOBODY = Struck()


def query_mark(query: Query, instance: Instance) -> str:
    """Only the program knows whose it is; while that is not in memory, a name is taken to have a handler of its
    own."""
    program = instance.live.program
    return handler_mark(query.name if program is None else program.query_handler(query.name))


def mark_of(cause: Cause, instance: Instance) -> str:
    """The same when the same is tried again, and never something else. What is still to be run has a place of
    its own: it is the same whatever comes first to try it, and however often hosts that cannot run it have
    recorded something since."""
    command = cause.command
    if isinstance(command, Query):
        return query_mark(command, instance)
    if isinstance(command, Start) and instance.is_opened_by(command):
        return cause.name
    if isinstance(command, Describe):
        return next_input(instance.state)
    if cause.held and (not _is_behind(instance.state) or isinstance(command, Resume)):
        return cause.name
    return next_input(instance.state)


def next_input(state: WorkflowState | None) -> str:
    """Which input user code is to run next, in words: no other one of the run is called so. Inputs are counted
    from the last sign, and signs are told apart by their time."""
    if state is None or not len(state.log):
        return "input 1"
    since = datetime.fromtimestamp(state.log[0].time / 1e6, UTC).isoformat()
    return f"input {state.processed + 1} since {since}"


def _is_behind(state: WorkflowState | None) -> bool:
    """There is code to run for what was recorded before, if it may run."""
    return state is not None and (state.suspension is not None or state.has_backlog)


def replay_mark_of(cause: Cause, instance: Instance) -> str:
    """As `mark_of`, while what the run has had before is run again for the cause."""
    return next_input(instance.state) if isinstance(cause.command, Query) else mark_of(cause, instance)
