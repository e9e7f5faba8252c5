"""How instances come back to memory: loaded together, taken in and rebuilt in slices, so that one large
instance, or a crowd of them, does not keep the loop from the others.

Of a crowd the rows come in portions, the next of a partition when the last is taken in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

from dalsegno.actors.supervisor.upcalls import Upcalls
from dalsegno.actors.supervisor.world import World
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import Loaded

PORTION_SECONDS = 5.0
"""After this the next portion does not wait for the last."""

SLICE_SECONDS = 0.002
"""How long instances are loaded or rebuilt before others have the loop. A step more may take another 2 ms."""


class Loads(Protocol):
    """Whose instances are loaded."""

    is_stopped: bool
    partition: PartitionID

    def loading(self, loaded: Loaded) -> Iterator[None]:
        """A step at a time. Raises what is wrong with stored state that can't be read."""

    def unreadable(self, workflow_id: str, error: Exception) -> None: ...


class _Portion:
    """What was read together of one partition, and is being taken in."""

    def __init__(
        self, supervisor: Loads, under_way: deque[tuple[str, Iterator[None]]], done: Callable[[], None]
    ) -> None:
        self._supervisor = supervisor
        self._under_way = under_way
        self._done = done

    def is_done(self) -> bool:
        """After one more step, or because its partition has gone."""
        supervisor, under_way = self._supervisor, self._under_way
        if supervisor.is_stopped:
            return True
        if under_way:
            self._step(*under_way[0])
        if not under_way:
            self._done()
        return not under_way

    def _step(self, workflow_id: str, steps: Iterator[None]) -> None:
        try:
            next(steps)
        except StopIteration:
            self._under_way.popleft()
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - one unreadable row must not stop the others
            self._under_way.popleft()
            self._supervisor.unreadable(workflow_id, error)


class Rehydration:
    """Of all partitions of one engine."""

    def __init__(self, world: World, upcalls: Upcalls) -> None:
        self._world = world
        self._upcalls = upcalls
        self._wanted: dict[PartitionID, list[str]] = {}
        self._reading: dict[PartitionID, set[str]] = {}
        """By partition, what was asked for and is not taken in: nothing else of it is asked for meanwhile."""
        self._taking_in: deque[_Portion] = deque()
        self._rebuilding: deque[WorkflowActor] = deque()

    def load(self, partition: PartitionID, workflow_id: str) -> None:
        """Have it loaded, with what others want loaded in the same turn of the loop."""
        self._wanted.setdefault(partition, []).append(workflow_id)
        self._upcalls.request_work()

    def forget(self, partition: PartitionID) -> None:
        self._wanted.pop(partition, None)
        self._reading.pop(partition, None)

    def ask(self) -> None:
        """For all that is wanted by now."""
        wanted = {of: ids for of, ids in self._wanted.items() if of not in self._reading}
        if not wanted:
            return
        for partition, workflow_ids in wanted.items():
            del self._wanted[partition]
            self._reading[partition] = asked = set(workflow_ids)
            self._world.call_later(PORTION_SECONDS, partial(self._overdue, partition, asked))
        self._world.load(wanted)

    def take_in(self, supervisor: Loads, rows: Sequence[Loaded], left: Sequence[str] = ()) -> None:
        """What was asked for is there, but for what is `left` to be asked for again."""
        under_way = deque((row.workflow_id, supervisor.loading(row)) for row in rows)
        done = partial(self.answered, supervisor.partition, [row.workflow_id for row in rows], left)
        self._taking_in.append(_Portion(supervisor, under_way, done))
        if len(self._taking_in) == 1:
            self._take_slice()

    def _overdue(self, partition: PartitionID, asked: set[str]) -> None:
        """What is tried again and again holds up itself alone."""
        if self._reading.get(partition) is asked:
            del self._reading[partition]
            self._upcalls.request_work()

    def answered(self, partition: PartitionID, workflow_ids: Sequence[str], left: Sequence[str] = ()) -> None:
        """Nothing of these is in memory any more but the instances."""
        if left:
            self._wanted[partition] = [*left, *self._wanted.get(partition, ())]
            self._upcalls.request_work()
        reading = self._reading.get(partition)
        if reading is None:
            return
        reading.difference_update(workflow_ids, left)
        if not reading:
            del self._reading[partition]
            self._upcalls.request_work()

    def _take_slice(self) -> None:
        """Read as many as there is time for, and of a large one as much, then let others have the loop. The
        next slice is another partition's, if several have something to be read."""
        end = self._world.monotonic() + SLICE_SECONDS
        while self._taking_in:
            if self._taking_in[0].is_done():
                self._taking_in.popleft()
            if self._world.monotonic() > end:
                break
        if self._taking_in:
            self._taking_in.rotate(-1)
            self._world.call_soon(self._take_slice)
        self._upcalls.request_work()

    def rebuild(self, actor: WorkflowActor) -> None:
        """Call `actor.advance_rebuild` from time to time until it says that it is done."""
        self._rebuilding.append(actor)
        if len(self._rebuilding) == 1:
            self._world.call_soon(self._rebuild_slice)

    def _rebuild_slice(self) -> None:
        end = self._world.monotonic() + SLICE_SECONDS
        while self._rebuilding and self._world.monotonic() < end:
            actor = self._rebuilding[0]
            if actor.is_stopped or actor.advance_rebuild():
                self._rebuilding.popleft()
        if self._rebuilding:
            self._world.call_soon(self._rebuild_slice)
        self._upcalls.request_work()
