"""What happens to the bytes of payloads behind the converter: they are sealed, or made smaller.

    class PayloadCodec(Protocol):
        def encode(self, payload: Payload, context: PayloadContext) -> Payload: ...
        def decode(self, payload: Payload, context: PayloadContext) -> Payload: ...

    data_converter = DataConverter(payload_codec=EncryptionCodec(keys, namespace="shop"))

A codec stands behind the payload converter: all that leaves a host, worker or client has passed it, and
nothing that comes has not. So journals, snapshots, messages and exports hold what it made, and effects are sent
from what the journal holds: no payload is encoded a second time for being sent, or found, again, and its bytes
may be other ones each time (a random nonce). What workflow code makes when it runs again is thrown away unread.

It is called wherever values become payloads, also amid workflow code, and is no coroutine therefore: a turn
that waited for the answer of a key server at each argument would be open most of its life. Whoever needs keys
from elsewhere fetches them beforehand, or in a thread of his own; until they are there, `PayloadCodecError`
says so.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Protocol

from dalsegno import given
from dalsegno.codecs.branches import StoredReference
from dalsegno.codecs.codec import Misfit
from dalsegno.codecs.piecewise import shelved
from dalsegno.error_text import class_name
from dalsegno.errors import PayloadCodecError, PayloadError
from dalsegno.payload import AS_IT_IS, Payload, PayloadConverter, RawValue, passed_on
from dalsegno.payload_store import STORED, key_of, reference_of, references_in, referring_to
from dalsegno.pieces import PIECES, enveloped, opened
from dalsegno.shelf import PieceShelf, may_hold_pieces
from dalsegno.stored_payloads import Pieces, StoredPayloads

ENCRYPTED = "encrypted"
"""How the encodings of those begin that nobody reads without a key."""
_TIME_OF_SCHEDULE = re.compile(r"(-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z)+\Z")


class PayloadContext(NamedTuple):
    """Whose payload it is: of that workflow, whatever the way (its arguments, results, signals, state, those of
    its activities). The argument of a child, or of a signal to another workflow, is that one's."""

    workflow_id: str

    @property
    def scope(self) -> str:
        """What a payload may be bound to: the workflow ID, without the time that a schedule puts behind it.
        What a schedule starts has the arguments that were written before there was a time, and is told the
        result of the one before. (All of them, where the ID in the action has such a time by itself.)"""
        own = self.workflow_id
        return _TIME_OF_SCHEDULE.sub("", own) if own.endswith("Z") else own


class PayloadCodec(Protocol):
    """Bytes to bytes. `decode` gives what `encode` was given, and what no `encode` has made as it is: payloads
    of before the codec was there. Both are called by several threads.

    They raise PayloadCodecError for what cannot be done now, and can be later (a key that is not here):
    nothing is decided by it, and the workflow is tried again. Whatever else they raise is a payload that cannot
    be used. A `fingerprint` (text), if it has that, says what it can read: a workflow that is suspended for
    want of a key is tried at once by a host whose codec has another one.
    """

    def encode(self, payload: Payload, context: PayloadContext, /) -> Payload: ...
    def decode(self, payload: Payload, context: PayloadContext, /) -> Payload: ...


class CodecChain:
    """Several: the first is given what the payload converter made. Compress before you encrypt."""

    def __init__(self, *codecs: PayloadCodec) -> None:
        """Raises TypeError for what is none."""
        self._codecs = tuple(required_codec("A codec", codec) for codec in codecs)

    @property
    def fingerprint(self) -> str:
        return " ".join(map(fingerprint_of, self._codecs))

    def encode(self, payload: Payload, context: PayloadContext, /) -> Payload:
        for codec in self._codecs:
            payload = codec.encode(payload, context)
        return payload

    def decode(self, payload: Payload, context: PayloadContext, /) -> Payload:
        for codec in reversed(self._codecs):
            payload = codec.decode(payload, context)
        return payload


def fingerprint_of(codec: PayloadCodec) -> str:
    return f"{type(codec).__qualname__} {getattr(codec, 'fingerprint', '')}"


