"""Messages to AMQP properties and body, and back. Everything from outside comes through `decode`.

decode(message)      the typed message, or InvalidMessageError with a reason that is safe to log and to send:
                     it names fields, types and limits, and never quotes what was in the body
encode(message, ...) the same way back
reply_address(...)   where the answer goes, also when the message itself cannot be read

A message that cannot be decoded is dead-lettered by whoever received it, and answered with the error code
`unsupported` for an UnsupportedMessageError and `invalid` for any other, where reply_address gives an address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, get_args

import msgspec

from dalsegno.broker.port import HeaderValue, Message
from dalsegno.broker.protocol import json_form, strict_cbor, strict_json
from dalsegno.broker.protocol.limits import (
    MAX_BODY_BYTES,
    MAX_CAUSES,
    MAX_FAILURES,
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    MAX_JSON_INTEGER,
)
from dalsegno.broker.protocol.messages import (
    Name,
    SignalWithStart,
    TaskQueue,
    Text,
    ToChangeWorkflow,
    UpdateWithStart,
    WireMessage,
)
from dalsegno.errors import CommandRejectedError, InvalidMessageError
from dalsegno.failure import Failure
from dalsegno.name_rules import PLAIN, why_not_name, why_not_task_queue
from dalsegno.payload import mismatch

CBOR = "application/cbor"
"""Also what a message without a content type is taken for."""
JSON = "application/json"

_OWN_QUEUES = "dalsegno."
_QUEUES_FOR_ANSWERS = ("dalsegno.reply.", "dalsegno.worker.")
"""An answer to any other queue of ours would come back as a message that nobody sent."""
_DIRECT_REPLIES = "amq.rabbitmq."
"""RabbitMQ takes such a name apart, and ends the connection of whoever publishes to one that was forged."""


class UnsupportedMessageError(InvalidMessageError):
    """The message's type is unknown, or of a newer version. Its sender is told `unsupported`."""


class MessageTooLargeError(CommandRejectedError):
    """The message does not fit into MAX_BODY_BYTES; nothing was sent."""

    code = "too_large"


class ReplyAddress(NamedTuple):
    """The queue (on the default exchange), the correlation ID, and the content type that the asker speaks."""

    queue: str
    correlation_id: str
    content_type: str


def encode(
    message: WireMessage,
    *,
    message_id: str | None,
    correlation_id: str | None = None,
    reply_to: str | None = None,
    content_type: str = CBOR,
    headers: Mapping[str, HeaderValue] | None = None,
    timestamp: int | None = None,
) -> Message:
    """The message as AMQP carries it. `timestamp` is in seconds since 1970.

    Names are not checked: see `check`. Raises MessageTooLargeError, and InvalidMessageError for text that is
    not Unicode.
    """
    builtins = msgspec.to_builtins(message, builtin_types=_BYTES)
    try:
        if content_type == CBOR:
            body = strict_cbor.dumps(builtins)
        else:
            body = json_form.to_json(builtins, type(message))
    except UnicodeEncodeError as error:
        raise InvalidMessageError(f"a text in the {message.TYPE} is not valid Unicode") from error
    if len(body) > MAX_BODY_BYTES:
        raise MessageTooLargeError(
            f"The {message.TYPE} message has {len(body)} bytes; the limit is {MAX_BODY_BYTES}. "
            "Send a reference to large data instead of the data."
        )
    return Message(
        body=body,
        message_id=message_id,
        type=message.TYPE,
        correlation_id=correlation_id,
        reply_to=reply_to,
        content_type=content_type,
        timestamp=timestamp,
        headers=headers or {},
    )


def decode(message: Message) -> WireMessage:
    """The typed message. Raises InvalidMessageError, or UnsupportedMessageError for a type unknown here."""
    _check_properties(message)
    known = _KNOWN.get(message.type or "")
    if known is None:
        raise _unknown_type(message.type)
    if known.needs_message_id and message.message_id is None:
        raise InvalidMessageError(f"a {message.type} needs a message ID, to be known when it comes twice")
    body = message.body
    if len(body) > MAX_BODY_BYTES:
        raise InvalidMessageError(f"the body has {len(body)} bytes; the limit is {MAX_BODY_BYTES}")
    content_type = message.content_type
    if content_type == CBOR or _media_type(content_type) == CBOR:
        item, bytes_as = strict_cbor.loads(body), _BYTES
    else:
        item, bytes_as = json_form.from_json(strict_json.loads(body), known.cls), ()
    try:
        decoded: WireMessage = msgspec.convert(item, known.cls, builtin_types=bytes_as)
    except msgspec.ValidationError as error:
        raise InvalidMessageError(f"not a valid {message.type}: {mismatch(error)}") from None
    known.check(decoded)
    return decoded


