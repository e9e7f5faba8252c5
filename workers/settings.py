"""What a worker can be told, and how long it waits for what."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from dalsegno import given
from dalsegno.broker.held_bytes import HELD_BYTES, HELD_BYTES_MIN
from dalsegno.data_converter import DataConverter
from dalsegno.data_converter import required as required_converter
from dalsegno.errors import ConfigurationError
from dalsegno.interceptors.worker import WorkerInterceptor
from dalsegno.loop_clock import LoopClock, checked_clock
from dalsegno.observer import Observer, contained
from dalsegno.policies import Duration

SPARE_FRACTION = 10
AT_ONCE_MAX = 50_000
"""With the spare ones, what AMQP can count as a prefetch."""
PREFETCH_MAX = 65_535
BYTES_MAX = 2**62
"""More than any machine has."""
WAITING_ROOM_PER_SLOT = 10
WAITING_ROOM_MIN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTiming:
    """All in seconds. The defaults are for production; tests shorten them."""

    started_after: float = 1.0
    """Work that lasts this long is announced, so that the engine can watch and cancel it. Most never does."""
    ask_again_after: float = 5.0
    """No grant for an early task: ask again, then with doubled waits up to `ask_again_after_max`."""
    ask_again_after_max: float = 60.0
    suspect_after: float = 5.0
    """A late task that came back again and again waits for so long before it asks to run alone: longer than
    `reconnect_after_max`, so that another worker that has it still can say so before."""
    alone_patience: float = 10.0
    """Then it begins without the engine's answer."""
    alone_for: float = 3.0
    """Late work that has lived for so long is not what killed the workers before. What runs alone has to live
    fourfold with each further time that it came back, up to `alone_for_max`: what kills quickly is found soon,
    and what is innocent keeps others waiting for a moment only."""
    alone_for_max: float = 160.0
    alone_again_after: float = 2.0
    """How often it repeats meanwhile that it runs; less than `suspect_after`."""
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
    max_processes: int | None = None
    """For activities with executor="process"; None is one for each processor."""
    drain_timeout: Duration = 20.0
    held_bytes: int = HELD_BYTES
    """Bytes of tasks and outcomes that are here: beyond it none begins. As many may wait for grants."""
    timing: WorkerTiming = field(default_factory=WorkerTiming)
    data_converter: DataConverter = DataConverter.default
    observer: Observer | None = None
    clock: LoopClock | None = None
    """None is the event loop that the worker runs on."""
    interceptors: Sequence[WorkerInterceptor] = ()

    def __post_init__(self) -> None:
        contained(self.observer)
        checked_clock(self.clock)
        try:
            plain = {
                "task_queue": given.task_queue("The task_queue", self.task_queue),
                "max_concurrent_activities": _at_once(
                    "max_concurrent_activities", self.max_concurrent_activities
                ),
                "max_sync_threads": None
                if self.max_sync_threads is None
                else _at_once("max_sync_threads", self.max_sync_threads),
                "max_processes": None
                if self.max_processes is None
                else _at_once("max_processes", self.max_processes),
                "data_converter": required_converter("data_converter", self.data_converter),
                "held_bytes": given.whole("held_bytes", self.held_bytes, least=HELD_BYTES_MIN, most=BYTES_MAX),
                "drain_timeout": given.seconds("drain_timeout", self.drain_timeout),
            }
        except (TypeError, ValueError) as error:
            raise ConfigurationError(str(error)) from None
        for field_name, value in plain.items():
            object.__setattr__(self, field_name, value)

    @property
    def drain_seconds(self) -> float:
        return cast(float, self.drain_timeout)  # since __post_init__

    @property
    def sync_threads(self) -> int:
        return self.max_sync_threads or self.max_concurrent_activities

    @property
    def processes(self) -> int:
        return self.max_processes or os.cpu_count() or 1

    @property
    def spare(self) -> int:
        """Tasks fetched beyond the slots, to be at hand while outcomes are confirmed: one for ten slots. Below
        ten slots none, so that no task waits behind a long activity here while another worker idles."""
        return self.max_concurrent_activities // SPARE_FRACTION

    @property
    def waiting_room(self) -> int:
        """Early tasks that may wait for grants which do not come, without a slot: those of hosts that are cut
        off, which must not keep the worker from the tasks of all others."""
        slots = self.max_concurrent_activities
        wanted = max(WAITING_ROOM_MIN, WAITING_ROOM_PER_SLOT * slots)
        return min(wanted, PREFETCH_MAX - slots - self.spare)


def _at_once(name: str, value: int) -> int:
    return given.whole(name, value, least=1, most=AT_ONCE_MAX)
