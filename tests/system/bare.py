"""A client with nothing of ours: pika, JSON and zlib, as docs/protocol.md tells strangers to do it."""

from __future__ import annotations

import json
import time
import uuid
import zlib
from collections.abc import Iterator
from typing import Any, Self

import cbor2
import pika  # type: ignore[import-untyped]
from pika.adapters.blocking_connection import BlockingChannel  # type: ignore[import-untyped]

REPLY_SECONDS = 40.0
"""A host may have to be started anew meanwhile."""


class Bare:
    """A connection, a confirming channel, and a reply queue. A context manager, for one thread."""

    def __init__(self, url: str) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel: BlockingChannel = self._connection.channel()
        self.channel.confirm_delivery()
        self.reply_queue: str = self.channel.queue_declare("", exclusive=True).method.queue
        self._replies: dict[str, list[dict[str, Any]]] = {}
        self.channel.basic_consume(self.reply_queue, self._on_reply, auto_ack=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def fresh_channel(self) -> BlockingChannel:
        """For what may close it."""
        return self._connection.channel()

    def _on_reply(self, _channel: object, _method: object, properties: Any, body: bytes) -> None:
        reply = json.loads(body) if properties.content_type == "application/json" else cbor2.loads(body)
        self._replies.setdefault(properties.correlation_id, []).append(reply)

    def send(
        self,
        kind: str | None,
        body: dict[str, Any] | bytes,
        *,
        exchange: str = "dalsegno.commands",
        routing_key: str | None = None,
        content_type: str = "application/json",
        message_id: str | None = "",
        **properties: Any,
    ) -> str:
        """Publish and await the confirm; the message ID is returned. A fresh one is drawn unless one is given;
        None sends none, and answers then come for the correlation ID "none"."""
        if message_id == "":
            message_id = str(uuid.uuid4())
        if routing_key is None:
            assert isinstance(body, dict)
            routing_key = slot_key(body["workflow_id"])
        if message_id is None:
            properties.setdefault("correlation_id", "none")
        self.channel.basic_publish(
            exchange=exchange,
            routing_key=routing_key,
            body=body if isinstance(body, bytes) else json.dumps(body).encode(),
            properties=self.properties(kind, message_id, content_type=content_type, **properties),
            mandatory=True,
        )
        return message_id or "none"

    def properties(self, kind: str | None, message_id: str | None, **others: Any) -> pika.BasicProperties:
        usual = {"content_type": "application/json", "delivery_mode": 2, "reply_to": self.reply_queue}
        return pika.BasicProperties(type=kind, message_id=message_id, **{**usual, **others})

    def reply(
        self, message_id: str, kind: str | None = None, *, seconds: float = REPLY_SECONDS
    ) -> dict[str, Any]:
        """The next reply to a message of ours, of that kind if one is given: replies may come more than once.

        TimeoutError if none comes.
        """
        deadline = time.monotonic() + seconds
        while True:
            for reply in self._taken(message_id):
                if kind in (None, reply.get("kind")):
                    return reply
            if time.monotonic() > deadline:
                raise TimeoutError(f"no reply to {message_id} within {seconds:g} s")
            self._connection.process_data_events(time_limit=0.1)

    def _taken(self, message_id: str) -> Iterator[dict[str, Any]]:
        arrived = self._replies.get(message_id, [])
        while arrived:
            yield arrived.pop(0)

    def ask(self, kind: str, body: dict[str, Any], **how: Any) -> dict[str, Any]:
        return self.reply(self.send(kind, body, **how))

    def control(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask through the control queue."""
        return self.ask(kind, body, exchange="", routing_key="dalsegno.control")

    def start(self, workflow_type: str, workflow_id: str, *args: Any, message_id: str = "") -> str:
        """Start a workflow, with both replies wanted; the message ID is returned."""
        body = {
            "workflow_id": workflow_id,
            "workflow_type": workflow_type,
            "args": list(args),
            "replies": ["accepted", "result"],
        }
        return self.send("workflow.start", body, message_id=message_id)

    def taken_from(self, queue: str) -> list[tuple[Any, bytes]]:
        """All that is ready in a queue, taken out of it: properties and body of each."""
        found: list[tuple[Any, bytes]] = []
        while True:
            method, properties, body = self.channel.basic_get(queue, auto_ack=True)
            if method is None:
                return found
            found.append((properties, body))


def slot_key(workflow_id: str) -> str:
    return f"slot.{zlib.crc32(workflow_id.encode()) % 1024}"
