"""Two releases that differ in what they store, as codecs: for tests of hosts that work side by side.

The older one's first format lays records and states down the other way round; the newer one's second format is
MessagePack, and has them as they are. So nothing of the one is read by the other by accident.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from dalsegno.actors.workflow_actor.stored.codec import StoredCodec
from dalsegno.actors.workflow_actor.stored.formats import (
    CBOR,
    Change,
    Format,
    Kind,
    UnreadableError,
    convert,
    to_body,
)


def _turned(body: list[Any]) -> list[Any]:
    return body[::-1]


TURNED: Final[dict[Kind, Change]] = {"record": _turned, "state": _turned}


class TurnedCBOR(CBOR):
    def dumps(self, kind: Kind, format_: int, value: Any) -> bytes:
        """A body has been turned by the newer release already."""
        is_turned = not isinstance(value, Struct) or kind not in TURNED
        return super().dumps(kind, format_, value if is_turned else _turned(to_body(value)))

    def load(self, kind: Kind, blob: bytes, type_: Any) -> Any:
        body = self.body(kind, blob)
        if kind in TURNED and not isinstance(body, list):
            raise UnreadableError("it is no list")
        return convert(_turned(body) if kind in TURNED else body, type_)


class MessagePack:
    def dumps(self, kind: Kind, format_: int, value: Any) -> bytes:
        return msgspec.msgpack.encode([format_, to_body(value)])

    def body(self, kind: Kind, blob: bytes) -> Any:
        try:
            _, body = msgspec.msgpack.decode(blob)
        except (msgspec.DecodeError, ValueError, TypeError) as error:
            raise UnreadableError(f"it is not MessagePack: {error}") from error
        return body

    def load(self, kind: Kind, blob: bytes, type_: Any) -> Any:
        return convert(self.body(kind, blob), type_)


FIRST: Final = Format(1, TurnedCBOR())
OLDER: Final = StoredCodec([FIRST])
NEWER: Final = StoredCodec([FIRST, Format(2, MessagePack(), lift=TURNED, lower=TURNED)])
