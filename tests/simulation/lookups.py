"""What the engine asks of the database beside rounds, as actors.supervisor.lookups, of the model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from dalsegno.actors.supervisor.deliveries.mail import PAGE
from dalsegno.actors.supervisor.engine import Engine
from dalsegno.actors.supervisor.people.other_runs import OtherRuns
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.commands import Caller
from dalsegno.broker import topology
from dalsegno.errors import UnreadableRowError
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import Loaded, LoadedInstance
from tests.simulation.store_link import StoreLink
from tests.simulation.store_model import StoreModel

if TYPE_CHECKING:
    from tests.simulation.world import Simulation


AT_ONCE = 3
"""Instances that are read at once: here all are of a size."""


class Lookups:
    """Each is answered by a call of the engine, an event later."""

    engine: Engine
    store_link: StoreLink
    _simulation: Simulation
    _store: StoreModel
    _other_runs: OtherRuns

    def step(self, what: str) -> None:
        raise NotImplementedError

    def load(self, partition: PartitionID, workflow_ids: Sequence[str]) -> None:
        self.step("loading")
        limit = self._simulation.seen_limit

        now, left = workflow_ids[:AT_ONCE], workflow_ids[AT_ONCE:]

        def query() -> list[Loaded | str]:
            return [
                workflow_id
                if workflow_id in self._store.unreadable
                else self._store.load(workflow_id, seen_limit=limit)
                for workflow_id in now
            ]

        def done(found: list[Loaded | str]) -> None:
            for workflow_id in found:
                if isinstance(workflow_id, str):
                    self.engine.unreadable(partition, workflow_id, UnreadableRowError("its row is damaged"))
            self.engine.loaded(partition, [row for row in found if isinstance(row, Loaded)], left)

        self.store_link.read(query, self.engine.while_owned(partition, done))

    def look_up_format(self, partition: PartitionID, workflow_id: str) -> None:
        found = partial(self.engine.format_found, partition, workflow_id)
        self.store_link.read(lambda: self._store.format_written, self.engine.while_owned(partition, found))

    def read_remains(self, partition: PartitionID, workflow_id: str) -> None:
        found = partial(self.engine.remains_found, partition, workflow_id)
        self.store_link.read(
            lambda: self._store.remains(workflow_id), self.engine.while_owned(partition, found)
        )

    def read_mail(self, partition: PartitionID, workflow_id: str, after: int) -> None:
        self.store_link.read(
            lambda: self._store.mail_of(workflow_id, after=after, limit=PAGE),
            self.engine.while_owned(partition, partial(self.engine.mail_found, partition, workflow_id, after)),
        )

    def look_up_strikes(self, partition: PartitionID, workflow_id: str, run_id: str) -> None:
        self.store_link.read(lambda: None, lambda _: self.engine.strikes_found(partition, workflow_id, []))

    def clear_strikes(self, run_id: str) -> None:
        """There are none."""

    def find_suspended(self, partition: PartitionID, after: str, limit: int) -> None:
        self.store_link.read(
            lambda: self._store.suspended(self._slots(partition), after=after, limit=limit),
            self.engine.while_owned(partition, partial(self.engine.suspended_found, partition, after)),
        )

    def _slots(self, partition: PartitionID) -> range:
        return range(partition.number, topology.SLOTS, self.engine.partition_count)

    def find_waiting(self, partition: PartitionID, after: str, limit: int) -> None:
        self.store_link.read(
            lambda: self._store.waiting(self._slots(partition), after=after, limit=limit),
            self.engine.while_owned(partition, partial(self.engine.waiting_found, partition, after)),
        )

    def find_due(self, partition: PartitionID, before: int, limit: int) -> None:
        self.store_link.read(
            lambda: self._store.due(self._slots(partition), before=before, limit=limit),
            self.engine.while_owned(
                partition, lambda due: self.engine.due_found(partition, due, complete=len(due) < limit)
            ),
        )

    def answer_other_run(self, workflow_id: str, cause: Cause) -> None:
        caller, run_id = getattr(cause.command, "caller", None), getattr(cause.command, "run_id", None)
        if caller is None or run_id is None:
            cause.done()
            return
        self.store_link.read(
            lambda: self._store.load_run(run_id),
            lambda row: self._other_run_read(row, cause, caller),
        )

    def _other_run_read(self, row: LoadedInstance | None, cause: Cause, caller: Caller) -> None:
        if row is None:
            cause.done()
        else:
            self._other_runs.begin(
                self._other_runs.load(row, written=self._store.format_written), cause, caller
            )
