"""Intents are kept as they will be read: what a reader would refuse is found before anything is committed.

What user code hands over is looked at when it is handed over (`dalsegno.given`). This is the second look, for
what slipped through: a value of another type, a text that is not Unicode, a number that is too large.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from dalsegno.actors.workflow_actor.activities.intents import ScheduleLocalActivity
from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.actors.workflow_actor.program.port import KnownActivities, WorkflowCodeError
from dalsegno.actors.workflow_actor.run.intents import SetSign
from dalsegno.actors.workflow_actor.run.interpret import ENDS, WANTS
from dalsegno.error_text import message_of

NAMES_SHOWN_MAX = 20

# Not the codec that stores: this one refuses subclasses, and is the cheapest (2 microseconds an intent).
_encoder = msgspec.msgpack.Encoder()
_decoders: dict[type, msgspec.msgpack.Decoder[Any]] = {
    kind: msgspec.msgpack.Decoder(kind) for kind in (SetSign, *WANTS, *ENDS)
}


def require_storable(intents: Sequence[Intent], local_activities: KnownActivities | None) -> None:
    """Raises WorkflowCodeError for what cannot be stored, or not be read again, and for local activities that
    this host does not have."""
    for intent in intents:
        if type(intent) is ScheduleLocalActivity:
            _require_known(intent, local_activities)
        try:
            _decoders[type(intent)].decode(_encoder.encode(intent))
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as error:
            where = f" ({intent.line})" if isinstance(intent.line, str) and intent.line else ""
            what = f"What the code asked for{where} cannot be stored: {type(intent).__name__}."
            raise WorkflowCodeError(f"{what} {message_of(error, 500)}") from None


def _require_known(intent: ScheduleLocalActivity, known: KnownActivities | None) -> None:
    if known is not None and known.find(intent.activity_type) is not None:
        return
    has = "none" if known is None else shown_names(known.names)
    raise WorkflowCodeError(
        f"The workflow wants the local activity {intent.activity_type!r} ({intent.line}), which this host does "
        f"not have; it has: {has}. Give the host the module that defines or imports it, or use "
        "workflow.execute_activity for one that workers run."
    )


def shown_names(names: Sequence[str]) -> str:
    """The first of them."""
    return ", ".join(names[:NAMES_SHOWN_MAX]) + (", ..." if len(names) > NAMES_SHOWN_MAX else "") or "none"
