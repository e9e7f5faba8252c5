"""The library's errors, said in ours. Here alone they are told apart."""

from __future__ import annotations

import ssl
from asyncio import CancelledError

from aiormq.exceptions import (
    AMQPChannelError,
    AMQPError,
    AuthenticationError,
    ChannelAccessRefused,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    IncompatibleProtocolError,
    ProbableAuthenticationError,
    ProtocolSyntaxError,
)

from dalsegno.broker.port import Fault
from dalsegno.broker.rabbitmq.address import BrokerAddress
from dalsegno.errors import BrokerUnavailableError, ConfigurationError, DalsegnoError, TopologyError

NOT_ALLOWED = "NOT_ALLOWED"
"""How RabbitMQ begins its answer to a virtual host that is missing, forbidden, or down."""


CONTENT_TOO_LARGE, PRECONDITION_FAILED = 311, 406
FRAME_ERROR, SYNTAX_ERROR, UNEXPECTED_FRAME = 501, 502, 505
CHANNEL_FAULTS = frozenset((CONTENT_TOO_LARGE, PRECONDITION_FAILED))
"""The codes by which a broker refuses what a message is; all others are about where it goes, or the broker."""
CONNECTION_FAULTS = frozenset((FRAME_ERROR, SYNTAX_ERROR, UNEXPECTED_FRAME))


def channel_fault(code: int) -> Fault:
    """What a channel was closed over, by the broker's code."""
    return Fault.MESSAGE if code in CHANNEL_FAULTS else Fault.TARGET


def exception_fault(error: AMQPChannelError) -> Fault:
    """What a channel was closed over, as the library has it."""
    return Fault.MESSAGE if isinstance(error, ChannelPreconditionFailed) else Fault.TARGET


def connection_fault(code: int) -> Fault:
    """What a connection was closed over, by the broker's code; 0 if it was not the broker."""
    return Fault.MESSAGE if code in CONNECTION_FAULTS else Fault.NONE


def text_of(error: BaseException | None) -> str:
    """What the broker or the system said, in a few words."""
    if error is None or isinstance(error, CancelledError):
        return "the connection was closed"
    said = [part for part in error.args if isinstance(part, str) and part]
    return said[-1] if said else type(error).__name__


def connect_failure(address: BrokerAddress, error: BaseException, said: str | None) -> DalsegnoError:
    """Why connecting failed: what a person must mend, or what may pass by itself.

    `said` is what the broker gave as its reason, if it came to that.
    """
    text = said or text_of(error)
    match error:
        case ProbableAuthenticationError() | AuthenticationError():
            return ConfigurationError(
                f"RabbitMQ at {address} refused user {address.user!r}: check the user and password of the "
                "broker URL (the user guest may only connect from the broker's own machine)"
            )
        case ssl.SSLCertVerificationError():
            return ConfigurationError(
                f"the certificate of RabbitMQ at {address} is not trusted ({error.verify_message}): "
                "name its authority in the broker URL with cafile"
            )
        case AMQPError() if text.startswith(NOT_ALLOWED) and " down" not in text:
            return ConfigurationError(
                f"RabbitMQ at {address} does not let user {address.user!r} into the virtual host "
                f"{address.virtual_host!r}: create it, grant rights in it, or correct the broker URL ({text})"
            )
        case IncompatibleProtocolError() | ProtocolSyntaxError() if said is None:
            return ConfigurationError(
                f"what answers at {address} does not speak AMQP 0-9-1: check host and port of the broker URL"
            )
        case _:
            return BrokerUnavailableError(f"cannot reach RabbitMQ at {address}: {text}")


def topology_failure(subject: str, error: BaseException) -> DalsegnoError:
    """Why the broker refused to declare, bind, consume or read `subject`."""
    text = text_of(error)
    match error:
        case ChannelPreconditionFailed():
            return TopologyError(
                f"{subject} exists with other arguments ({text}): delete it once it is empty, "
                "or move to a new name, then start again"
            )
        case ChannelNotFoundEntity():
            return TopologyError(f"{subject} cannot be used ({text}): declare what is missing first")
        case ChannelAccessRefused():
            return ConfigurationError(f"RabbitMQ refuses {subject} ({text}): grant the user this right")
        case ChannelLockedResource():
            return BrokerUnavailableError(f"{subject} still belongs to another connection ({text})")
        case _:
            return BrokerUnavailableError(f"{subject}: {text}")