class CodedPayloads:
    """A payload converter with a codec behind it, and a store behind that, or one of them, for the payloads of
    one workflow. `is_whole`: it puts nothing into the store. `cuts`: it puts there what is new in Logs and
    Blobs.

    `trouble` is the last PayloadCodecError: whoever must not go on as if it were an ordinary one (user code may
    have caught it) looks here."""

    def __init__(
        self,
        inner: PayloadConverter,
        codec: PayloadCodec | None,
        stored: StoredPayloads | None,
        context: PayloadContext,
        *,
        is_whole: bool = False,
        cuts: bool = False,
    ) -> None:
        self._inner: Any = inner
        self._codec = codec
        self._stored = stored
        self._puts = None if is_whole else stored
        self._cuts = cuts
        self._context = context
        self._label: str | None = None
        """The last encoding that could be carried."""
        self.trouble: PayloadCodecError | None = None
        self.tell: CodedPayloads = self
        """Whose trouble it is, and whose `pieces` are made."""
        self.pieces: Pieces | None = None
        """What a step of workflow code has made for the store, and nobody has put there yet."""

    def to_payload(self, value: Any, type_hint: Any = Any, /) -> Payload:
        # A Payload is what was decoded, too: see from_payload.
        if isinstance(value, AS_IT_IS):
            return self._sealed(passed_on(value))
        is_whole = self._puts is None or self._puts.only_reads
        if is_whole or not may_hold_pieces(type(value) if type_hint is Any else type_hint):
            return self._sealed(self._inner.to_payload(value, type_hint))
        shelf = PieceShelf(self, cuts=self._cuts)
        with shelved(shelf):
            payload = self._sealed(self._inner.to_payload(value, type_hint))
        return enveloped(payload, shelf.references) if shelf.references else payload

    def _sealed(self, payload: Payload) -> Payload:
        encoded = self._encoded(payload)
        return encoded if self._puts is None else self._puts.referred(encoded, self.tell.pieces)

    def _encoded(self, payload: Payload) -> Payload:
        if self._codec is None:
            return payload
        encoded = self._asked("encode", payload)
        if encoded.encoding != self._label:
            try:
                self._label = given.name("The encoding of a payload", encoded.encoding)
            except (TypeError, ValueError) as error:
                raise PayloadError(f"The payload codec {self._name} cannot be used: {error}") from None
        return encoded

    def from_payload(self, payload: Payload, type_hint: Any = Any, /) -> Any:
        if payload.encoding == PIECES and self._stored is not None:
            return self._from_pieces(payload, type_hint)
        decoded = self._decoded(payload)
        if type_hint is Payload:
            return decoded
        return RawValue(decoded) if type_hint is RawValue else self._inner.from_payload(decoded, type_hint)

    def _decoded(self, payload: Payload) -> Payload:
        if self._stored is not None:
            with self._telling():
                payload = self._stored.resolved(payload, self.tell.pieces)
        return payload if self._codec is None else self._asked("decode", payload)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except PayloadCodecError as error:
            self.tell.trouble = error
            raise

    # --- pieces, of the Logs and Blobs within a value ---------------------------------------------------------

    def _from_pieces(self, payload: Payload, type_hint: Any) -> Any:
        inner, references = opened(payload)
        shelf = PieceShelf(self, references)
        decoded = self._decoded(inner)
        if type_hint not in (Any, *AS_IT_IS) and may_hold_pieces(type_hint):
            with shelved(shelf):
                return self._inner.from_payload(decoded, type_hint)
        # Whoever does not know that there are Logs gets lists.
        try:
            whole = self._inner.to_payload(shelf.whole(self._inner.from_payload(decoded, Any)), Any)
        except Misfit as misfit:
            raise PayloadError(f"A payload that refers to stored pieces is damaged: {misfit}.") from None
        if type_hint is Payload:
            return whole
        return RawValue(whole) if type_hint is RawValue else self._inner.from_payload(whole, type_hint)

    def put_piece(self, value: Any) -> StoredReference:
        payload = self._encoded(self._inner.to_payload(value, Any))
        key, reference = referring_to(payload)
        self._kept(key, payload.data)
        return reference_of(reference)

    def put_node(self, node: bytes, encoding: str) -> StoredReference:
        key = key_of(node)
        self._kept(key, node)
        return StoredReference(key, len(node), encoding)

    def _kept(self, key: str, data: bytes) -> None:
        assert self._puts is not None
        self._puts.keep(key, data, self.tell.pieces)

    def bring(self, references: Sequence[StoredReference]) -> dict[str, bytes]:
        assert self._stored is not None
        with self._telling():
            return self._stored.bring_all(references, self.tell.pieces)

    def piece(self, reference: StoredReference, data: bytes) -> Any:
        payload = Payload(reference.encoding, data)
        decoded = payload if self._codec is None else self._asked("decode", payload)
        return self._inner.from_payload(decoded, Any)

    def same_as(self, other: object) -> bool:
        return (
            isinstance(other, CodedPayloads)
            and self._stored is other._stored
            and self._context == other._context
        )

    @property
    def _name(self) -> str:
        return type(self._codec).__qualname__

    def _asked(self, what: str, payload: Payload) -> Payload:
        try:
            made = getattr(self._codec, what)(payload, self._context)
        except PayloadCodecError as error:
            self.tell.trouble = error
            raise
        except PayloadError:
            raise
        except Exception as error:
            of = "" if what == "encode" else f" of the encoding {payload.encoding[:100]!r}"
            raise PayloadError(
                f"The payload codec {self._name} cannot {what} a payload{of}: it raised {class_name(error)}."
            ) from error
        if type(made) is not Payload or type(made.data) is not bytes:
            raise PayloadError(
                f"The payload codec {self._name} cannot be used: its {what} gave no Payload(encoding, bytes)."
            )
        return made


