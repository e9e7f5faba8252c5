"""Two releases that differ in what they store, as codecs: for tests of hosts that work side by side.

The older one reads and writes format 1 alone, the newer one is the present one. Behind both is the same code:
what the present one does for format 1 by a second format, the older one does in its first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


FIRST: Final = Format(1, CBOROfBothReleases())
OLDER: Final = StoredCodec([FIRST])
NEWER: Final = StoredCodec([FIRST, FORMAT_2, FORMAT_3])
