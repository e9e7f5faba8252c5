"""What a worker can be told, and how long it waits for what."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import timedelta

from dalsegno.errors import ConfigurationError
from dalsegno.name_rules import why_not_task_queue
from dalsegno.policies import Duration

SPARE_FRACTION = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """All in seconds. The defaults are for production; tests shorten them."""

    started_after: float = 1.0
    """Work that lasts this long is announced, so that the engine can watch and cancel it. Most never does."""
    ask_again_after: float = 5.0
    """No grant for an early task: ask again, then with doubled waits up to `ask_again_after_max`."""
    ask_again_after_max: float = 60.0
    reconnect_after: float = 0.1
    """The first wait after a broken session; doubled up to `reconnect_after_max`, which is short: whoever mends
    a broker, or restarts the host of an embedded one, waits for its workers."""
    reconnect_after_max: float = 2.0
    publish_again_after: float = 0.5
    """An outcome that the broker returned or refused; doubled up to `publish_again_after_max`."""
    publish_again_after_max: float = 30.0
    backlog_patience: float = 10.0
    """Tasks that wait this long for a slot that acknowledged (early) work holds go back to the queue."""
    watchdog: float = 30.0
    """How often an idle worker looks whether the broker has forgotten it."""
    cancel_grace: float = 5.0
    """After the drain timeout: what activities get for cleaning up, and outcomes for their confirms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """Raises ConfigurationError, naming what is wrong, for settings that cannot be."""

    task_queue: str = "default"
    max_concurrent_activities: int = 100
    max_sync_threads: int | None = None
    """How many of them may be sync; None is all."""
    drain_timeout: Duration = 20.0
    timing: Timing = field(default_factory=Timing)

    def __post_init__(self) -> None:
        _require_at_least_1("max_concurrent_activities", self.max_concurrent_activities)
        if self.max_sync_threads is not None:
            _require_at_least_1("max_sync_threads", self.max_sync_threads)
        if not (0 <= self.drain_seconds < math.inf):
            raise ConfigurationError(f"drain_timeout must be 0 seconds or more, not {self.drain_timeout!r}.")
        name = self.task_queue
        if why := why_not_task_queue(name):
            raise ConfigurationError(f"The task_queue {name[:50]!r} {why}.")

    @property
    def drain_seconds(self) -> float:
        timeout = self.drain_timeout
        return timeout.total_seconds() if isinstance(timeout, timedelta) else timeout

    @property
    def sync_threads(self) -> int:
        return self.max_sync_threads or self.max_concurrent_activities

    @property
    def spare(self) -> int:
        """Tasks fetched beyond the slots, to be at hand while outcomes are confirmed: one for ten slots. Below
        ten slots none, so that no task waits behind a long activity here while another worker idles."""
        return self.max_concurrent_activities // SPARE_FRACTION


def _require_at_least_1(name: str, value: int) -> None:
    if value < 1:
        raise ConfigurationError(f"{name} must be 1 or more, not {value}.")
