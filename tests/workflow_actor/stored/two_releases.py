"""Two releases that differ in what they store, as codecs: for tests of hosts that work side by side.

The older one reads and writes format 1 alone, the newer one is the present one; the one between reads format 2
as well, and writes it. Behind all is the same code: what the present one does for an older format by a later
one, the others do in their newest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from msgspec import Struct

from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.codec import StoredCodec
from dalsegno.actors.workflow_actor.stored.format_2 import FORMAT_2
from dalsegno.actors.workflow_actor.stored.format_3 import FORMAT_3
from dalsegno.actors.workflow_actor.stored.formats import (
    CBOR,
    Change,
    Format,
    Kind,
    UnreadableError,
    convert,
    to_body,
)
from dalsegno.actors.workflow_actor.stored.message_pack import MessagePack


class CBOROfBothReleases(CBOR):
    def dumps(self, kind: Kind, format_: int, value: Any) -> bytes:
        """A body has been lowered by the newer release already."""
        if isinstance(value, Struct) and kind in FORMAT_2.lower:
            value = FORMAT_2.lower[kind](FORMAT_3.lower[kind](to_body(value)))
        return super().dumps(kind, format_, value)

    def pieces(self, format_: int, state: WorkflowState, lower: Mapping[str, Change]) -> Iterator[bytes]:
        return super().pieces(format_, state, lower) if lower else iter((self.dumps("state", format_, state),))

    def load(self, kind: Kind, blob: bytes, type_: Any) -> Any:
        body = self.body(kind, blob)
        if kind in FORMAT_2.lift:
            try:
                body = FORMAT_2.lift[kind](body)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise UnreadableError(f"it is not of format 1: {error}") from error
        return convert(body, type_)


class MessagePackOfTheReleaseBetween(MessagePack):
    def dumps(self, kind: Kind, format_: int, value: Any) -> bytes:
        """As in `CBOROfBothReleases`."""
        if isinstance(value, Struct) and kind in FORMAT_3.lower:
            value = FORMAT_3.lower[kind](to_body(value))
        return super().dumps(kind, format_, value)

    def pieces(self, format_: int, state: WorkflowState, lower: Mapping[str, Change]) -> Iterator[bytes]:
        return super().pieces(format_, state, lower) if lower else iter((self.dumps("state", format_, state),))


FIRST: Final = Format(1, CBOROfBothReleases())
OLDER: Final = StoredCodec([FIRST])
BETWEEN: Final = StoredCodec([FIRST, replace(FORMAT_2, layout=MessagePackOfTheReleaseBetween())])
NEWER: Final = StoredCodec([FIRST, FORMAT_2, FORMAT_3])
