"""Instances that cannot be run for a defect, unreadable ones and such as crash their actors: which those are,
why, and when each is tried again."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from dalsegno.actors.workflow_actor.run.decide import SUSPENSION_DELAYS
from dalsegno.backoff import doubled


class Halted(Struct, frozen=True):
    """`retry_at` in microseconds; `tries` that have failed in a row. `is_shown`: people see it. `is_sealed`:
    what could not be run was ended, and nothing has gone well since."""

    reason: str
    retry_at: int
    tries: int
    is_shown: bool = False
    is_sealed: bool = False


class Halts:
    """Those of one partition that this process has met."""

    def __init__(self) -> None:
        self.halted: dict[str, Halted] = {}
        """By workflow ID; changed here alone."""

    def met(self, workflow_id: str, reason: str, *, now: int) -> Halted:
        """It cannot be run: tried again later, less and less often, as suspended code is."""
        before = self.halted.get(workflow_id)
        tries = 0 if before is None else before.tries
        retry_at = now + doubled(*SUSPENSION_DELAYS, tries)
        halted = (
            Halted(reason, retry_at, 1)
            if before is None
            else replace(before, reason=reason, retry_at=retry_at, tries=tries + 1)
        )
        self.halted[workflow_id] = halted
        return halted

    def of(self, workflow_id: str) -> Halted | None:
        return self.halted.get(workflow_id)

    def waiting(self, workflow_id: str, *, now: int) -> Halted | None:
        """It is not to be tried yet."""
        halted = self.halted.get(workflow_id)
        return None if halted is None or halted.retry_at <= now else halted

    def shown(self, workflow_id: str) -> None:
        """That is durable."""
        halted = self.halted.get(workflow_id)
        if halted is not None and not halted.is_shown:
            self.halted[workflow_id] = replace(halted, is_shown=True)

    def hasten(self, workflow_id: str) -> None:
        """It is to be tried at once, by somebody's word."""
        halted = self.halted.get(workflow_id)
        if halted is not None:
            self.halted[workflow_id] = replace(halted, retry_at=0)

    def sealed(self, workflow_id: str) -> None:
        """As `hasten`: a state of ours has taken its place. Mail that is left may fail again all the same."""
        halted = self.halted.get(workflow_id)
        if halted is not None:
            self.halted[workflow_id] = replace(halted, retry_at=0, is_sealed=True)

    def over(self, workflow_id: str) -> None:
        self.halted.pop(workflow_id, None)
