"""The named points at which processes are killed, and what must follow: the test plan's table, on this code.

Some moments that one might look for do not exist here; docs/testing.md says which, and why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from dalsegno.actors.supervisor.intake import ForWorkflow
from dalsegno.actors.workflow_actor.commands import Settle, WakeUp
from dalsegno.broker.topology import DEAD_EXCHANGE
from tests.crash.crossing import Crossing, Page
from tests.crash.wrapping import (
    ACKNOWLEDGE,
    Site,
    after,
    before,
    between_tables,
    half_published,
    on_writer_thread,
    statement_sent,
    tick_after_acknowledgement,
)

SUPERVISOR = "dalsegno.actors.supervisor"
PERSISTENCE = "dalsegno.persistence"
WORKERS = "dalsegno.workers"
CLIENT = "dalsegno.client"

EMBEDDED, RABBITMQ = "embedded", "rabbitmq"
SQLITE, POSTGRES = "sqlite", "postgres"


class Role(Enum):
    """Who dies."""

    HOST = "host"
    WORKER = "worker"
    CLIENT = "client"


class Need(Enum):
    """What has to happen so that the point is passed."""

    LOAD = "work"
    TAKE_OVER = "it takes over from a host that died"
    STOP = "it is asked to stop"
    IDLE = "workflows are idle"
    LETTER = "somebody sends what nobody can read"


@dataclass(frozen=True, slots=True)
class Point:
    """`number` is that of the test plan, where it has one. `most`: up to which passing a kill makes sense."""

    number: str
    name: str
    state: str
    follows: str
    sites: tuple[Site, ...]
    role: Role = Role.HOST
    need: Need = Need.LOAD
    most: int = 6
    only: str | None = None
    """The kind of database, or of broker, on which there is such a point."""
    may_be_asked: bool = True
    """Whether SIGTERM there, and SIGKILL a second later, differs from what is tested anyway."""

    @property
    def may_be_supervised(self) -> bool:
        """Whether it is passed in a host that has a parent of its own."""
        return self.role is Role.HOST and self.need in (Need.LOAD, Need.IDLE)


def _is_for_workflow(taken: Any, *_: Any) -> bool:
    return isinstance(taken, ForWorkflow)


def _caused_by(kind: type) -> Callable[..., bool]:
    return lambda _result, _partition, _actor, cause, *_: isinstance(cause.command, kind)


def _has_others(_result: Any, outbox: Any, *_: Any) -> bool:
    return len(outbox) > 0


def _found(result: Any, *_: Any) -> bool:
    return bool(result)


def _is_not_none(result: Any, *_: Any) -> bool:
    return result is not None


def _with_snapshot(round_: Any) -> bool:
    return round_ is not None and any(write.snapshot is not None for write in round_.instances)


def _opens_a_run(_rounds: Any, entries: Any) -> bool:
    return any(entry.opened for entry in entries)


def _is_open(_partition: Any, actor: Any) -> bool:
    status = actor.instance.status if actor.is_loaded else None
    return status is not None and not status.closed


_HOST_POINTS = (
    Point(
        "1",
        "delivered",
        "delivered, in the broker adapter's hands",
        "it is delivered again",
        (
            before("dalsegno.broker.embedded.channels:EmbeddedConsumer.deliver"),
            before("dalsegno.broker.rabbitmq.batch:BatchConsumer._complete"),
        ),
    ),
    Point(
        "2",
        "in-the-inbox",
        "in the partition's inbox, not decoded",
        "it is delivered again",
        (after(f"{SUPERVISOR}.engine:Engine.delivered"),),
    ),
    Point(
        "3",
        "decoded",
        "decoded, nothing known about its workflow",
        "it is delivered again",
        (after(f"{SUPERVISOR}.intake:Intake.take", _is_for_workflow),),
    ),
    Point(
        "4",
        "actor-started",
        "its actor is there, nothing loaded",
        "it is delivered again",
        (after(f"{SUPERVISOR}.partition:PartitionSupervisor._new_actor"),),
    ),
    Point(
        "5",
        "snapshot-read",
        "snapshot decoded, the journal behind it not folded",
        "it is delivered again, and loaded again",
        (after("dalsegno.actors.workflow_actor.loading:_of_snapshot"),),
        need=Need.TAKE_OVER,
        most=1,
    ),
    Point(
        "6",
        "decided",
        "events and effects are built and in the round; no transaction",
        "the same again, with the same IDs",
        (after(f"{SUPERVISOR}.partition:PartitionSupervisor.activated"),),
    ),
    Point(
        "7",
        "fence-checked",
        "transaction begun, leases checked",
        "rolled back",
        (before(f"{PERSISTENCE}.sqlite_writer:_matching"),),
        only=SQLITE,
    ),
    Point(
        "8",
        "half-written",
        "half of the round's tables are written",
        "rolled back",
        (between_tables(lambda names, name: name == names[(len(names) - 1) // 2]),),
        only=SQLITE,
    ),
    Point(
        "9",
        "before-commit",
        "COMMIT (PostgreSQL: the round's one statement) is not sent",
        "rolled back",
        (
            before("sqlalchemy.engine.default:DefaultDialect.do_commit", on_writer_thread),
            before(f"{PERSISTENCE}.postgres_writer:PostgresWriter._write"),
        ),
    ),
    Point(
        "10",
        "commit-unanswered",
        "the round is with the database, its answer not read (SQLite: not told to the loop)",
        "unknown: what comes again is recognised, or done for the first time",
        (after(f"{PERSISTENCE}.sqlite_writer:SqliteWriter.commit"), statement_sent),
    ),
    Point(
        "11",
        "committed",
        "the round is durable, nothing published",
        "causes come again, are recognised, and send what is outstanding",
        (before(f"{SUPERVISOR}.rounds:Rounds.committed"),),
    ),
    Point(
        "12",
        "half-published",
        "the first half of a batch of effects was written to the broker",
        "published again with the same IDs; receivers know the first half",
        (half_published,),
        most=3,
        may_be_asked=False,
    ),
    Point(
        "13",
        "confirm-unread",
        "published, and the broker's confirm not noted",
        "published again with the same ID; the receiver knows it",
        (before(f"{SUPERVISOR}.outbox:Outbox._on_outcome"),),
    ),
    Point(
        "14",
        "some-confirmed",
        "one effect confirmed, others outstanding",
        "the others, and perhaps the one, are published again",
        (after(f"{SUPERVISOR}.outbox:Outbox._confirmed", _has_others),),
        most=3,
    ),
    Point(
        "14b",
        "returned",
        "the broker returned an answer whose reader is gone",
        "answered again, dropped again",
        (before(f"{SUPERVISOR}.outbox:Outbox._returned"),),
        most=1,
    ),
    Point(
        "15",
        "all-confirmed",
        "all that a message led to is confirmed, its acknowledgement not sent",
        "it comes again, is recognised, and acknowledged",
        (after(f"{SUPERVISOR}.acknowledgement:AcknowledgementWindow.take_prefix", _is_not_none),),
    ),
    Point(
        "16",
        "acknowledged",
        "the acknowledgement was written, perhaps not sent, not read by the broker",
        "it comes again and is recognised, or is gone",
        tuple(after(acknowledge) for acknowledge in ACKNOWLEDGE),
    ),
    Point(
        "17",
        "quiet",
        "acknowledged, some milliseconds ago",
        "nothing",
        (tick_after_acknowledgement,),
        most=3,
    ),
    Point(
        "18",
        "timer-found",
        "wake-ups read from the database, none fired",
        "each fires once",
        (after(f"{SUPERVISOR}.alarm_clock:AlarmClock.found", lambda _, _clock, due: bool(due)),),
        need=Need.TAKE_OVER,
        most=1,
    ),
    Point(
        "18b",
        "timer-fired",
        "a wake-up was handled, and not committed",
        "it fires once",
        (after(f"{SUPERVISOR}.partition:PartitionSupervisor.activated", _caused_by(WakeUp)),),
        most=3,
    ),
    Point(
        "19",
        "snapshot-built",
        "a snapshot is built, and in no transaction",
        "the old one holds",
        (after(f"{SUPERVISOR}.round:RoundBuilder.build", lambda round_, *_: _with_snapshot(round_)),),
        most=3,
    ),
    Point(
        "20",
        "snapshot-written",
        "the snapshot is written in the open transaction",
        "the old one holds",
        (between_tables(lambda _, name: name == "snapshots"),),
        most=3,
        only=SQLITE,
    ),
    Point(
        "21",
        "snapshot-committed",
        "snapshot and trimmed journal are durable, the answer not read",
        "the new one holds",
        (
            after(f"{PERSISTENCE}.sqlite_writer:SqliteWriter.commit", lambda _, _w, r: _with_snapshot(r)),
            after(f"{PERSISTENCE}.postgres_writer:PostgresWriter.commit", lambda _, _w, r: _with_snapshot(r)),
        ),
        most=3,
    ),
    Point(
        "22",
        "trimmed",
        "the journal is trimmed in the open transaction",
        "the journal is whole, the old snapshot holds",
        (between_tables(lambda _, name: name == "trimmed"),),
        most=2,
        only=SQLITE,
    ),
    Point(
        "23",
        "renewed",
        "the lease is renewed, the answer not noted",
        "its time runs out",
        (after(f"{PERSISTENCE}.membership:SqlMembership.renew"),),
        most=2,
    ),
    Point(
        "24",
        "lease-taken",
        "leases taken and epochs raised, no queue consumed",
        "another takes them",
        (after(f"{PERSISTENCE}.membership:SqlMembership.take", _found),),
        need=Need.TAKE_OVER,
        most=1,
    ),
    Point(
        "25",
        "consuming",
        "a queue is consumed, the marker under way, no timer runs",
        "another takes over, and its own marker decides",
        (after(f"{SUPERVISOR}.engine:Engine.channel_opened"),),
        need=Need.TAKE_OVER,
        most=5,
    ),
    Point(
        "25b",
        "marker-back",
        "the marker came back, no timer runs yet",
        "as above",
        (before(f"{SUPERVISOR}.partition:PartitionSupervisor.go_live"),),
        need=Need.TAKE_OVER,
        most=5,
    ),
    Point(
        "26",
        "handing-over",
        "hand-over: nothing is begun any more, what was begun is under way",
        "it is delivered to another",
        (after(f"{SUPERVISOR}.engine:Engine.release"),),
        need=Need.STOP,
        most=5,
    ),
    Point(
        "27",
        "channel-closed",
        "hand-over: all acknowledged, the channel closed, the lease not released",
        "another takes it when its time has run out",
        (before(f"{SUPERVISOR}.host:Host.partition_released"),),
        need=Need.STOP,
        most=5,
    ),
    Point(
        "27b",
        "lease-released",
        "hand-over: leases are released, the heir not told",
        "another finds them",
        (after(f"{PERSISTENCE}.membership:SqlMembership.release"),),
        need=Need.STOP,
        most=1,
    ),
    Point(
        "28",
        "passivating",
        "an idle instance is about to leave memory",
        "it is loaded when it is needed",
        (before(f"{SUPERVISOR}.partition:PartitionSupervisor._retire", _is_open),),
        need=Need.IDLE,
        most=2,
    ),
    Point(
        "29",
        "restarted",
        "an actor was thrown away, its successor is being loaded",
        "it is loaded by another",
        (after(f"{SUPERVISOR}.partition:PartitionSupervisor.restart"),),
        most=1,
    ),
    Point(
        "30",
        "run-opened",
        "a start is durable, and not answered",
        "the client asks again: same run",
        (before(f"{SUPERVISOR}.rounds:Rounds._let_out", _opens_a_run),),
        most=3,
    ),
    Point(
        "33",
        "dead-lettered",
        "a dead letter is confirmed, the message not acknowledged",
        "the same letter again, with the same ID",
        (
            before(
                f"{SUPERVISOR}.outbox:Outbox._confirmed",
                lambda _, shipment: shipment.address.exchange == DEAD_EXCHANGE,
            ),
        ),
        need=Need.LETTER,
        most=1,
        may_be_asked=False,
    ),
    Point(
        "33b",
        "forwarded",
        "a command that came to a foreign partition was passed on, and not acknowledged",
        "passed on again, and recognised",
        (before(f"{SUPERVISOR}.outbox:Outbox._confirmed", lambda _, shipment: shipment.foreign),),
        most=1,
    ),
    Point(
        "11b",
        "settling",
        "confirms are seen, and forgetting the effects is not committed",
        "the effects are outstanding again, and sent again when a cause says so",
        (after(f"{SUPERVISOR}.partition:PartitionSupervisor.activated", _caused_by(Settle)),),
        most=3,
    ),
)

_WORKER_POINTS = (
    Point(
        "w1",
        "task-received",
        "a task is delivered",
        "it is delivered to another worker",
        (before(f"{WORKERS}.dispatcher:Dispatcher.on_task"),),
        Role.WORKER,
    ),
    Point(
        "w2",
        "started-sent",
        "`started` is confirmed, no grant has come",
        "another worker asks, or the attempt times out",
        (before(f"{WORKERS}.attempt:Attempt._on_noticed"),),
        Role.WORKER,
        most=1,
    ),
    Point(
        "w2b",
        "granted",
        "granted, so acknowledged before the work",
        "its heartbeat is missed, and it is tried again",
        (after(f"{WORKERS}.attempt:Attempt.on_grant"),),
        Role.WORKER,
        most=1,
    ),
    Point(
        "w3",
        "running",
        "the activity runs",
        "the task is delivered again",
        (after(f"{WORKERS}.attempt:Attempt._on_begun"),),
        Role.WORKER,
    ),
    Point(
        "w4",
        "side-effect-done",
        "the activity is done, nobody knows",
        "it runs again",
        (before(f"{WORKERS}.attempt:Attempt._on_ended"),),
        Role.WORKER,
    ),
    Point(
        "w5",
        "result-published",
        "its result is published, and not confirmed",
        "it runs again; one result counts",
        (after(f"{WORKERS}.outbox:Outbox._flush"),),
        Role.WORKER,
    ),
    Point(
        "w6",
        "result-confirmed",
        "its result is confirmed, the task not acknowledged",
        "it runs again; one result counts",
        (before(f"{WORKERS}.attempt:Attempt._on_reported"),),
        Role.WORKER,
    ),
)

_CLIENT_POINTS = (
    Point(
        "c1",
        "start-published",
        "a start is published, and not confirmed",
        "who asks again with its ID gets the same run",
        (after(f"{CLIENT}.link:Link._flush"),),
        Role.CLIENT,
        most=1,
    ),
    Point(
        "c2",
        "start-confirmed",
        "the broker has the start, its answer has not come",
        "who asks again with its ID gets the same run",
        (before(f"{CLIENT}.patience:Patience.confirmed"),),
        Role.CLIENT,
        most=1,
    ),
    Point(
        "c3",
        "awaiting-result",
        "the start is answered, the result awaited",
        "who asks again gets the result",
        (
            before(
                f"{CLIENT}.conversation:Conversation.further", lambda _, _type, kind, *_rest: kind == "result"
            ),
        ),
        Role.CLIENT,
        most=1,
    ),
)

POINTS = (*_HOST_POINTS, *_WORKER_POINTS, *_CLIENT_POINTS)
BY_NAME = {point.name: point for point in POINTS}


def points_on(broker: str, database: str) -> list[Point]:
    """Those that there are with these kinds."""
    return [point for point in POINTS if point.only in (None, broker, database)]


def number_of(point: Point) -> int:
    """What a page knows it by."""
    return POINTS.index(point) + 1


def surround_production_code(page: Page) -> None:
    """Put every point in its place. Once per process, before anything runs."""
    for number, point in enumerate(POINTS, start=1):
        for site in point.sites:
            site(Crossing(page, number))
