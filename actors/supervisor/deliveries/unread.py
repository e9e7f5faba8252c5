"""Messages that this host cannot read for a defect of its own. They are put back at the end of their queue,
after a while and again and again, until a host can read them: nothing is lost, and all else goes on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dalsegno.actors.supervisor.deliveries.intake import Forward
from dalsegno.actors.supervisor.world import Clock
from dalsegno.actors.workflow_actor.interface.cause import Cause, Origin
from dalsegno.actors.workflow_actor.interface.commands import WakeUp

PUT_BACK_SECONDS = 10.0


def put_back_later(clock: Clock, forward: Callable[[Forward, Cause], None], queue: str, origin: Origin) -> None:
    """`forward` it to its `queue` again. It stays unacknowledged until the copy is confirmed."""
    cause = Cause(WakeUp(), name="unread", origin=origin)
    clock.call_later(PUT_BACK_SECONDS, partial(_put_back, forward, Forward("", queue), cause))


def _put_back(forward: Callable[[Forward, Cause], None], to: Forward, cause: Cause) -> None:
    if not cause.is_void:  # else it comes again by itself
        forward(to, cause)
        cause.done()
