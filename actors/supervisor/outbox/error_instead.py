"""What is answered when the broker never takes the answer itself."""

from __future__ import annotations

from dalsegno.actors.supervisor.wire import replies
from dalsegno.actors.workflow_actor.interface.commands import Caller
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode
from dalsegno.broker.protocol.ids import derived_message_id
from dalsegno.errors import InvalidMessageError


def error_instead(answer: Message, reply_to: str, reason: str) -> Message | None:
    """A short one that says why. None for what nobody asked for, and for what is such an error already."""
    try:
        body = decode(answer)
    except InvalidMessageError:
        return None
    error: wire.Reply | wire.ControlReply
    match body:
        case wire.Reply(error=None):
            whose = {"workflow_id": body.workflow_id, "run_id": body.run_id}
            error = replies.refused("too_large", reason[:1000], kind=body.kind, **whose)
        case wire.ControlReply(error=None):
            error = replies.control_refused("too_large", reason[:1000])
        case _:
            return None
    caller = Caller(reply_to, answer.correlation_id or "", answer.content_type or "")
    return replies.message(error, caller, derived_message_id(answer.message_id or "", "too large"))
