"""Whom the engine's parts call back: the engine that they belong to, and the partition that they serve.

All else they are given when they are made: the world, the rounds, the outbox.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.partition_id import PartitionID


class Upcalls(Protocol):
    """What the engine is asked for by its parts."""

    def request_work(self) -> None:
        """There is something to take in or to commit. Asking twice is asking once."""

    def format_written(self, format_: int) -> None:
        """It was found that this stored format may be written."""

    def lease_lost(self, partition: PartitionID) -> None:
        """It was found that the partition is another host's."""

    def all_leases_lost(self) -> None:
        """It was found that this host may not act."""

    def give_up(self, partition: PartitionID, *, for_good: bool = False) -> None:
        """The partition cannot be served here as it is: its lease goes, at once, with nothing more done.
        `for_good`: this process never can."""


class Children(Protocol):
    """A partition's workflow actors."""

    partition: PartitionID

    @property
    def loading(self) -> int:
        """How many are being loaded."""

    def peek(self, workflow_id: str) -> WorkflowActor | None:
        """The actor, if it is in memory."""

    def child(self, workflow_id: str) -> WorkflowActor:
        """The actor, started if need be."""

    @property
    def in_memory(self) -> Mapping[str, WorkflowActor]:
        """All of them, by workflow ID."""

    def tell(self, workflow_id: str, cause: Cause) -> None: ...


class Replaceable(Children, Protocol):
    """The same, for who puts another in an actor's place."""

    epoch: int

    def discard(self, actor: WorkflowActor) -> None:
        """Let it go; what it had not given to a round that is durable is void."""

    def anew(self, causes: Sequence[Cause]) -> list[Cause]:
        """Those that are still there to be handled, from the start."""

    def restart(
        self,
        actor: WorkflowActor,
        causes: Sequence[Cause],
        *,
        delay_seconds: float = 0.0,
        one_by_one: bool = False,
    ) -> WorkflowActor:
        """Put a new one in its place, loaded from the database, for `causes` and then the mail that waits."""
