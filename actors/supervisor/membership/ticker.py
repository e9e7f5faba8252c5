"""Ticks for an actor, from a thread of its own."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue
from typing import Any

import pykka

from dalsegno.actors.supervisor.failing.fail_stop import Escaped, contained


class Ticker:
    """Tells the actor `message` after each pause that it is given: never more than one is under way. Without
    ticks no lease is renewed, so whatever ends its thread escapes."""

    def __init__(self, actor: pykka.ActorRef[Any], message: object, escaped: Escaped) -> None:
        self._actor = actor
        self._message = message
        self._pauses: SimpleQueue[float | None] = SimpleQueue()
        self._thread = threading.Thread(target=contained, args=(escaped, self._run), name="ticker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def after(self, seconds: float) -> None:
        self._pauses.put(seconds)

    def stop(self) -> None:
        """No further ticks, but for one that may be under way. The thread ends after its pause."""
        self._pauses.put(None)

    def _run(self) -> None:
        while (seconds := self._pauses.get()) is not None:
            time.sleep(seconds)
            try:
                self._actor.tell(self._message)
            except pykka.ActorDeadError:
                return
