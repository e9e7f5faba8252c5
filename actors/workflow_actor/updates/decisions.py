"""What comes of an update."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.interface.decision import NOTHING, Decision
from dalsegno.actors.workflow_actor.interface.recipients import QueueOf
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.actors.workflow_actor.updates.events import UpdateAdmitted, UpdateAwaited, Updated, UpdateEvent
from dalsegno.actors.workflow_actor.updates.update import (
    AWAITERS_MAX,
    OPEN_MAX,
    RunOfUpdates,
    UpdateAwaiter,
    has_come_to,
    stage_of,
)

NOT_YET = (
    "rejected",
    "updates cannot be stored yet: replace all hosts of older versions, and run `dalsegno init`",
)
"""As long as the namespace is written in a format that has no place for them."""


def known_before(state: RunOfUpdates, command: Update) -> Decision[UpdateEvent] | None:
    """What comes of one that the run knows by its ID, open or ended; None for a new one."""
    if stage_of(state, command.update_id) is None:
        return None
    return Decision(events=awaited(state, command)) if awaited(state, command) else NOTHING


def awaited(state: RunOfUpdates, command: Update) -> tuple[UpdateAwaited, ...]:
    """Its caller is to be told of it later, unless that is on record, it has come so far by now, or there are
    so many already."""
    stage = stage_of(state, command.update_id)
    if stage is None or command.caller is None or has_come_to(stage, command.wait_for):
        return ()
    awaiter = UpdateAwaiter(QueueOf(command.caller), command.wait_for)
    awaiters = state.updates[command.update_id].awaiters
    if awaiter in awaiters or len(awaiters) >= AWAITERS_MAX:
        return ()
    return (UpdateAwaited(command.update_id, awaiter),)


def too_many(state: RunOfUpdates) -> tuple[str, str] | None:
    """Why no more are taken; None if there is room."""
    if len(state.updates) < OPEN_MAX:
        return None
    return "rejected", f"{OPEN_MAX:,} updates of the run are open: wait for some of them, and send it again"


def admitted(command: Update, *, validated: bool) -> Decision[UpdateEvent]:
    event = UpdateAdmitted(command.update_id, command.name, command.args, validated, command.headers)
    return Decision(events=(event,))


def as_input(command: Update) -> Updated:
    return Updated(update_id=command.update_id, name=command.name, args=command.args, headers=command.headers)
