"""The settings of a host, validated when built."""

from __future__ import annotations

from dataclasses import dataclass, field

from dalsegno.broker.held_bytes import HELD_BYTES, HELD_BYTES_MIN
from dalsegno.errors import ConfigurationError

SEEN_RETENTION_SECONDS = 24 * 3600.0
"""For people who look at a failure the next day and repeat what they sent."""
SEEN_RETENTION_SECONDS_MIN = 3600.0
"""Clients and brokers repeat for as long as an outage lasts, and what they repeat must be recognised."""

SEEN_RETENTION_SECONDS_MAX = 100 * 365 * 86_400.0
LEASE_TTL_SECONDS_MIN = 2.0
LEASE_TTL_SECONDS_MAX = 3600.0
"""A dead host's work would stand still as long."""


@dataclass(frozen=True, slots=True)
class HostSettings:
    """Defaults suit production; each says its unit and why it is what it is."""

    lease_ttl_seconds: float = 10.0
    """A dead host's partitions go on after at most this; shorter means more renewals and more false alarms."""
    prefetch: int = 300
    """Deliveries held per partition."""
    held_bytes: int = HELD_BYTES
    """Bytes of bodies in deliveries held, over all partitions. What does not fit waits at the broker, but each
    partition has one message at any time."""
    round_activations: int = 200
    """A round's bound: beyond it the gain of a larger commit is small and latency grows."""
    round_seconds: float = 0.05
    round_bytes: int = 16 * 1024 * 1024
    """Bytes of journal, snapshots, mail and answers. No activation begins beyond it: a round has no more than
    this, and what its last one adds."""
    idle_seconds: float = 10.0
    """An instance that was idle for this long leaves memory."""
    max_idle_instances: int = 1000
    """Per process, shared over its partitions: beyond it the longest idle leave at once, but for those whose
    activities are under way."""
    history_limit: int = 10_000
    """Journal rows that a run keeps behind its newest snapshot; history only, nothing needs them."""
    step_limit: int = 10_000
    """Things (activities, timers) that a workflow may want before it waits for any: meanwhile all else waits.
    Beyond it the workflow is suspended, before the watchdog kills the process for it."""
    seen_retention_seconds: float = SEEN_RETENTION_SECONDS
    """How long the message IDs of answered commands are remembered. All hosts of a namespace should have the
    same: whichever of them happens to trim, trims by its own."""
    scan_interval_seconds: float = 10.0
    """How often the database is asked for wake-ups of the next 30 s."""
    drain_seconds: float = 8.0
    """How long a hand-over waits for what was delivered; then it comes again elsewhere."""
    sent_at_once: int = 500
    """Messages that are given to the broker in one turn of the loop: some 20 ms of it."""
    json_task_queues: frozenset[str] = field(default=frozenset())
    """Task queues whose workers read JSON instead of CBOR."""

    def __post_init__(self) -> None:
        if not LEASE_TTL_SECONDS_MIN <= self.lease_ttl_seconds <= LEASE_TTL_SECONDS_MAX:
            raise ConfigurationError(
                f"lease_ttl_seconds is {self.lease_ttl_seconds:g}, but must be {LEASE_TTL_SECONDS_MIN:g} to "
                f"{LEASE_TTL_SECONDS_MAX:g}"
            )
        if not 1 <= self.prefetch <= 2000:
            raise ConfigurationError(f"prefetch is {self.prefetch}, but must be 1 to 2000 (RabbitMQ's limit)")
        if self.held_bytes < HELD_BYTES_MIN:
            raise ConfigurationError(
                f"held_bytes is {self.held_bytes}, but must be {HELD_BYTES_MIN} or more: the largest message"
            )
        if not SEEN_RETENTION_SECONDS_MIN <= self.seen_retention_seconds <= SEEN_RETENTION_SECONDS_MAX:
            raise ConfigurationError(
                f"seen_retention_seconds is {self.seen_retention_seconds:g}, but must be "
                f"{SEEN_RETENTION_SECONDS_MIN:g} to {SEEN_RETENTION_SECONDS_MAX:.0f}"
            )
        if self.step_limit < 1:
            raise ConfigurationError(f"step_limit is {self.step_limit}, but must be 1 or more")
        if self.history_limit < 0:
            raise ConfigurationError(f"history_limit is {self.history_limit}, but must be 0 or more")
