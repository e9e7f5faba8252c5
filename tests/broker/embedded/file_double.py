"""The journal and its file without disk or thread: groups are written when the test says so, or fail."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from dalsegno.broker.embedded.catalog import Catalog
from dalsegno.broker.embedded.model import Model
from dalsegno.broker.embedded.queue_state import QueueState
from dalsegno.broker.embedded.ready_line import Item, PageRequest
from dalsegno.broker.embedded.steps import (
    POSITION_BITS,
    Barrier,
    CreateBindings,
    CreateExchanges,
    CreateQueue,
    DropBindings,
    DropQueue,
    PurgeRange,
    Row,
    Step,
    Write,
    row_id,
)
from dalsegno.broker.port import Queue

PAGE = 3


@dataclass
class FileDouble:
    """What is durable, and in `jobs` what has been asked for and not been done."""

    exchanges: list[str] = field(default_factory=list)
    queues: dict[int, Queue] = field(default_factory=dict)
    marks: dict[int, int] = field(default_factory=dict)
    bindings: list[tuple[str, str, int]] = field(default_factory=list)
    rows: dict[int, Row] = field(default_factory=dict)
    jobs: deque[list[Step] | tuple[QueueState, PageRequest]] = field(default_factory=deque)
    remains: list[Step] = field(default_factory=list)

    def take(self, model: Model) -> None:
        """Take over what the model wants written and read."""
        output = model.output
        self.jobs.extend(output.pages)
        output.pages.clear()
        if output.steps:
            self.jobs.append(output.steps)
            output.steps, output.is_urgent = [], False

    def work(self, model: Model, *, failing: bool = False) -> None:
        """Do the next job."""
        job = self.jobs.popleft()
        if isinstance(job, tuple):
            self._read(model, *job, failing=failing)
            return
        steps = self.remains + job
        self.remains = []
        publications = [p for step in steps if isinstance(step, Write) for p in step.publications]
        if failing:
            self.remains = [step.without_publishes() if isinstance(step, Write) else step for step in steps]
            model.refused(publications)
            return
        for step in steps:
            self.apply(step)
        model.committed(publications)
        model.retry_stranded()

    def apply(self, step: Step) -> None:
        match step:
            case Write():
                self._write(step)
            case CreateExchanges(exchanges):
                self.exchanges += [exchange.name for exchange in exchanges]
            case CreateQueue(number, definition):
                self.queues[number] = definition
            case DropQueue(number):
                del self.queues[number]
                self._drop_bindings(lambda binding: binding[2] == number)
                self._drop_rows(row_id(number, 0), row_id(number + 1, 0) - 1)
            case CreateBindings(bindings):
                self.bindings += [
                    (binding.exchange, binding.routing_key, number) for binding, number in bindings
                ]
            case DropBindings(bindings):
                dropped = {(binding.exchange, binding.routing_key, number) for binding, number in bindings}
                self._drop_bindings(lambda binding: binding in dropped)
            case PurgeRange(number, after, up_to):
                self._drop_rows(row_id(number, after), row_id(number, up_to))
            case Barrier(done):
                done()

    def restart(self) -> Model:
        """A new owner finds the file as it is; what was not written is lost."""
        self.jobs.clear()
        self.remains.clear()
        catalog = Catalog()
        queues = [self._queue_state(number, definition) for number, definition in self.queues.items()]
        catalog.restore(self.exchanges, queues, self.bindings)
        return Model(catalog)

    def payloads(self, queue_name: str) -> list[bytes]:
        """What the file holds of a queue, in order."""
        numbers = [number for number, definition in self.queues.items() if definition.name == queue_name]
        return [self.rows[row][3] for number in numbers for row in self._rows_of(number)]

    def _write(self, write: Write) -> None:
        for row in write.inserts:
            assert row[0] not in self.rows
            self.rows[row[0]] = row
        for removed in write.removed + write.moved:
            self.rows.pop(removed, None)
        self.marks |= write.marks

    def _read(self, model: Model, queue: QueueState, request: PageRequest, *, failing: bool) -> None:
        if failing:
            model.page_failed(queue, request)
            return
        assert queue.number is not None
        first, last = row_id(queue.number, request.after), row_id(queue.number, request.up_to)
        rows = [self.rows[row] for row in self._rows_of(queue.number) if first < row <= last]
        items = [
            Item(row & ((1 << POSITION_BITS) - 1), exchange, routing_key, payload)
            for row, exchange, routing_key, payload in rows[:PAGE]
        ]
        assert model.page_loaded(queue, request, items)

    def _queue_state(self, number: int, definition: Queue) -> QueueState:
        rows = self._rows_of(number)
        return QueueState(
            definition,
            number=number,
            stored=len(rows),
            last_position=rows[-1] & ((1 << POSITION_BITS) - 1) if rows else 0,
            handed_out=self.marks.get(number, 0),
        )

    def _rows_of(self, number: int) -> list[int]:
        return sorted(row for row in self.rows if row >> POSITION_BITS == number)

    def _drop_rows(self, after: int, up_to: int) -> None:
        self.rows = {row: kept for row, kept in self.rows.items() if not after < row <= up_to}

    def _drop_bindings(self, dropped: Callable[[tuple[str, str, int]], bool]) -> None:
        self.bindings = [binding for binding in self.bindings if not dropped(binding)]