class Unbound:
    """Stands for CodedPayloads where nobody has said whose payloads they are."""

    def to_payload(self, value: Any, type_hint: Any = Any, /) -> Payload:
        raise self._refusal()

    def from_payload(self, payload: Payload, type_hint: Any = Any, /) -> Any:
        raise self._refusal()

    def _refusal(self) -> PayloadError:
        return PayloadError(
            "This DataConverter has a payload codec or store, by which payloads are of their workflow: ask "
            "data_converter.of_workflow(WORKFLOW_ID) for the one of a workflow."
        )


def in_words(payload: Payload) -> str:
    """For people, of one that cannot be shown: "encrypted, 1.2 KB"."""
    encoding, size, where = payload.encoding, len(payload.data), ""
    if encoding == PIECES:
        with suppress(PayloadError):
            inner, references = opened(payload)
            more = sum(reference.size for reference in references)
            return f"{in_words(inner)}, with {_bytes(more)} in {len(references)} pieces of the payload store"
    if encoding == STORED and (known := references_in(payload)):
        [(_, size, encoding)] = known.values()
        where = ", in the payload store"
    is_encrypted = encoding.startswith(f"{ENCRYPTED}/")
    return (f"{ENCRYPTED}, {_bytes(size)}" if is_encrypted else f"{encoding}, {size} bytes") + where


def _bytes(size: int) -> str:
    return f"{size / 1000:.1f} KB" if size >= 1000 else f"{size} bytes"


def required_codec(what: str, value: Any) -> PayloadCodec:
    """Raises TypeError for what is no codec, with what was probably meant."""
    if isinstance(value, type):
        raise TypeError(
            f"{what} must be a PayloadCodec, not the class {value.__name__}: give {value.__name__}(...)."
        )
    for method in ("encode", "decode"):
        function = getattr(value, method, None)
        if not callable(function):
            kind = f"a value of the type {type(value).__name__}"
            raise TypeError(f"{what} must be a PayloadCodec, with encode and decode, not {kind}.")
        if inspect.iscoroutinefunction(function):
            raise TypeError(
                f"{what} {type(value).__name__} has an async {method}, but it is called amid workflow code, "
                f"which cannot wait: write `def {method}(self, payload, context)`, and fetch keys beforehand."
            )
        if not _takes_two(function):
            raise TypeError(
                f"{what} {type(value).__name__} is called as {method}(payload, context), one payload after the "
                "other."
            )
    codec: PayloadCodec = value
    return codec


def _takes_two(function: Any) -> bool:
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # of C, which does not say
        return True
    return True
