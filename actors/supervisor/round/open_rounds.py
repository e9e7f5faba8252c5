"""The rounds that are not durable yet: one that is being gathered, and at most one that is being written."""

from __future__ import annotations

from dalsegno.actors.supervisor.round.round import RoundBuilder
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.partition_id import PartitionID


class OpenRounds:
    """`current` is being gathered; `writing` is what the database was given, until its outcome is known."""

    def __init__(self, host_id: str) -> None:
        self.host_id = host_id
        self.current = RoundBuilder(0, host_id)
        self.writing: RoundBuilder | None = None

    def begin_next(self) -> RoundBuilder:
        """Nothing more is added to the one that was gathered until now, which is returned."""
        gathered = self.current
        self.current = RoundBuilder(gathered.number + 1, self.host_id)
        return gathered

    def take_written(self) -> RoundBuilder:
        """The outcome of the one that was being written is known."""
        written, self.writing = self.writing, None
        assert written is not None
        return written

    @property
    def any(self) -> bool:
        return bool(self.current) or self.writing is not None

    def concern(self, partition: PartitionID) -> bool:
        """Whether anything of that partition is being written or gathered."""
        return any(
            entry.partition == partition
            for builder in (self.current, self.writing)
            if builder
            for entry in builder.entries.values()
        )

    def __contains__(self, workflow_id: str) -> bool:
        """Whether anything of that workflow is being written or gathered."""
        return workflow_id in self.current.entries or (
            self.writing is not None and workflow_id in self.writing.entries
        )

    def forget(self, partition: PartitionID) -> None:
        """The partition is not ours any more: what it has put into the current round is void."""
        for workflow_id, entry in list(self.current.entries.items()):
            if entry.partition == partition:
                del self.current.entries[workflow_id]
        worked_off = self.current.worked_off
        self.current.worked_off = [row for row in worked_off if row[0] != partition]
        self.current.count_anew()

    def take_back(self, actor: WorkflowActor) -> list[Cause]:
        """What it has given to the current round is void: written by who is gone, it would move the instance's
        row past its journal. What it was told for that is returned."""
        entry = self.current.entries.get(actor.workflow_id)
        if entry is None or entry.actor is not actor:
            return []
        del self.current.entries[actor.workflow_id]
        self.current.count_anew()
        return entry.causes

    def rejoined(self, host_id: str) -> None:
        """The host has another ID from now on."""
        self.host_id = self.current.host_id = host_id