def check(message: WireMessage) -> None:
    """Refuse what `decode` would refuse of a message built here: names, texts, chains of causes.

    Raises InvalidMessageError. For what takes its names from users; the engine's own are valid.
    """
    _KNOWN[message.TYPE].check_names(message)  # first: its words are for people
    try:
        msgspec.convert(msgspec.to_builtins(message, builtin_types=_BYTES), type(message), builtin_types=_BYTES)
    except msgspec.ValidationError as error:
        raise InvalidMessageError(mismatch(error)) from None
    _KNOWN[message.TYPE].check(message)


def reply_address(message: Message) -> ReplyAddress | None:
    """Where the answer to a message goes; None if none is asked for or the address is not acceptable."""
    correlation_id = message.correlation_id or message.message_id
    if not message.reply_to or not correlation_id:
        return None
    if _why_not_reply_to(message.reply_to) or why_not_name(correlation_id):
        return None
    return ReplyAddress(message.reply_to, correlation_id, spoken_by(message))


def spoken_by(message: Message) -> str:
    """The content type that the sender speaks, and is answered in."""
    return CBOR if (message.content_type or CBOR).startswith(CBOR) else JSON


# --- properties --------------------------------------------------------------------------------------------


def _check_properties(message: Message) -> None:
    if len(message.headers) > MAX_HEADERS:
        raise InvalidMessageError(f"it has {len(message.headers)} headers; the limit is {MAX_HEADERS}")
    if message.headers and (size := _size(message.headers)) > MAX_HEADER_BYTES:
        raise InvalidMessageError(f"its headers have {size} bytes together; the limit is {MAX_HEADER_BYTES}")
    for what, value in (("message ID", message.message_id), ("correlation ID", message.correlation_id)):
        if value is not None and not _is_plain(value) and (why := why_not_name(value)):
            raise InvalidMessageError(f"the {what} {why}")
    if message.reply_to is not None and (why := _why_not_reply_to(message.reply_to)):
        raise InvalidMessageError(f"the reply_to {why}")


def _size(headers: Mapping[str, HeaderValue]) -> int:
    """Of their names, texts and bytes. What has too many characters is not encoded to be refused."""
    texts = [part for field in headers.items() for part in field if isinstance(part, str | bytes)]
    characters = sum(map(len, texts))
    if characters > MAX_HEADER_BYTES:
        return characters
    return sum(len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "replace")) for text in texts)


def _media_type(content_type: str | None) -> str:
    media_type = CBOR if content_type is None else content_type.partition(";")[0].strip().lower()
    if media_type not in (CBOR, JSON):
        raise InvalidMessageError(f"the content type is neither {CBOR} nor {JSON}")
    return media_type


def _unknown_type(name: str | None) -> InvalidMessageError:
    if not name:
        return InvalidMessageError("the type property is missing; it says which message this is")
    if why_not_name(name):
        return InvalidMessageError("the type property is not a name")
    return UnsupportedMessageError(f"messages of the type {name} are not known to this version")


def _why_not_reply_to(value: str) -> str | None:
    if value.startswith(_OWN_QUEUES) and not value.startswith(_QUEUES_FOR_ANSWERS):
        return "names a queue that is not for answers"
    if value.startswith(_DIRECT_REPLIES):
        return "is for a direct reply; name a queue"
    return why_not_name(value)


# --- what each type of message asks for beside its fields' types ---------------------------------------------


