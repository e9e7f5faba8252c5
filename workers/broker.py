"""The broker of a worker, and what is held of its messages."""

from __future__ import annotations

from dalsegno.broker.held_bytes import HELD_BYTES
from dalsegno.broker.port import Broker
from dalsegno.broker.url import open_broker


def open_worker_broker(url: str, *, held_bytes: int = HELD_BYTES) -> Broker:
    """Bounded in bytes on the embedded broker. On RabbitMQ what does not fit would wait for whatever the worker
    has begun, for hours, while other workers idle: there the number of tasks is the bound. Raises
    ConfigurationError as `open_broker` does.
    """
    is_embedded = url.partition(":")[0].lower() == "embedded"
    return open_broker(url, held_bytes=held_bytes if is_embedded else None)
