"""The edge of a partition: from a delivery to the cause it is, or to the reason why it is none. Only what is
wrong in itself is rejected."""

from __future__ import annotations

from msgspec import Struct

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.wire.translate import COMMANDS
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.commands import ClientCommand, Start
from dalsegno.broker import topology
from dalsegno.broker.port import Delivery, Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import UnsupportedMessageError, decode
from dalsegno.errors import InvalidMessageError
from dalsegno.partition_id import PartitionID

log = get_logger()


CHANGES_STATE = Start, ClientCommand
"""Commands at a client's word, known again by message ID, for as long as `seen` rows are kept."""


class Rejected(Struct, frozen=True):
    """Nobody can ever handle this message. `code` is for the reply, if one was asked for; None means that a
    dead letter is enough."""

    reason: str
    code: wire.ErrorCode | None = "invalid"


class Unread(Struct, frozen=True):
    """It met a defect of ours: there is nothing wrong with the message."""

    reason: str


class ForWorkflow(Struct, frozen=True):
    workflow_id: str
    cause: Cause


class Forward(Struct, frozen=True):
    """Another partition's: publish it there, with the same ID, and in order with what is for the same workflow
    ("" where none is known)."""

    exchange: str
    routing_key: str
    workflow_id: str = ""


class MarkerSeen(Struct, frozen=True):
    nonce: str


Taken = ForWorkflow | Forward | MarkerSeen | Rejected | Unread


class Intake:
    """What arrives at one partition of `partitions`. `nonce` is that of the marker sent last."""

    __slots__ = ("_number", "_partitions", "nonce")

    def __init__(self, partition: PartitionID, partitions: int) -> None:
        self._number = partition.number
        self._partitions = partitions
        self.nonce = ""

    def take(self, delivery: Delivery) -> Taken:
        """What the delivery is. The slot is computed anew, whatever queue it came through: a command in a
        foreign partition is forwarded, never applied.
        """
        try:
            return self._take(delivery.message)
        except UnsupportedMessageError as error:
            return Rejected(error.reason, "unsupported")
        except InvalidMessageError as error:
            return Rejected(error.reason)
        except MemoryError:
            raise
        except Exception as error:
            # A defect of ours: it must not take the partition down each time that the message comes again.
            log.exception("message_unreadable", partition=self._number, type=delivery.message.type)
            return Unread(f"it cannot be read, by a defect of dalsegno: {error!r}")

    def _take(self, message: Message) -> Taken:
        """Raises InvalidMessageError."""
        body = decode(message)
        if isinstance(body, wire.Marker):
            return MarkerSeen(body.nonce)
        workflow_id = getattr(body, "workflow_id", None)
        if workflow_id is None:
            return Rejected(f"a message of the type {body.TYPE!r} is not for a workflow")
        if topology.slot_of(workflow_id) % self._partitions != self._number:
            is_result = isinstance(body, wire.ToResults)
            exchange = topology.RESULTS_EXCHANGE if is_result else topology.COMMANDS_EXCHANGE
            return Forward(exchange, topology.routing_key_of(workflow_id), workflow_id)
        return self._cause(workflow_id, body, message)

    def _cause(self, workflow_id: str, body: wire.WireMessage, message: Message) -> Taken:
        to_command = COMMANDS.get(type(body))
        if to_command is None:
            return Rejected(f"a message of the type {body.TYPE!r} is not a command to a workflow")
        command = to_command(body, message)
        name = f"{body.TYPE} {message.message_id}" if message.message_id else body.TYPE
        recognisable = message.message_id is not None and isinstance(command, CHANGES_STATE)
        cause = Cause(
            command,
            name=name,
            message_id=message.message_id,
            message_type=body.TYPE,
            recognisable=recognisable,
        )
        return ForWorkflow(workflow_id, cause)
