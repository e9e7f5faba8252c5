"""What each room of the wire says of its own: whom a message comes from, and how an effect leaves. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome, Cause
from dalsegno.actors.workflow_actor.interface.commands import Caller, Command
from dalsegno.actors.workflow_actor.interface.workflow_of import WorkflowOf
from dalsegno.broker.port import Message
from dalsegno.broker.protocol.codec import reply_address
from dalsegno.broker.protocol.messages import RequestOf, WireMessage

Lane = tuple[str, Hashable]
"""(ID of the run that sends, or of its workflow; "" where it is none; recipient): see `outbox.lanes`."""


class Address(Struct, frozen=True):
    """Where a message goes; `task_queue` names the queue to declare first, if it is one."""

    exchange: str
    routing_key: str
    task_queue: str | None = None


class WireForm(NamedTuple):
    """How effects of one type leave.

    `message` encodes one under a message ID, for a task queue in its content type (None: CBOR). Raises
    MessageTooLargeError for a body that no message can carry, and InvalidMessageError for text that is not
    Unicode; its owner then decides what comes of it.
    """

    address: Callable[[Any], Address]
    message: Callable[[Any, str, str | None], Message]

    is_to_reader: bool = False
    """It goes to a queue that is there as long as its reader: when that is gone, it is as good as confirmed."""

    lane: Callable[[Any], Lane] | None = None
    """Others may come in any order: tasks, and answers to callers, who know each by its kind."""

    transient_id: Callable[[Any, Cause], str] | None = None
    """The message ID of one that is not outstanding: the same when its cause comes again. None if all are."""


Commands = dict[type[WireMessage], Callable[[Any, Message], Command | AwaitOutcome]]
"""What messages of a type ask of a workflow; the message is that in which it came."""

Forms = dict[type, WireForm]
"""By effect."""


def workflow_of(request: RequestOf) -> WorkflowOf:
    """The run of another workflow that a message speaks of."""
    return WorkflowOf(request.workflow_id, request.run_id, request.number)


def request_of(run: WorkflowOf) -> RequestOf:
    """As `workflow_of`, the other way."""
    return RequestOf(workflow_id=run.workflow_id, run_id=run.run_id, number=run.number)


def caller_of(message: Message) -> Caller | None:
    """Where the answer goes; None if none is asked for."""
    address = reply_address(message)
    return None if address is None else Caller(*address)
