"""Points on the path of a command: delivered, decided, committed, published, acknowledged."""

from __future__ import annotations

from typing import Any

from dalsegno.actors.supervisor.deliveries.intake import ForWorkflow
from dalsegno.actors.supervisor.outbox.shipment_state import ShipmentState
from dalsegno.actors.workflow_actor.interface.commands import Settle
from dalsegno.broker.protocol.messages import StartWorkflow
from dalsegno.broker.topology import DEAD_EXCHANGE
from dalsegno.schedules.book import SCHEDULE
from tests.crash.point import PERSISTENCE, SQLITE, SUPERVISOR, Need, Point
from tests.crash.wrapping import (
    ACKNOWLEDGE,
    after,
    before,
    between_tables,
    caused_by,
    half_published,
    on_writer_thread,
    statement_sent,
    tick_after_acknowledgement,
)


def _is_for_workflow(taken: Any, *_: Any) -> bool:
    return isinstance(taken, ForWorkflow)


def _has_others(_result: Any, outbox: Any, _shipment: Any, end: Any) -> bool:
    return end is ShipmentState.CONFIRMED and len(outbox) > 0


def _is_start_by_schedule(_outbox: Any, shipment: Any, *_: Any) -> bool:
    starts = shipment.message.type == StartWorkflow.TYPE and shipment.workflow is not None
    return starts and shipment.workflow[1].startswith(SCHEDULE)


def _is_not_none(result: Any, *_: Any) -> bool:
    return result is not None


def _opens_a_run(_rounds: Any, entries: Any) -> bool:
    return any(entry.opened for entry in entries)


def _undoes(_rounds: Any, entries: Any) -> bool:
    states = (entry.actor.instance.state for entry in entries)
    return any(state is not None and state.compensating for state in states)


ROUND_POINTS = (
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
        (after(f"{SUPERVISOR}.deliveries.intake:Intake.take", _is_for_workflow),),
    ),
    Point(
        "4",
        "actor-started",
        "its actor is there, nothing loaded",
        "it is delivered again",
        (after(f"{SUPERVISOR}.partition.actor_directory:ActorDirectory.new"),),
    ),
    Point(
        "6",
        "decided",
        "events and effects are built and in the round; no transaction",
        "the same again, with the same IDs",
        (after(f"{SUPERVISOR}.partition.partition:PartitionSupervisor.activated"),),
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
        (before(f"{SUPERVISOR}.outbox.outbox:Outbox._on_outcome"),),
    ),
    Point(
        "13s",
        "schedule-fired",
        "the start of a schedule's workflow is published, and nothing of that noted",
        "published again with the same ID; it is one run",
        (before(f"{SUPERVISOR}.outbox.outbox:Outbox._on_outcome", _is_start_by_schedule),),
        most=3,
    ),
    Point(
        "14",
        "some-confirmed",
        "one effect confirmed, others outstanding",
        "the others, and perhaps the one, are published again",
        (after(f"{SUPERVISOR}.outbox.outbox:Outbox._end", _has_others),),
        most=3,
    ),
    Point(
        "14b",
        "returned",
        "the broker returned an answer whose reader is gone",
        "answered again, dropped again",
        (before(f"{SUPERVISOR}.outbox.outbox:Outbox._returned"),),
        most=1,
    ),
    Point(
        "15",
        "all-confirmed",
        "all that a message led to is confirmed, its acknowledgement not sent",
        "it comes again, is recognised, and acknowledged",
        (after(f"{SUPERVISOR}.deliveries.acknowledgement:AcknowledgementWindow.take_prefix", _is_not_none),),
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
        "",
        "compensation-half-way",
        "a saga is being undone, half of it is durable",
        "the rest is undone, and nothing twice",
        (before(f"{SUPERVISOR}.rounds:Rounds._let_out", _undoes),),
        most=6,
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
                f"{SUPERVISOR}.outbox.outbox:Outbox._end",
                lambda _, shipment, end: shipment.address.exchange == DEAD_EXCHANGE,
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
        (before(f"{SUPERVISOR}.outbox.outbox:Outbox._end", lambda _, shipment, end: shipment.foreign),),
        most=1,
    ),
    Point(
        "11b",
        "settling",
        "confirms are seen, and forgetting the effects is not committed",
        "the effects are outstanding again, and sent again when a cause says so",
        (after(f"{SUPERVISOR}.partition.partition:PartitionSupervisor.activated", caused_by(Settle)),),
        most=3,
    ),
)
