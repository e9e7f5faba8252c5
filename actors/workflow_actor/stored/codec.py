"""Events and snapshots as bytes: CBOR of `[format, body]`, the body in arrays as the structs are.

Blobs of older formats are lifted by the upcasters on the way in, so that everything behind this module knows
the newest alone. A blob of a newer format is refused: this host is older than who wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, TypeVar

import cbor2
import msgspec

from dalsegno.actors.workflow_actor.run.chunked_map import ChunkedMap
from dalsegno.actors.workflow_actor.run.events import Record
from dalsegno.actors.workflow_actor.run.state import RunOutcome, WorkflowState
from dalsegno.errors import DalsegnoError
from dalsegno.failure import Failure
from dalsegno.payload import Payload, mismatch
from dalsegno.policies import WorkflowStatus

T = TypeVar("T")

Upcasters = Mapping[int, Callable[[Any], Any]]
"""By format: what makes a decoded body of it one of the next format."""

EVENTS_FORMAT = 1
EVENTS_UPCASTERS: Upcasters = {}
SNAPSHOT_FORMAT = 1
FORMAT_MAX = 0xFFFF
SNAPSHOT_UPCASTERS: Upcasters = {}


class CorruptStateError(DalsegnoError):
    """A stored row of a run cannot be read, or does not fit the rows before it."""

    def __init__(self, run_id: str, sequence: int, reason: str) -> None:
        super().__init__(f"run {run_id}, sequence {sequence}: {reason}")
        self.run_id = run_id
        self.sequence = sequence
        self.reason = reason


class UnreadableError(Exception):
    """Bytes that are not what they should be."""


def encode_record(record: Record) -> bytes:
    return _encode(EVENTS_FORMAT, record)


def decode_record(
    blob: bytes, *, newest: int = EVENTS_FORMAT, upcasters: Upcasters = EVENTS_UPCASTERS
) -> Record:
    """Raises UnreadableError."""
    return _decode(blob, Record, newest, upcasters)


def encode_state(state: WorkflowState) -> bytes:
    return _encode(SNAPSHOT_FORMAT, state)


def decode_state(
    blob: bytes, *, newest: int = SNAPSHOT_FORMAT, upcasters: Upcasters = SNAPSHOT_UPCASTERS
) -> WorkflowState:
    """Raises UnreadableError."""
    return _decode(blob, WorkflowState, newest, upcasters)


def checksum(body: bytes, run_id: str, sequence: int) -> bytes:
    """Of a snapshot; bound to its place, so that a row in the wrong place is found out, too."""
    digest = blake2b(b"%s\0%d\0" % (run_id.encode(), sequence), digest_size=16)
    digest.update(body)
    return digest.digest()


def encode_outcome(outcome: RunOutcome) -> bytes:
    """How a run ended, for its row in the visibility table."""
    return cbor2.dumps(
        msgspec.to_builtins((outcome.status, outcome.result, outcome.failure), builtin_types=(bytes,))
    )


def decode_outcome(blob: bytes) -> tuple[WorkflowStatus, Payload | None, Failure | None]:
    """Raises UnreadableError."""
    return _convert(_loads(blob), tuple[WorkflowStatus, Payload | None, Failure | None])


def encode_memo(memo: Mapping[str, Payload]) -> bytes | None:
    """None when there is none."""
    return cbor2.dumps(msgspec.to_builtins(memo, builtin_types=(bytes,))) if memo else None


def decode_memo(blob: bytes | None) -> dict[str, Payload]:
    """Raises UnreadableError."""
    return {} if blob is None else _convert(_loads(blob), dict[str, Payload])


def _encode(version: int, value: Record | WorkflowState) -> bytes:
    return cbor2.dumps([version, msgspec.to_builtins(value, builtin_types=(bytes,), enc_hook=_plain)])


def _plain(value: Any) -> Any:
    """A map in chunks is stored as any map."""
    if type(value) is ChunkedMap:
        return dict(value.items())
    raise NotImplementedError(f"{type(value).__name__} is not stored")


def _decode(blob: bytes, type_: type[T], newest: int, upcasters: Upcasters) -> T:
    match _loads(blob):
        case [int() as version, body] if 0 < version <= FORMAT_MAX:
            pass
        case _:
            raise UnreadableError("it is not a format and a body")
    if version > newest:
        raise UnreadableError(f"its format {version} is newer than this host, which knows up to {newest}")
    while version < newest:
        if version not in upcasters:
            raise UnreadableError(f"there is no way from its format {version} to {newest}")
        try:
            body = upcasters[version](body)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise UnreadableError(f"its format {version} cannot be lifted: {error}") from error
        version += 1
    return _convert(body, type_)


def _loads(blob: bytes) -> Any:
    try:
        return cbor2.loads(blob)
    except (cbor2.CBORError, ValueError, TypeError, ArithmeticError, LookupError, RecursionError) as error:
        # cbor2 turns most of what is wrong into CBORDecodeError; dates, fractions, maps raise their own.
        raise UnreadableError(f"it is not CBOR: {error}") from error


def _convert(value: Any, type_: type[T]) -> T:
    try:
        return msgspec.convert(value, type_, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise UnreadableError(mismatch(error)) from None  # its own text quotes what was stored
    except (TypeError, RecursionError) as error:
        raise UnreadableError(f"{type(error).__name__} in {type_}") from error
