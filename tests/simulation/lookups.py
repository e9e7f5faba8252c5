"""What the engine asks of the database beside rounds, as actors.supervisor.lookups, of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

from dalsegno.actors.supervisor.database.lookups import in_turn
from dalsegno.actors.supervisor.deliveries.mail import PAGE
from dalsegno.actors.supervisor.engine import Engine
from dalsegno.actors.supervisor.people.other_runs import OtherRuns
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.commands import Caller
from dalsegno.broker import topology
from dalsegno.errors import UnreadableRowError
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import Loaded, LoadedInstance, Remains
from tests.simulation.store_link import StoreLink
from tests.simulation.store_model import StoreModel

if TYPE_CHECKING:
    from tests.simulation.world import Simulation


class Lookups:
    """Each is answered by a call of the engine, an event later."""

    engine: Engine
    store_link: StoreLink
    _simulation: Simulation
    _store: StoreModel
    _other_runs: OtherRuns

    def step(self, what: str) -> None:
        raise NotImplementedError

    def load(self, wanted: Mapping[PartitionID, Sequence[str]]) -> None:
        self.step("loading")
        limit = self._simulation.seen_limit
        workflow_ids = in_turn(wanted)
        now = self._portion(workflow_ids)
        left = workflow_ids[len(now) :]

        def query() -> list[Loaded | tuple[str, UnreadableRowError]]:
            found: list[Loaded | tuple[str, UnreadableRowError]] = []
            for workflow_id in now:
                damage = self._store.damaged.get(workflow_id)
                loaded = self._store.load(workflow_id, seen_limit=limit)
                try:
                    found.append(loaded if damage is None else damage.of_loaded(loaded))
                except UnreadableRowError as error:
                    found.append((workflow_id, error))
            return found

        def of(
            partition: PartitionID, ids: Sequence[str], found: list[Loaded | tuple[str, UnreadableRowError]]
        ) -> None:
            for row in found:
                if isinstance(row, tuple) and row[0] in ids:
                    self.engine.unreadable(partition, *row)
            rows = [row for row in found if isinstance(row, Loaded) and row.workflow_id in ids]
            self.engine.loaded(partition, rows, [workflow_id for workflow_id in left if workflow_id in ids])

        parts = [
            self.engine.while_owned(partition, partial(of, partition, ids)) for partition, ids in wanted.items()
        ]

        def done(found: list[Loaded | tuple[str, UnreadableRowError]]) -> None:
            for part in parts:
                part(found)

        self.store_link.read(query, done)

    def _portion(self, workflow_ids: Sequence[str]) -> Sequence[str]:
        """Up to the one with which the bytes are reached that are read at once."""
        sizes = accumulate(map(self._store.size_of, workflow_ids))
        reached = sum(size < self._simulation.bounds.cold for size in sizes)
        return workflow_ids[: reached + 1]

    def look_up_attributes(self, partition: PartitionID, workflow_id: str) -> None:
        found = partial(self.engine.attributes_found, partition, workflow_id)
        self.store_link.read(lambda: self._store.declared, self.engine.while_owned(partition, found))

    def look_up_format(self, partition: PartitionID, workflow_id: str) -> None:
        found = partial(self.engine.format_found, partition, workflow_id)
        self.store_link.read(lambda: self._store.format_written, self.engine.while_owned(partition, found))

    def read_remains(self, partition: PartitionID, workflow_id: str) -> None:
        def query() -> Remains:
            damage, remains = self._store.damaged.get(workflow_id), self._store.remains(workflow_id)
            return remains if damage is None else damage.of_remains(remains)

        found = partial(self.engine.remains_found, partition, workflow_id)
        self.store_link.read(query, self.engine.while_owned(partition, found))

    def read_mail(self, partition: PartitionID, workflow_id: str, after: int) -> None:
        self.store_link.read(
            lambda: self._store.mail_of(
                workflow_id, after=after, limit=PAGE, bytes_max=self._simulation.bounds.mail
            ),
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

    def answer_other_run(self, workflow_id: str, cause: Cause, go_on: Callable[[Cause], None]) -> None:
        caller, run_id = getattr(cause.command, "caller", None), getattr(cause.command, "run_id", None)
        if caller is None or run_id is None:
            cause.done()
            return

        def query() -> LoadedInstance | None:
            damage, row = self._store.damaged.get(workflow_id), self._store.load_run(run_id)
            try:
                return row if row is None or damage is None else damage.of_instance(row)
            except UnreadableRowError:
                return None

        self.store_link.read(query, lambda row: self._other_run_read(row, cause, caller, go_on))

    def _other_run_read(
        self, row: LoadedInstance | None, cause: Cause, caller: Caller, go_on: Callable[[Cause], None]
    ) -> None:
        """Its sender asks again for what is not there, or cannot be read."""
        if row is None:
            cause.done()
        else:
            self._other_runs.begin(
                self._other_runs.load(row, written=self._store.format_written), cause, caller, go_on
            )
