"""Messages that are wrong in other ways than by their bytes.

misdirected      sound, in a queue whose reader has no use for them
AMQP_PROPERTIES  what only AMQP can carry, on a message that nobody knows
POISONS          sound, with arguments that whoever unpacks them will stumble over
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import cbor2
import pika  # type: ignore[import-untyped]
from msgspec.structs import replace

from dalsegno.broker import topology
from dalsegno.broker.port import Message
from dalsegno.broker.protocol.codec import encode
from dalsegno.broker.protocol.messages import ActivityTask
from dalsegno.payload import BINARY_PLAIN, JSON_PLAIN, Payload
from tests.protocol import vectors
from tests.protocol.hostile import CANARY, CBOR_TABLE, JSON_TABLE

KNOWN = frozenset(vector["type"] for vector in vectors.MESSAGES)
FOR_WORKFLOWS = frozenset(
    kind for kind in KNOWN if kind.startswith(("workflow.", "activity.")) and kind != "activity.task"
) - {"activity.grant", "activity.cancel"}
HOST_NEWS = frozenset(("host.released", "host.joined", "host.task_queue_lost", "host.namespace_declared"))
FORWARDED = frozenset(("workflow.describe", "workflow.query"))


def misdirected(queue: str) -> Iterator[Message]:
    """In either encoding, and without an address for an answer."""
    for number, vector in enumerate(vectors.MESSAGES):
        if vector["type"] not in _wanted(queue):
            for label, message in (("cbor", vectors.as_cbor(vector)), ("json", vectors.as_json(vector))):
                yield replace(message, message_id=f"astray-{number}-{label}-{queue}")


def _wanted(queue: str) -> frozenset[str]:
    kind = queue.removeprefix("dalsegno.").partition(".")[0]
    if queue == topology.CONTROL_QUEUE:
        return FORWARDED
    if queue in (topology.DEAD_TASKS_QUEUE, topology.task_queue("default")):
        return frozenset(("activity.task",))
    return {
        "partition": FOR_WORKFLOWS | {"partition.marker"},
        "worker": frozenset(("activity.grant", "activity.cancel", "worker.levels")),
        "host": HOST_NEWS,
    }[kind]


def _nested(levels: int) -> dict[str, Any]:
    table: dict[str, Any] = {"note": CANARY}
    for _ in range(levels):
        table = {"within": table, "beside": [table]}
    return table


AMQP_PROPERTIES: Mapping[str, Mapping[str, Any]] = {
    "a type that is not text": {"type": b"\xff\xfe"},
    "a type of 255 bytes that are not text": {"type": b"\xff" * 255},
    "a message ID that is not text": {"message_id": b"\xff"},
    "a content type that is not text": {"content_type": b"\xff"},
    "a correlation ID that is not text": {"correlation_id": b"\xff"},
    "a reply_to that is not text": {"reply_to": b"\xff"},
    "a time in the year 5000": {"timestamp": 95_617_584_000},
    "a time beyond all years": {"timestamp": 2**63 - 1},
    "a time of 2^64 - 1": {"timestamp": 2**64 - 1},
    "gzip, it says": {"content_encoding": "gzip"},
    "an unknown content encoding": {"content_encoding": CANARY},
    "the highest priority": {"priority": 255},
    "to be kept in memory": {"delivery_mode": 1},
    "all strings": {"app_id": CANARY, "cluster_id": CANARY, "user_id": "guest", "content_encoding": "x"},
    "no properties": {},
    "headers 8 deep": {"headers": _nested(8)},
    "headers of all types": {
        "headers": {
            "text": CANARY,
            "bytes": b"\xff",
            "number": 2**40,
            "truth": True,
            "nothing": None,
            "fraction": Decimal("1.25"),
            "time": datetime(2026, 11, 21, tzinfo=UTC),
            "list": [CANARY, 1, None],
        }
    },
    "a header without a name": {"headers": {"": CANARY}},
    "a header whose name is not text": {"headers": {b"\xff" * 255: CANARY}},
    "64 headers": {"headers": {f"x-{number}": CANARY for number in range(64)}},
    "100 KB of headers": {"headers": {"x": CANARY * 17_000}},
    "forged deaths": {
        "headers": {
            "x-death": [{"queue": CANARY, "reason": "rejected", "count": 10**6, "exchange": ""}],
            "x-first-death-queue": CANARY,
            "x-delivery-count": 10**9,
            "x-dalsegno-reason": CANARY,
            "x-dalsegno-routing-key": CANARY,
        }
    },
    **{
        f"a forged direct reply, {token[:8]!r}": {
            "reply_to": f"amq.rabbitmq.reply-to.{token}",
            "message_id": "asks",
            "type": "workflow.describe",
        }
        for token in ("", "x", "g1gCZ2QAEHJlcGx5QDI1NjY1NDUwMDgAAAAAAAAAAAAAAAA=.x", "g2gC.k", "A" * 230)
    },
    "a malformed traceparent": {"headers": {"traceparent": f"{CANARY}-\r\n"}},
    "a schema version": {"headers": {"schema": "1", "version": 999}},
}


def odd_properties(what: str) -> pika.BasicProperties:
    return pika.BasicProperties(**AMQP_PROPERTIES[what])


POISONS: Mapping[str, Payload] = {
    **{f"JSON, {what}": Payload(JSON_PLAIN, body) for what, body in JSON_TABLE.items()},
    **{f"CBOR, {what}": Payload(JSON_PLAIN, body) for what, body in CBOR_TABLE.items() if len(body) < 1000},
    "500,000 lists": Payload(JSON_PLAIN, b"[" * 250_000 + b"]" * 250_000),
    "another type": Payload(JSON_PLAIN, b'["c4n4ry"]'),
    "bytes": Payload(BINARY_PLAIN, CANARY.encode()),
    "an unknown encoding": Payload("of/nobody", cbor2.dumps(CANARY)),
    "no encoding": Payload("", CANARY.encode()),
    "an encoding of 10 KB": Payload("x" * 10_000, CANARY.encode()),
}
"""Arguments. Only those who call the user's code find out that they are none."""


def poisoned_tasks() -> Iterator[Message]:
    """Of runs that nobody knows."""
    for number, poison in enumerate(POISONS.values()):
        task = ActivityTask(
            workflow_id="nobody",
            run_id=f"run-{number}",
            workflow_type="Order",
            activity_id="1",
            activity_type="charge",
            task_queue="default",
            attempt=1,
            token=number.to_bytes(16, "big"),
            fence=1,
            idempotency_key=f"run-{number}/1",
            exchange=topology.RESULTS_EXCHANGE,
            routing_key=topology.routing_key_of("nobody"),
            args=(poison,),
            scheduled_at=1,
            start_to_close=60_000_000,
        )
        yield encode(task, message_id=f"task-{number}")
