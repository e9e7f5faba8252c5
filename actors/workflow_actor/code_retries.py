"""When suspended code is tried again: when its time has come, or when this host has other code.

A try that leaves the code stuck as it was is *in vain*: nothing is recorded of it, and when the next one is due
is kept in memory. That goes with the row when the instance is put away; who loads it anew may try earlier.
"""

from __future__ import annotations

from collections.abc import Sequence

from dalsegno.actors.workflow_actor.interface.commands import Resume, Suspend, Terminate
from dalsegno.actors.workflow_actor.run.decide import may_retry, next_try_at
from dalsegno.actors.workflow_actor.run.events import Event, Resumed, Suspended
from dalsegno.actors.workflow_actor.run.state import Suspension, WorkflowState
from dalsegno.actors.workflow_actor.shown.visible import is_stuck_alike

ABOUT_CODE = frozenset((Suspend, Terminate, Resume))
"""Commands that say themselves whether code is to run: suspended code is not tried again before them."""

LONG_AGO = -1
"""At that time only other code is worth a try: no time for one has come."""


class CodeRetries:
    """When one instance tries its suspended code again, and how far a try in vain has put that off."""

    __slots__ = ("_put_off",)

    def __init__(self) -> None:
        self._put_off: tuple[Suspension, int] | None = None
        """Since which suspension, and when it is tried next."""

    def next_at(self, suspension: Suspension) -> int | None:
        """None if its time never comes."""
        put_off = self._put_off
        return put_off[1] if put_off is not None and put_off[0] == suspension else suspension.retry_at

    def is_due(self, suspension: Suspension, *, now: int, fingerprint: str) -> bool:
        """`fingerprint`: of the code that this host has."""
        return may_retry(suspension, retry_at=self.next_at(suspension), now=now, fingerprint=fingerprint)

    def put_off(self, before: WorkflowState, *, now: int) -> None:
        """It was tried in vain."""
        assert before.suspension is not None
        self._put_off = before.suspension, next_try_at(before, now=now)


def is_in_vain(before: Suspension | None, events: Sequence[Event], after: Suspension | None) -> bool:
    """Suspended code was tried again, and is stuck as it was."""
    match events:
        case [Resumed(), Suspended()]:
            return is_stuck_alike(before, after)
    return False
