"""Ticks for an actor, from a thread of its own."""

from __future__ import annotations

import threading
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
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=contained, args=(escaped, self._run), name="ticker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def after(self, seconds: float) -> None:
        self._pauses.put(seconds)

    def stop(self) -> None:
        """No further ticks, but for one that may be under way. The thread ends, whatever its pause."""
        self._stopped.set()
        self._pauses.put(None)

    def _run(self) -> None:
        while (seconds := self._pauses.get()) is not None:
            if self._stopped.wait(seconds):
                return
            try:
                self._actor.tell(self._message)
            except pykka.ActorDeadError:
                return
