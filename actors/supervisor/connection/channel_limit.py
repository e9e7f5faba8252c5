"""Whether a connection may have as many channels as a host needs."""

from __future__ import annotations

from dalsegno.broker.port import Session
from dalsegno.errors import ConfigurationError

CHANNELS_BESIDE = 8
"""What a session's connection needs beside one channel for each partition, which a host may all have: the
queues that every host serves, questions, declarations, and what is closing while its successor opens."""


def require_channels(session: Session, partitions: int) -> None:
    """Raises ConfigurationError."""
    allowed, needed = session.channel_max, partitions + CHANNELS_BESIDE
    if allowed is not None and allowed < needed:
        raise ConfigurationError(
            f"RabbitMQ allows {allowed} channels a connection (its channel_max), and a host of "
            f"{partitions} partitions needs {needed}: set channel_max to that at least "
            "(its default is 2047), or make the namespace with fewer partitions"
        )