class _KnownType:
    """A message type of the closed list, and the checks that msgspec does not make."""

    def __init__(self, cls: type[WireMessage]) -> None:
        self.cls = cls
        # A start without one is "one run ever"; questions change nothing; a worker's messages have tokens.
        self.needs_message_id = issubclass(cls, (ToChangeWorkflow, SignalWithStart, UpdateWithStart))
        fields = msgspec.structs.fields(cls)
        self._names = _names_of(cls)
        self._parts = tuple(
            (field.name, names)
            for field in fields
            for part in (field.type, *get_args(field.type))
            if isinstance(part, type) and issubclass(part, msgspec.Struct) and (names := _names_of(part))
        )
        self._names_of = _values_of(self._names)
        self._queues = tuple(field.name for field in fields if field.name == "worker")
        self._task_queues = tuple(field.name for field in fields if field.type == TaskQueue)
        self._texts = tuple(field.name for field in fields if Text in (field.type, *get_args(field.type)))
        self._failures = tuple(field.name for field in fields if Failure in (field.type, *get_args(field.type)))

    def check_names(self, message: WireMessage) -> None:
        """Names alone; whatever is of another type than it should be is left alone."""
        for value in self._names_of(message):
            if value is not None and not (isinstance(value, str) and _is_plain(value)):
                break
        else:
            if not self._task_queues:
                return
        for fields, why_not in ((self._names, why_not_name), (self._task_queues, why_not_task_queue)):
            for field in fields:
                value = getattr(message, field)
                for name in value if isinstance(value, tuple) else (value,):
                    if isinstance(name, str) and (why := why_not(name)):
                        raise _invalid(message, f"{field} {why}")

    def check(self, message: WireMessage) -> None:
        self.check_names(message)
        for field in self._queues:
            queue = getattr(message, field)
            if queue is not None and (why := _why_not_reply_to(queue)):
                raise _invalid(message, f"{field} {why}")
        for field, names in self._parts:
            if (part := getattr(message, field)) is not None and (why := _why_not_names(part, names)):
                raise _invalid(message, f"{field}: {why}")
        for field in self._texts:
            if "\0" in (getattr(message, field) or ""):  # databases have no place for it
                raise _invalid(message, f"{field} has a NUL character")
        for field in self._failures:
            if (failure := getattr(message, field)) is not None and (why := _why_not_failure(failure)):
                raise _invalid(message, f"{field} has {why}")


def _names_of(cls: type[Any]) -> tuple[str, ...]:
    """The fields that have a name, or several."""
    fields = msgspec.structs.fields(cls)
    return tuple(field.name for field in fields if Name in (field.type, *get_args(field.type)))


def _why_not_names(part: Any, fields: Sequence[str]) -> str | None:
    for field in fields:
        value = getattr(part, field)
        for name in value if isinstance(value, tuple) else (value,):
            if name is not None and (why := why_not_name(name)):
                return f"{field} {why}"
    return None


def _values_of(fields: Sequence[str]) -> Callable[[WireMessage], tuple[Any, ...]]:
    """All of them at once."""
    if len(fields) < 2:  # of one, attrgetter gives no tuple
        return lambda message: tuple(getattr(message, field) for field in fields)
    return attrgetter(*fields)


def _invalid(message: WireMessage, why: str) -> InvalidMessageError:
    return InvalidMessageError(f"not a valid {message.TYPE}: {why}")


def _why_not_failure(failure: Failure) -> str | None:
    """The failures within it, by causes and parts, level by level."""
    level, levels, count = [failure], 0, 0
    while level:
        levels, count = levels + 1, count + len(level)
        if levels > MAX_CAUSES:
            return f"more than {MAX_CAUSES} causes"
        if count > MAX_FAILURES:
            return f"more than {MAX_FAILURES} failures in it"
        if any(abs(inner.attempt) > MAX_JSON_INTEGER for inner in level):
            return "an attempt beyond 2^53"
        causes = [inner.cause for inner in level if inner.cause is not None]
        level = causes + [part for inner in level for part in inner.parts]
    return None


def _message_types(base: type[WireMessage] = WireMessage) -> Iterator[type[WireMessage]]:
    """Of the modules that are imported here."""
    for cls in base.__subclasses__():
        if "TYPE" in cls.__dict__:
            yield cls
        yield from _message_types(cls)


_BYTES: Any = (bytes,)
_is_plain = PLAIN.fullmatch
_KNOWN: dict[str, _KnownType] = {cls.TYPE: _KnownType(cls) for cls in _message_types()}

MESSAGE_TYPES: Mapping[str, type[WireMessage]] = {name: known.cls for name, known in _KNOWN.items()}
"""The closed list: AMQP type property to class."""
