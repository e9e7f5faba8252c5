"""Requests that have killed hosts, and that the code of their run is spared; it goes on without them. A signal
goes into the quarantine, and who asks for an update, or has the quarantine changed, is told so.

What else comes to a run cannot be taken from it: a result, a timer, a request to cancel. Where that kills
hosts, or one of several signals that were recorded before the code ran, the run is suspended. So it is where
too many requests do: it is not their fault then, but the code's.
"""

from __future__ import annotations

from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.signals.commands import (
    SettleQuarantined,
    Signal,
    StruckSignal,
)
from dalsegno.actors.workflow_actor.signals.set_aside import has_room
from dalsegno.actors.workflow_actor.signals.strikes import has_room_for_struck
from dalsegno.actors.workflow_actor.stored.format_3 import NUMBER as FORMAT_3
from dalsegno.actors.workflow_actor.updates.commands import Update

SIGNAL = "workflow.signal "
REQUESTS = (SIGNAL, "workflow.update ", "workflow.quarantine ")
"""What the names of their messages begin with: the type, before the ID."""

REQUESTS_MAX = 10
"""That have killed hosts in one run, with the same code."""


def is_spared(mark: str, *, sets_aside: bool) -> bool:
    """It is the mark of a request that is kept from the code. `sets_aside`: signals are."""
    return mark.startswith(REQUESTS) and (sets_aside or not mark.startswith(SIGNAL))


def spares_signals(instance: Instance) -> bool:
    """There is a quarantine, and the workflow wants signals in it that its code cannot take."""
    if instance.state is None or instance.codec.writes < FORMAT_3:
        return False
    info = instance.state.info
    return instance.code.sets_signals_aside(info.task_queue, info.workflow_type)


def may_set_aside(instance: Instance, signal: Signal) -> bool:
    """There is room for it, too."""
    state = instance.state
    if state is None or not spares_signals(instance):
        return False
    return has_room(state.quarantine, signal.args) and has_room_for_struck(state.quarantine)


def set_aside(signal: Signal, why: str) -> StruckSignal:
    return StruckSignal(
        name=signal.name,
        args=signal.args,
        why=why,
        headers=signal.headers,
        run_id=signal.run_id,
        caller=signal.caller,
        asker=signal.asker,
        child_of=signal.child_of,
    )


def refusal(command: Update | SettleQuarantined, workflow_id: str, why: str) -> tuple[str, str]:
    what = f"the update {command.name!r}" if isinstance(command, Update) else "what is in its quarantine"
    told = f"{what} is not given to workflow {workflow_id!r} again: when it was, {why}"
    return "rejected", f"{told}. Deploy code in which that is mended, and ask anew"
