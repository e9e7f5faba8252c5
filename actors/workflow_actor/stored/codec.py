"""Events, snapshots, outcomes and memos as bytes, and the way back.

A codec is a value that is handed down, from the host to its instances: it reads the formats that its release
knows, all bodies lifted to the newest on the way in, so that everything behind it knows the newest alone; and
it writes the one that may be written at the time (see `writing`). A blob of a format that it does not know is
refused: who wrote it is newer.

What is stored refuses fields that it does not know (but for payloads, failures and search attributes, which
travel on the wire as well): read and written again, they would be lost. So a new field is a new format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from dalsegno.actors.workflow_actor.interface.steps import Steps
from dalsegno.actors.workflow_actor.run.events import Record
from dalsegno.actors.workflow_actor.run.primitives import LATER_IN_FORMAT_1
from dalsegno.actors.workflow_actor.run.state import RunOutcome, WorkflowState
from dalsegno.actors.workflow_actor.stored.format_2 import FORMAT_2
from dalsegno.actors.workflow_actor.stored.format_3 import FORMAT_3
from dalsegno.actors.workflow_actor.stored.formats import (
    FORMAT_1,
    Change,
    Format,
    InPieces,
    InSteps,
    Kind,
    NewerBlobError,
    UnreadableError,
    convert,
    format_of,
    to_body,
)
from dalsegno.actors.workflow_actor.stored.pieces import LeftOut
from dalsegno.errors import DalsegnoError
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus

StoredOutcome = tuple[WorkflowStatus, Payload | None, Failure | None]

TYPES: Final[Mapping[Kind, Any]] = {
    "record": Record,
    "state": WorkflowState,
    "outcome": StoredOutcome,
    "memo": dict[str, Payload],
}


class UnloadableStateError(DalsegnoError):
    """A stored row of a run does not lead to a state here."""

    def __init__(self, run_id: str, sequence: int, reason: str) -> None:
        super().__init__(f"run {run_id}, sequence {sequence}: {reason}")
        self.run_id = run_id
        self.sequence = sequence
        self.reason = reason


class CorruptStateError(UnloadableStateError):
    """It cannot be read, or does not fit the rows before it."""


class NewerStateError(UnloadableStateError):
    """It is of a format that this version does not read. It was written by a newer one; or, as long as nobody
    may write such a format, it is corrupt."""


class StoredCodec:
    """`formats` are those that it reads, without a gap and in order; `writes` is one of them, the newest if it
    is not given."""

    __slots__ = (
        "_dumps",
        "_formats",
        "_lower_parts",
        "encode_record",
        "encode_state",
        "newest",
        "not_known_to_all",
        "writes",
    )

    def __init__(self, formats: Sequence[Format], *, writes: int | None = None) -> None:
        self._formats = {format_.number: format_ for format_ in formats}
        self.newest = formats[-1].number
        self.writes = self.newest if writes is None else writes
        self.not_known_to_all = LATER_IN_FORMAT_1 if self.writes == 1 else frozenset[type]()
        """Events in what it writes that not all can read who read that format: a snapshot right behind such a
        row spares them to read it."""
        self._dumps: Callable[[Kind, int, Any], bytes] = (
            formats[-1].layout.dumps if self.writes == self.newest else self._dumps_older
        )
        self._lower_parts = self._parts_lowered()
        self.encode_record: Callable[[Record], bytes] = partial(self._dumps, "record", self.writes)
        self.encode_state: Callable[[WorkflowState], bytes] = partial(self._dumps, "state", self.writes)

    def writing(self, allowed: int) -> StoredCodec:
        """The same codec, writing the newest that it knows of those up to `allowed`."""
        return StoredCodec(list(self._formats.values()), writes=min(allowed, self.newest))

    # --- writing ---------------------------------------------------------------------------------------------

    def state_in_pieces(self, state: WorkflowState) -> Iterator[bytes]:
        """What `encode_state` gives, as far as the format that is written lets it be made bit by bit."""
        layout, lower = self._formats[self.writes].layout, self._lower_parts
        if lower is None or not isinstance(layout, InPieces):
            return iter((self.encode_state(state),))
        return layout.pieces(self.writes, state, lower)

    def encode_outcome(self, outcome: RunOutcome) -> bytes:
        """How a run ended, for its row in the visibility table."""
        return self._dumps("outcome", self.writes, (outcome.status, outcome.result, outcome.failure))

    def encode_memo(self, memo: Mapping[str, Payload]) -> bytes | None:
        """None when there is none."""
        return self._dumps("memo", self.writes, memo) if memo else None

    def _parts_lowered(self) -> Mapping[str, Change] | None:
        """By field of a state, how what is written of it comes to be; None if that is not said of fields."""
        if self.writes == self.newest:
            return {}
        changes: dict[str, list[Change]] = {}
        for number in range(self.newest, self.writes, -1):
            parts = self._formats[number].lower_parts
            if parts is None:
                return None
            for name, lower in parts.items():
                changes.setdefault(name, []).append(lower)
        return {name: _one_change(lowers) for name, lowers in changes.items()}

    def _dumps_older(self, kind: Kind, format_: int, value: Any) -> bytes:
        for number in range(self.newest, format_, -1):
            lower = self._formats[number].lower.get(kind)
            if lower is not None:
                value = lower(to_body(value))
        return self._formats[format_].layout.dumps(kind, format_, value)

    # --- reading ---------------------------------------------------------------------------------------------

    def decode_record(self, blob: bytes) -> Record:
        """Raises UnreadableError."""
        record: Record = self._decode("record", blob)
        return record

    def decode_state(self, blob: bytes) -> WorkflowState:
        """Raises UnreadableError."""
        state: WorkflowState = self._decode("state", blob)
        return state

    def decoding_record(self, blob: bytes) -> Steps[Record]:
        """As `decode_record`, in steps, which is worth while for a large one."""
        record: Record = yield from self._decoding("record", blob)
        return record

    def decoding_state(self, blob: bytes) -> Steps[WorkflowState]:
        """As `decode_state`, in steps, which is worth while for a large one."""
        state: WorkflowState = yield from self._decoding("state", blob)
        return state

    def decode_outcome(self, blob: bytes) -> StoredOutcome:
        """Raises UnreadableError."""
        outcome: StoredOutcome = self._decode("outcome", blob)
        return outcome

    def decode_memo(self, blob: bytes | None) -> dict[str, Payload]:
        """Raises UnreadableError."""
        memo: dict[str, Payload] = {} if blob is None else self._decode("memo", blob)
        return memo

    def _decode(self, kind: Kind, blob: bytes) -> Any:
        number = format_of(kind, blob)
        if number > self.newest:
            raise NewerBlobError(number, self.newest)
        known = self._formats.get(number)
        if known is None:
            raise UnreadableError(f"this version does not read its format {number} any more")
        if number == self.newest:
            return known.layout.load(kind, blob, TYPES[kind])
        return convert(self._lifted(kind, known.layout.body(kind, blob), number), TYPES[kind])

    def _decoding(self, kind: Kind, blob: bytes) -> Steps[Any]:
        """In steps, if it is of the newest format: an older one is read once, after an upgrade."""
        layout = self._formats[self.newest].layout
        if isinstance(layout, InSteps) and format_of(kind, blob) == self.newest:
            value = yield from layout.loading(kind, blob, TYPES[kind])
            return value
        return self._decode(kind, blob)

    def _lifted(self, kind: Kind, body: Any, number: int) -> Any:
        for newer in range(number + 1, self.newest + 1):
            lift = self._formats[newer].lift.get(kind)
            if lift is None:
                continue
            try:
                body = lift(body)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise UnreadableError(f"its format {newer - 1} cannot be lifted: {error}") from error
        return body


def _one_change(lowers: Sequence[Change]) -> Change:
    """One after the other. What is left out is left out."""
    return lowers[-1] if isinstance(lowers[-1], LeftOut) else partial(_lowered_part, lowers)


def _lowered_part(lowers: Sequence[Change], value: Any) -> Any:
    body = to_body(value)
    for lower in lowers:
        body = lower(body)
    return body


CODEC: Final = StoredCodec([FORMAT_1, FORMAT_2, FORMAT_3])
"""Of this release: what it reads, and what it can write."""
