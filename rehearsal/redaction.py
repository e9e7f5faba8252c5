"""What leaves a namespace with a history: never a token with which somebody could answer for an activity, and
values of payloads as they are stored, or others of the same type and shape in their place.

In a text each letter becomes an x, each digit a 1; what is a time, a duration or a UUID stays one. Of a number
each digit becomes a 1. What is empty stays so, and 0, null, true and false stay: code branches by them. A value
that is replaced is replaced by the same one everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from functools import cache
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from dalsegno.actors.workflow_actor.run.events import Record
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.errors import PayloadStoreError
from dalsegno.payload import BINARY_PLAIN, JSON_PLAIN, Payload
from dalsegno.payload_codec import ENCRYPTED
from dalsegno.payload_store import STORED
from dalsegno.pieces import PIECES
from dalsegno.search_attributes import AttributeValue

ALL = "all"
SAID = frozenset(
    {"asked_to_stop", "cancel_reason", "details", "message", "reason", "returned", "stack", "summary"}
)
"""Fields with what user code or a person has said, which may quote values."""
NUMBER_BYTES = 8
DIGEST_BYTES = 16
"""A token: the number of its activity, what is secret in it, and a mark."""

_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d_]")
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?|\d\d:\d\d(:\d\d(\.\d+)?)?"
)
_DURATION = re.compile(r"-?P(\d+[YMWD])*(T([\d.]+[HMS])+)?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

Decode = Callable[[Payload], Payload]


class Redaction:
    """`rules`: names of fields whose values are replaced, wherever they stand in JSON, and ALL. `decode` is a
    codec's, where there is one, and `encode`, too: where names are replaced, the rest of a payload is
    sealed again. `fetch` brings what lies in a payload store, so that the history is whole without it;
    `referred` counts what is not brought. `unread` counts payloads that a rule was for and that nothing here
    can read: with ALL they become as many zeros, otherwise they stay as they are stored."""

    def __init__(
        self,
        rules: Collection[str] = (),
        decode: Decode | None = None,
        fetch: Decode | None = None,
        encode: Decode | None = None,
    ) -> None:
        self._names = frozenset(rules) - {ALL}
        self._all = ALL in rules
        self._decode = decode
        self._encode = encode
        self.rules = tuple(sorted(rules))
        self._fetch = fetch
        self.unread = 0
        self.referred = 0

    def of_record(self, blob: bytes, salt: bytes) -> bytes:
        """Of a journal row. Raises UnreadableError."""
        record: Record = self._cleaned(CODEC.decode_record(blob), salt)
        return CODEC.encode_record(record)

    def of_state(self, state: WorkflowState, salt: bytes) -> bytes:
        cleaned: WorkflowState = self._cleaned(state, salt)
        return CODEC.encode_state(cleaned)

    def said(self, text: str | None) -> str | None:
        """Of the row among the runs."""
        return text if text is None or not self._all else redacted_text(text)

    @property
    def replaces_all(self) -> bool:
        return self._all

    # --- what is stored --------------------------------------------------------------------------------------

    def _cleaned(self, value: Any, salt: bytes, named: bool = False) -> Any:
        match value:
            case Payload():
                return self._payload(value, named)
            case AttributeValue():
                return self._attribute(value) if named or self._all else value
            case Struct():
                changed = {}
                for name in _fields(type(value)):
                    before = getattr(value, name)
                    if name == "token" and isinstance(before, bytes):
                        after: Any = _blunt(before, salt)
                    elif self._all and name in SAID and type(before) is str:
                        after = redacted_text(before)
                    else:
                        after = self._cleaned(before, salt, named)
                    if after is not before:
                        changed[name] = after
                return replace(value, **changed) if changed else value
            case tuple():
                items = tuple(self._cleaned(item, salt, named) for item in value)
                return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
            case Mapping():
                entries = {
                    key: self._cleaned(item, salt, named or key in self._names) for key, item in value.items()
                }
                return entries if any(entries[key] is not value[key] for key in entries) else value
            case _:
                return value

    def _attribute(self, value: AttributeValue) -> AttributeValue:
        plain: Any = value.value
        if isinstance(plain, tuple):
            plain = tuple(map(redacted_text, plain))
        return AttributeValue(value.type, _replaced(plain, flags=False))

    # --- payloads --------------------------------------------------------------------------------------------

    def _payload(self, stored: Payload, named: bool) -> Payload:
        if stored.encoding == PIECES:
            stored = self._whole(stored)
        elif stored.encoding == STORED:
            if self._fetch is None:
                self.referred += 1
            else:
                stored = self._fetch(stored)
        if not (self._all or self._names):
            return stored
        payload = stored
        if self._decode is not None:
            try:
                payload = self._decode(stored)
            except Exception:  # noqa: BLE001 - a codec of the user's; what it cannot read is told of below
                payload = stored
        if payload.encoding == BINARY_PLAIN:
            return Payload(BINARY_PLAIN, bytes(len(payload.data))) if self._all or named else stored
        if payload.encoding == JSON_PLAIN:
            try:
                value = json.loads(payload.data)
                new = self._value(value, replaced=self._all or named, flags=named)
                replaced = Payload(JSON_PLAIN, msgspec.json.encode(new))
            except (ValueError, RecursionError):
                pass
            else:
                if new == value:
                    return stored
                if self._encode is None or self._all or payload == stored:
                    return replaced
                return self._encode(replaced)
        self.unread += 1
        return Payload(payload.encoding, bytes(len(payload.data))) if self._all or named else stored

    def _whole(self, stored: Payload) -> Payload:
        """With its pieces in it, which takes the key: they are sealed one by one."""
        if self._fetch is not None and self._decode is not None:
            try:
                whole = self._decode(stored)
                return whole if self._encode is None else self._encode(whole)
            except PayloadStoreError:
                raise
            except Exception:  # noqa: BLE001 - a codec of the user's
                self.referred += 1
                return stored  # as it is stored: so is whatever else cannot be read
        self.referred += 1
        return stored

    def _value(self, value: Any, *, replaced: bool, flags: bool) -> Any:
        """`flags`: truth values, too."""
        match value:
            case {"encoding": str(), "data": str(), **rest} if (
                not rest and (inner := _inner(value)) is not None
            ):
                named = flags or not self._names.isdisjoint(value)
                return msgspec.to_builtins(self._payload(inner, named))
            case dict():
                return {
                    (redacted_text(key) if self._all and not key.isidentifier() else key): self._value(
                        item,
                        replaced=replaced or key in self._names,
                        flags=flags or key in self._names,
                    )
                    for key, item in value.items()
                }
            case list():
                return [self._value(item, replaced=replaced, flags=flags) for item in value]
            case _:
                return _replaced(value, flags=flags) if replaced else value


def _inner(value: dict[str, str]) -> Payload | None:
    """The payload that is within another, as those are of what a schedule starts."""
    if value["encoding"] not in (JSON_PLAIN, BINARY_PLAIN, STORED) and not value["encoding"].startswith(
        ENCRYPTED
    ):
        return None
    try:
        return msgspec.convert(value, Payload)
    except msgspec.ValidationError:
        return None


def _replaced(value: Any, *, flags: bool) -> Any:
    match value:
        case bool():
            return False if flags else value
        case int():
            return int(_DIGIT.sub("1", str(value))) if value else value
        case float():
            return float(re.sub(r"[1-9]", "1", repr(value)))
        case str():
            return redacted_text(value)
        case _:
            return value


def redacted_text(text: str) -> str:
    if _TIME.fullmatch(text) or _DURATION.fullmatch(text):
        return _DIGIT.sub("1", text)
    if _UUID.fullmatch(text):
        return re.sub(r"[a-fA-F]", "a", _DIGIT.sub("1", text))
    return _LETTER.sub(lambda found: "X" if found[0].isupper() else "x", _DIGIT.sub("1", text))


def _blunt(token: bytes, salt: bytes) -> bytes:
    """Another one in its place, the same each time: what tells attempts from each other."""
    secret_ends = NUMBER_BYTES + DIGEST_BYTES
    digest = blake2b(token, key=salt, digest_size=DIGEST_BYTES).digest()
    return token[:NUMBER_BYTES] + digest + token[secret_ends:] if token else token


@cache
def _fields(type_: type[Struct]) -> tuple[str, ...]:
    return type_.__struct_fields__
