"""Stored formats: how what only the core reads is laid down as bytes.

A blob is an array of two: the number of its format, and a body. The head of that array is all that a release
needs to read of a blob to know its format, and to tell what is newer than itself from what is broken:

    82 01           format 1, in CBOR                  92 02           format 2, in MessagePack
    82 02..17       a later one, in CBOR               92 03..7f       a later one, in MessagePack
    82 18 nn, ...   a number of more than one byte     92 cc nn, ...   likewise

In CBOR a blob would begin with 92 only if it were an array of 18, which none is. In format 1 a run's outcome
and memo are bare bodies: an array of three (83) and a map (a0 to bb), that is, never an array of two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Protocol, runtime_checkable

import cbor2
import msgspec

from dalsegno.actors.workflow_actor.interface.steps import Steps
from dalsegno.actors.workflow_actor.run.chunked_map import ChunkedMap
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.pieces import Script, pieces
from dalsegno.errors import DalsegnoError
from dalsegno.payload import mismatch

FORMAT_MAX = 0xFFFF

Kind = Literal["record", "state", "outcome", "memo"]
"""Of a blob: a journal row's events, a snapshot, how a run ended, a run's memo."""

Change = Callable[[Any], Any]
"""Makes a decoded body of one format a body of another. May raise LookupError, TypeError, ValueError and
AttributeError for a body that is broken."""

_ARRAY_OF_TWO = {0x82: (0x17, 0x18, 0x19), 0x92: (0x7F, 0xCC, 0xCD)}
"""First byte, in CBOR and in MessagePack: the largest number that is its own byte, and the bytes after which a
number of one byte follows, and one of two."""
_BARE: frozenset[Kind] = frozenset(("outcome", "memo"))


class UnreadableError(Exception):
    """Bytes that are not what they should be."""


class UnwritableError(DalsegnoError):
    """What is to be stored has no place in the format that may be written at the time."""


class NewerBlobError(UnreadableError):
    """Written by a newer version, if there is such a format."""

    def __init__(self, format_: int, newest: int) -> None:
        super().__init__(
            f"it was written by a newer version of dalsegno: its format is {format_}, "
            f"and this version reads formats up to {newest}"
        )
        self.format = format_


class Layout(Protocol):
    """How values and bodies become blobs of one format, and come back."""

    def dumps(self, kind: Kind, format_: int, value: Any) -> bytes:
        """`value` is what is stored, or a body of plain containers."""

    def body(self, kind: Kind, blob: bytes) -> Any:
        """In plain containers. Raises UnreadableError."""

    def load(self, kind: Kind, blob: bytes, type_: Any) -> Any:
        """A blob whose body is that of `type_` as it is today. Raises UnreadableError."""


@runtime_checkable
class InPieces(Protocol):
    """A layout that makes a state bytes bit by bit."""

    def pieces(self, format_: int, state: WorkflowState, lower: Mapping[str, Change]) -> Iterator[bytes]:
        """Together they are what `dumps` gives. `lower`: see `pieces.pieces`."""


@runtime_checkable
class InSteps(Protocol):
    """A layout that reads a large blob in steps."""

    def loading(self, kind: Kind, blob: bytes, type_: Any) -> Steps[Any]:
        """What `load` gives. Raises UnreadableError."""


class CBOR:
    """The layout of format 1."""

    def dumps(self, kind: Kind, format_: int, value: Any) -> bytes:
        body = to_body(value)
        return cbor2.dumps(body if kind in _BARE else [format_, body])

    def body(self, kind: Kind, blob: bytes) -> Any:
        try:
            loaded = cbor2.loads(blob)
        except (cbor2.CBORError, ValueError, TypeError, ArithmeticError, LookupError, RecursionError) as error:
            # cbor2 turns most of what is wrong into CBORDecodeError; dates, fractions, maps raise their own.
            raise UnreadableError(f"it is not CBOR: {error}") from error
        if kind in _BARE:
            return loaded
        match loaded:
            case [int(), body]:
                return body
        raise UnreadableError("it is not a format and a body")

    def pieces(self, format_: int, state: WorkflowState, lower: Mapping[str, Change]) -> Iterator[bytes]:
        return pieces(_SCRIPT, format_, state, lower)

    def load(self, kind: Kind, blob: bytes, type_: Any) -> Any:
        return convert(self.body(kind, blob), type_)


@dataclass(frozen=True, slots=True)
class Format:
    """`lift` makes a body of the format before one of this, and `lower` one of this a body of the format
    before, for those kinds whose bodies differ: a release writes the format before its newest, too, as long as
    hosts are alive that cannot read the newest. `lower_parts` is the same for a state field by field, and for
    any part of a field's entries; None: a state can only be made an older one as a whole.

    What has no place in the format before raises UnwritableError."""

    number: int
    layout: Layout
    lift: Mapping[Kind, Change] = field(default_factory=dict)
    lower: Mapping[Kind, Change] = field(default_factory=dict)
    lower_parts: Mapping[str, Change] | None = None


def format_of(kind: Kind, blob: bytes) -> int:
    """Read from its head alone. Raises UnreadableError."""
    if type(blob) is not bytes:  # SQLite lets any type into any column
        raise UnreadableError(f"it is {type(blob).__name__}, not bytes")
    number = _number(blob)
    if number is None:
        if kind in _BARE:
            return 1
        raise UnreadableError("it is not a format and a body")
    if not 0 < number <= FORMAT_MAX:
        raise UnreadableError(f"{number} is not a format")
    return number


def _number(blob: bytes) -> int | None:
    known = _ARRAY_OF_TWO.get(blob[0]) if len(blob) > 1 else None
    if known is None:
        return None
    small, one, two = known
    if blob[1] <= small:
        return blob[1]
    if blob[1] == one and len(blob) > 2:
        return blob[2]
    if blob[1] == two and len(blob) > 3:
        return int.from_bytes(blob[2:4])
    return None


def to_body(value: Any) -> Any:
    """In plain containers."""
    return msgspec.to_builtins(value, builtin_types=(bytes,), enc_hook=plain)


def plain(value: Any) -> Any:
    """A map in chunks is stored as any map. For msgspec's `enc_hook`; raises TypeError for every other type, as
    msgspec itself does without a hook."""
    if type(value) is ChunkedMap:
        return dict(value.items())
    raise TypeError(f"{type(value).__name__} is not stored")


def convert(body: Any, type_: Any) -> Any:
    """Raises UnreadableError for a body that is not one of `type_`."""
    try:
        return msgspec.convert(body, type_, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise UnreadableError(mismatch(error)) from None  # its own text quotes what was stored
    except (TypeError, RecursionError) as error:
        raise UnreadableError(f"{type(error).__name__} in {type_}") from error


def _head(major: int, length: int) -> bytes:
    """Of a CBOR array (4) or map (5) of that length."""
    if length < 24:
        return bytes([major << 5 | length])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if length < 1 << 8 * size:
            return bytes([major << 5 | code]) + length.to_bytes(size)
    raise OverflowError(length)


_SCRIPT = Script(
    dumps=lambda value: cbor2.dumps(to_body(value)),
    array=partial(_head, 4),
    map=partial(_head, 5),
)

FORMAT_1 = Format(1, CBOR())
