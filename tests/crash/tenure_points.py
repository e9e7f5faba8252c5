"""Points in the life of a host and its instances: timers, snapshots, leases, hand-over, passivation."""

from __future__ import annotations

from typing import Any

from dalsegno.actors.workflow_actor.interface.commands import WakeUp
from tests.crash.point import PERSISTENCE, SQLITE, SUPERVISOR, Need, Point
from tests.crash.wrapping import (
    after,
    before,
    between_tables,
    caused_by,
)


def _found(result: Any, *_: Any) -> bool:
    return bool(result)


def _with_snapshot(round_: Any) -> bool:
    return round_ is not None and any(write.snapshot is not None for write in round_.instances)


def _is_open(_partition: Any, actor: Any) -> bool:
    status = actor.instance.status if actor.is_loaded else None
    return status is not None and not status.closed


TENURE_POINTS = (
    Point(
        "5",
        "snapshot-read",
        "snapshot decoded, the journal behind it not folded",
        "it is delivered again, and loaded again",
        (after("dalsegno.actors.workflow_actor.stored.loading:_of_snapshot"),),
        need=Need.TAKE_OVER,
        most=1,
    ),
    Point(
        "18",
        "timer-found",
        "wake-ups read from the database, none fired",
        "each fires once",
        (after(f"{SUPERVISOR}.wakeups.alarm_clock:AlarmClock.found", lambda _, _clock, due: bool(due)),),
        need=Need.TAKE_OVER,
        most=1,
    ),
    Point(
        "18b",
        "timer-fired",
        "a wake-up was handled, and not committed",
        "it fires once",
        (after(f"{SUPERVISOR}.partition.partition:PartitionSupervisor.activated", caused_by(WakeUp)),),
        most=3,
    ),
    Point(
        "19",
        "snapshot-built",
        "a snapshot is built, and in no transaction",
        "the old one holds",
        (after(f"{SUPERVISOR}.round.round:RoundBuilder.build", lambda round_, *_: _with_snapshot(round_)),),
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
        (before(f"{SUPERVISOR}.partition.partition:PartitionSupervisor.go_live"),),
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
        (before(f"{SUPERVISOR}.host.host:Host.partition_released"),),
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
        (before(f"{SUPERVISOR}.partition.partition:PartitionSupervisor.retire", _is_open),),
        need=Need.IDLE,
        most=2,
    ),
    Point(
        "29",
        "restarted",
        "an actor was thrown away, its successor is being loaded",
        "it is loaded by another",
        (after(f"{SUPERVISOR}.partition.actor_directory:ActorDirectory.restart"),),
        most=1,
    ),
)
