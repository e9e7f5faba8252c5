"""What a host does now and then beside its partitions, on threads and connections of its own."""

from __future__ import annotations

from collections.abc import Callable

from dalsegno.actors.supervisor.database.duties import Duties
from dalsegno.actors.supervisor.database.own_threads import NewThread
from dalsegno.actors.supervisor.database.reading_thread import ToLoop
from dalsegno.actors.supervisor.inbox.relay import Relay
from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.actors.supervisor.world import Clock
from dalsegno.persistence.port import Store

LOOK_SECONDS = 0.5


class Beside:
    """`is_first`: whether this is the first of the live hosts; `may_send`: whether the broker is there."""

    def __init__(
        self,
        store: Store,
        to_loop: ToLoop,
        outbox: Outbox,
        clock: Clock,
        *,
        seen_retention_seconds: float,
        is_first: Callable[[], bool],
        may_send: Callable[[], bool],
        new_thread: NewThread,
    ) -> None:
        self._duties = Duties(
            store.membership(),
            to_loop,
            seen_retention_seconds=seen_retention_seconds,
            is_mine=is_first,
            now=clock.now,
            monotonic=clock.monotonic,
            new_thread=new_thread,
        )
        self._relay = Relay(
            store.inbox(),
            outbox,
            to_loop,
            is_first=is_first,
            may_send=may_send,
            now=clock.now,
            monotonic=clock.monotonic,
            new_thread=new_thread,
        )

    def look(self) -> None:
        """To be called every LOOK_SECONDS."""
        self._duties.look()
        self._relay.look()

    def close(self) -> None:
        self._duties.close()
        self._relay.close()
