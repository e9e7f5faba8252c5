"""Light actors: pykka actors without a thread, drained by the host's loop.

A ThreadingActor costs 20 KB, 8 MB of address space and a thread; a light actor 2.4 KB. They stand on pykka's
own extension points (`_create_actor_inbox`, `_create_future`, `_start_actor_loop`) and are used like any
actor: `start()` gives an ActorRef, `tell()` puts a message into the mailbox. Who has the actor itself may
`post()` to it, which is the same at a fraction of the cost. What differs, and why:

- All run in one thread, the one that drains them; `tell` must be called from that thread.
- Never `ask().get()`, `stop()` or a proxy from that thread: the answer could only come from itself. A mailbox
  holds messages without their envelopes, which are for answers.
- They are not in pykka's registry, which is a list that is scanned, under a lock, at every start and stop.
- A BaseException in a handler (workflow code may raise SystemExit) would stop every actor of the process in
  pykka's loop; here any exception ends that one actor, which is told `on_failure`, and nothing else. Memory
  that has run out is no actor's defect: it comes out of the dispatcher.
- pykka's ActorRef holds its actor weakly, because a ThreadingActor's thread keeps it alive. Here the
  `Dispatcher` does, from start to stop.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from itertools import count
from typing import Any, Self

import pykka
from pykka import messages as pykka_messages
from pykka._envelope import Envelope

_numbers = count(1)


class Mailbox(deque[Any]):
    """An inbox without locks that tells its actor when the first message comes: the messages, in order. `put`,
    `get` and `empty` are what pykka asks for."""

    __slots__ = ("owner",)

    def __init__(self) -> None:
        super().__init__()
        self.owner: LightActor | None = None

    def put(self, envelope: Envelope[Any], /) -> None:
        self.append(envelope.message)
        if self.owner is not None:
            self.owner.dispatcher.schedule(self.owner)

    def put_back(self, message: Any) -> None:
        """Put a message in front again, without scheduling: its actor can't handle it just now."""
        self.appendleft(message)

    def get(self) -> Envelope[Any]:
        return Envelope(self.popleft())

    def empty(self) -> bool:
        return not self


class Stopped(threading.Event):
    """Nobody waits for the end of a light actor: what pykka asks for, without the lock that waiting takes."""

    def __init__(self) -> None:
        self._flag = False

    def set(self) -> None:
        self._flag = True


class LightActor(pykka.Actor):
    """Base of the host's own actors. Subclasses implement `on_receive` and may hold back with `is_ready`."""

    actor_inbox: Mailbox

    def __init__(self, dispatcher: Dispatcher) -> None:
        # As pykka.Actor.__init__ does it, but for the URN, which is drawn from the system's random numbers
        # there and only serves the registry that light actors are not in.
        self.actor_urn = f"urn:dalsegno:actor:{next(_numbers)}"
        self.actor_inbox = Mailbox()
        self.actor_stopped = Stopped()
        self.is_stopped = False
        self._actor_ref = pykka.ActorRef(self)
        self.dispatcher = dispatcher
        self.actor_inbox.owner = self
        self.scheduled = False

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> pykka.ActorRef[Self]:
        actor = cls(*args, **kwargs)
        actor._start_actor_loop()
        return actor.actor_ref

    @staticmethod
    def _create_actor_inbox() -> Mailbox:
        return Mailbox()

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return pykka.ThreadingFuture()

    def _start_actor_loop(self) -> None:
        self.dispatcher.adopt(self)
        self._actor_loop_setup()

    def post(self, message: Any) -> None:
        """As `actor_ref.tell`. Raises pykka.ActorDeadError."""
        if self.is_stopped:
            raise pykka.ActorDeadError(f"{self.actor_ref} not found")
        self.actor_inbox.append(message)
        if not self.scheduled:
            self.dispatcher.schedule(self)

    def _stop(self) -> None:
        self._ended()
        self.on_stop()

    def _handle_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        self._ended()

    def _ended(self) -> None:
        self.is_stopped = True
        self.actor_stopped.set()
        self.dispatcher.release(self)

    def is_ready(self) -> bool:
        """Whether mail may be handled now; an actor that is being loaded says no and asks to be scheduled
        again when it has what it needs."""
        return True

    def stop_now(self) -> None:
        """Stop without handling what is left in the mailbox. Stopping twice is ordinary."""
        if not self.is_stopped:
            self._stop()


class Dispatcher:
    """Keeps light actors alive and knows which of them have mail: those in `ready`, in the order in which it
    came."""

    def __init__(self) -> None:
        self._actors: set[LightActor] = set()
        self.ready: deque[LightActor] = deque()

    def adopt(self, actor: LightActor) -> None:
        self._actors.add(actor)

    def release(self, actor: LightActor) -> None:
        self._actors.discard(actor)

    def schedule(self, actor: LightActor) -> None:
        if not actor.scheduled and actor.is_ready():
            actor.scheduled = True
            self.ready.append(actor)

    def run_one(self) -> None:
        """Let the next actor handle one message: fair among actors, in order within one. Whatever it raises
        ends that actor alone."""
        actor = self.ready.popleft()
        actor.scheduled = False
        if actor.is_stopped or not actor.actor_inbox or not actor.is_ready():
            return
        message = actor.actor_inbox.popleft()
        try:
            if isinstance(message, pykka_messages._ActorStop):
                actor._stop()
            else:
                actor.on_receive(message)
        except MemoryError:
            raise  # it is nobody's, and may have left anything half done
        except BaseException:  # noqa: BLE001 - the border of the actor: see the module's text
            failure = sys.exc_info()
            actor._handle_failure(*failure)
            actor.on_failure(*failure)
        if actor.actor_inbox and not actor.is_stopped:
            self.schedule(actor)

    def __len__(self) -> int:
        return len(self._actors)
