"""What an outbox works with, in the hands of a test: its carrier and owner, and messages with their causes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVarTuple

from dalsegno.actors.supervisor.failing.fail_stop import guarded
from dalsegno.actors.supervisor.outbox.shipment import Lane, Shipment
from dalsegno.actors.supervisor.wire.form import Address
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.commands import WakeUp
from dalsegno.broker.port import Message, Outgoing
from dalsegno.partition_id import PartitionID
from tests.partition_ids import FIRST

Ts = TypeVarTuple("Ts")


Workflow = tuple[PartitionID, str, str, tuple[int, int]]


class Origin:
    is_void = False

    def __init__(self) -> None:
        self.removed = 0

    def remove(self) -> None:
        self.removed += 1


class Shell:
    """A carrier and an owner that write down what they are asked."""

    def __init__(self) -> None:
        self.published: list[Outgoing] = []
        self.declared: list[str] = []
        self.later: list[Callable[[], None]] = []
        self.confirmed: list[Workflow] = []
        self.unsendable: list[Workflow] = []
        self.parked: list[Workflow] = []
        self.namespaces_declared = 0
        self.soon: list[Callable[[], None]] = []
        self.time = 100.0
        self.again: Callable[[Workflow], Message | None] = lambda _: None

    def publish(self, batch: list[Outgoing]) -> None:
        self.published.extend(batch)

    def declare_task_queue(self, name: str) -> None:
        self.declared.append(name)

    def declare_namespace(self) -> None:
        self.namespaces_declared += 1

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> None:
        self.later.append(callback)

    def guarded(self, callback: Callable[[*Ts], object]) -> Callable[[*Ts], None]:
        return guarded(lambda _: None, callback)

    def monotonic(self) -> float:
        return self.time

    def effect_confirmed(self, workflow: Workflow) -> None:
        self.confirmed.append(workflow)

    def effect_unsendable(self, workflow: Workflow, reason: str) -> None:
        self.unsendable.append(workflow)

    def effect_parked(self, workflow: Workflow) -> None:
        self.parked.append(workflow)

    def effect_again(self, workflow: Workflow) -> Message | None:
        return self.again(workflow)

    def take(self) -> list[Outgoing]:
        taken, self.published = self.published, []
        return taken

    def ids(self) -> list[str | None]:
        return [outgoing.message.message_id for outgoing in self.published]


def workflow(number: int = 1) -> Workflow:
    return (FIRST, "order", "run", (number, 0))


def shipment(
    message_id: str = "m",
    *,
    causes: list[Cause] | None = None,
    queue: str | None = None,
    durable: bool = True,
    lane: Lane | None = None,
) -> Shipment:
    """A task, or something for a reader."""
    address = Address("", f"dalsegno.tasks.{queue}", queue) if queue else Address("", "dalsegno.reply.x")
    return Shipment(
        Message(body=b"", message_id=message_id),
        address,
        causes=causes or [],
        workflow=workflow() if durable else None,
        mandatory=queue is not None,
        droppable=queue is None and not durable,
        lane=lane,
    )


def word(message_id: str, exchange: str, *, causes: list[Cause] | None = None) -> Shipment:
    """What nothing but its cause stands behind: a dead letter, a forwarded command."""
    return Shipment(Message(body=b"", message_id=message_id), Address(exchange, "key"), causes=causes or [])


def cause() -> tuple[Cause, Origin]:
    origin = Origin()
    return Cause(WakeUp(), name="test", origin=origin), origin
