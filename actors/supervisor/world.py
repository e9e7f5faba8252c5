"""What the engine asks of the world. Every method only starts something; none calls back at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from dalsegno.actors.supervisor.outbox.outbox import Carrier
from dalsegno.actors.workflow_actor.instance import Probe
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.persistence.port import Round


class World(Carrier, Protocol):
    """What the engine asks of the shell."""

    def call_soon(self, callback: Callable[[], None]) -> None: ...

    def now(self) -> int:
        """The estimate of database time, in microseconds; it never goes back."""

    def may_act(self) -> bool:
        """Whether this host's leases hold, by its own clock: without them nothing is begun or answered."""

    def commit(self, round_: Round) -> None:
        """Answered by `committed` or `commit_failed`."""

    def load(self, partition: int, workflow_ids: Sequence[str]) -> None:
        """Answered by `loaded`, in as many parts and after as many tries as it takes, or for single ones by
        `unreadable`."""

    def look_up_seen(self, partition: int, workflow_id: str, message_id: str) -> None:
        """Answered by `seen_found`."""

    def look_up_strikes(self, partition: int, workflow_id: str, run_id: str) -> None:
        """Answered by `strikes_found`."""

    def read_remains(self, partition: int, workflow_id: str) -> None:
        """Answered by `remains_found`, whatever can be read."""

    def read_mail(self, partition: int, workflow_id: str, after: int) -> None:
        """A page of `mail.PAGE`. Answered by `mail_found`."""

    def clear_strikes(self, run_id: str) -> None:
        """It runs again by somebody's word, or with other code. Not answered."""

    def find_due(self, partition: int, before: int, limit: int) -> None:
        """Answered by `due_found`."""

    def find_suspended(self, partition: int, after: str, limit: int) -> None:
        """Answered by `suspended_found`."""

    def find_waiting(self, partition: int, after: str, limit: int) -> None:
        """Answered by `waiting_found`."""

    def heed_task_queue(self, name: str) -> None:
        """Tasks lie in it: look now and then whether it is still there. Not answered, but by `task_queue_lost`
        if it is not."""

    def probe_task_queue(self, partition: int, workflow_id: str, probe: Probe) -> None:
        """Answered by `task_queue_found_empty`, if it is."""

    def answer_other_run(self, workflow_id: str, cause: Cause) -> None:
        """Answer a request about a run that is not the current one; then `cause.done()`."""

    def open_channel(self, partition: int) -> None:
        """Consume the partition's queue, after as many tries as it takes. Answered by `channel_opened`."""

    def close_channel(self, partition: int) -> None: ...

    def partition_released(self, partition: int, epoch: int) -> None:
        """All that was begun is done with: the lease may go to its heir."""
