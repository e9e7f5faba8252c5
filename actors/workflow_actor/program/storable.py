"""Intents are kept as they will be read: what a reader would refuse is found before anything is committed.

What user code hands over is looked at when it is handed over (`dalsegno.given`). This is the second look, for
what slipped through: a value of another type, a text that is not Unicode, a number that is too large.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.actors.workflow_actor.run.intents import SetSign
from dalsegno.actors.workflow_actor.run.interpret import ENDS, WANTS
from dalsegno.error_text import message_of

# Not the codec that stores: this one refuses subclasses, and is the cheapest (2 microseconds an intent).
_encoder = msgspec.msgpack.Encoder()
_decoders: dict[type, msgspec.msgpack.Decoder[Any]] = {
    kind: msgspec.msgpack.Decoder(kind) for kind in (SetSign, *WANTS, *ENDS)
}


def require_storable(intents: Sequence[Intent]) -> None:
    """Raises WorkflowCodeError for what cannot be stored, or not be read again."""
    for intent in intents:
        try:
            _decoders[type(intent)].decode(_encoder.encode(intent))
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as error:
            where = f" ({intent.line})" if isinstance(intent.line, str) and intent.line else ""
            what = f"What the code asked for{where} cannot be stored: {type(intent).__name__}."
            raise WorkflowCodeError(f"{what} {message_of(error, 500)}") from None
