"""How values and errors become data and come back: one value that a host, a worker and a client are given.

    class SealedPayloadConverter(DefaultPayloadConverter):
        def to_payload(self, value: Any, type_hint: Any = Any) -> Payload:
            payload = super().to_payload(value, type_hint)
            return Payload(f"sealed/{payload.encoding}", seal(payload.data))

        def from_payload(self, payload: Payload, type_hint: Any = Any) -> Any:
            mark, _, encoding = payload.encoding.partition("/")
            if mark == "sealed":
                payload = Payload(encoding, unseal(payload.data))
            return super().from_payload(payload, type_hint)

    data_converter = DataConverter(payload_converter_class=SealedPayloadConverter)

A `payload_codec` (`dalsegno.payload_codec`) seals the bytes, or makes them smaller, behind that. What is still
larger than the `threshold` goes to the `payload_store` (`dalsegno.payload_store`), if there is one.

All payloads of a host, worker or client pass through `to_payload` and `from_payload` of its DataConverter, and
all failures through `to_failure` and `from_failure`. Converters of users are watched: whatever they raise or
return, there is a PayloadError, or a failure.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

from msgspec.structs import replace

from dalsegno import given
from dalsegno.encoded_failures import decoded, encoded
from dalsegno.error_text import class_name
from dalsegno.errors import PayloadError
from dalsegno.failure import Failure, from_failure, restored
from dalsegno.failure_capture import as_received, to_failure
from dalsegno.payload import AS_IT_IS, DefaultPayloadConverter, Payload, PayloadConverter, RawValue, passed_on
from dalsegno.payload_codec import CodedPayloads, PayloadCodec, PayloadContext, Unbound, required_codec
from dalsegno.payload_store import THRESHOLD_BYTES, PayloadStore, required_store, required_threshold
from dalsegno.stored_payloads import StoredPayloads

C = TypeVar("C")


class FailureConverter(Protocol):
    """How errors become failures. What goes into a failure's `details` is made by the payload converter."""

    def to_failure(self, error: BaseException, payload_converter: PayloadConverter) -> Failure:
        """With all its causes and parts. What retry policies match are its `type` and `non_retryable`."""

    def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> Exception:
        """What the engine adds is in it, too: that an activity failed, or timed out."""


class DefaultFailureConverter:
    """With messages, stacks, causes and details, as `dalsegno.failure` and `dalsegno.failure_capture` say.

    Causes and parts are restored by `from_failure` again, one by one, so that a subclass sees each. With
    `encode_common_attributes` messages and stacks are put into a payload, which a codec seals; also the reason
    for which a workflow is suspended names the error's class then, and not its message."""

    def __init__(self, encode_common_attributes: bool = False) -> None:
        self.encode_common_attributes = given.flag("encode_common_attributes", encode_common_attributes)

    def to_failure(self, error: BaseException, payload_converter: PayloadConverter) -> Failure:
        failure = to_failure(error, payload_converter)
        return encoded(failure, payload_converter) if self.encode_common_attributes else failure

    def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> Exception:
        told = decoded(failure, payload_converter)
        return restored(told, payload_converter, lambda inner: self.from_failure(inner, payload_converter))


class DefaultFailureConverterWithEncodedAttributes(DefaultFailureConverter):
    """`DataConverter(failure_converter_class=DefaultFailureConverterWithEncodedAttributes)`."""

    def __init__(self) -> None:
        super().__init__(encode_common_attributes=True)


@dataclass(frozen=True)
class DataConverter:
    """A payload converter and a failure converter, made here from their classes (or what makes them when it
    is called), and a codec and a store, if there are any. Raises TypeError for what is none, ValueError for a
    threshold (in bytes) that is too small.

    With a codec or a store, values are converted by the DataConverter that `of_workflow` gives."""

    payload_converter_class: Callable[[], PayloadConverter] = DefaultPayloadConverter
    failure_converter_class: Callable[[], FailureConverter] = DefaultFailureConverter
    payload_codec: PayloadCodec | None = None
    payload_store: PayloadStore | None = None
    threshold: int = THRESHOLD_BYTES
    payload_converter: PayloadConverter = field(init=False, compare=False, repr=False)
    failure_converter: FailureConverter = field(init=False, compare=False, repr=False)
    to_payload: Callable[..., Payload] = field(init=False, compare=False, repr=False)
    """(value, type_hint): what the reader restores it as, or Any. Raises PayloadError."""
    from_payload: Callable[..., Any] = field(init=False, compare=False, repr=False)
    """(payload, type_hint), or Any. Raises PayloadError."""
    is_bound: bool = field(init=False, compare=False, repr=False, default=False)
    """Payloads are made and read by who knows whose they are."""
    _stored: StoredPayloads | None = field(init=False, compare=False, repr=False, default=None)
    """What the store is used by."""
    whole: PayloadConverter = field(init=False, compare=False, repr=False)
    to_whole_payload: Callable[..., Payload] = field(init=False, compare=False, repr=False)
    """As `to_payload`, for what is never put into the store: it is small by its nature, or shown in lists."""
    _coded: CodedPayloads | None = field(init=False, compare=False, repr=False, default=None)
    _cutting: CodedPayloads | None = field(init=False, compare=False, repr=False, default=None)
    _uncoded: PayloadConverter = field(init=False, compare=False, repr=False)
    hides_messages: bool = field(init=False, compare=False, repr=False, default=False)
    """What errors of user code say is not to be shown in the clear."""

    default: ClassVar[DataConverter]

    def __post_init__(self) -> None:
        payloads = _made("payload", self.payload_converter_class, PayloadConverter)
        failures = _made("failure", self.failure_converter_class, FailureConverter)
        # To hand on the methods of the default saves a call for each value.
        uncoded = payloads if type(payloads) is DefaultPayloadConverter else WatchedPayloadConverter(payloads)
        self._set("payload_converter", payloads)
        self._set("failure_converter", failures)
        self._set("_uncoded", uncoded)
        self._set("hides_messages", getattr(failures, "encode_common_attributes", False) is True)
        if self.payload_codec is not None:
            required_codec("payload_codec", self.payload_codec)
        threshold = required_threshold(self.threshold)
        if self.payload_store is not None:
            self._set("_stored", StoredPayloads(required_store(self.payload_store), threshold))
        self._set("is_bound", self.payload_codec is not None or self._stored is not None)
        self._pass_through(Unbound() if self.is_bound else uncoded)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _pass_through(self, watched: PayloadConverter) -> None:
        self._set_whole(watched)
        self._set("to_payload", watched.to_payload)
        self._set("from_payload", watched.from_payload)

    def _set_whole(self, watched: PayloadConverter) -> None:
        self._set("whole", watched)
        self._set("to_whole_payload", watched.to_payload)

    def in_whole(self) -> DataConverter:
        """The one that puts nothing into the store, for payloads that are kept within others: nobody who looks
        for what is referred to would find them there."""
        if self._stored is None:
            return self
        whole = object.__new__(DataConverter)
        whole.__dict__.update(self.__dict__)
        whole._pass_through(self.whole)
        whole._set("_cutting", None)
        return whole

    def of_workflow(self, workflow_id: str) -> DataConverter:
        """The one for the payloads of that workflow: this one, where nothing binds them to it."""
        if not self.is_bound:
            return self
        parts = self._uncoded, self.payload_codec, self._stored, PayloadContext(workflow_id)
        coded = CodedPayloads(*parts)
        bound = object.__new__(DataConverter)
        bound.__dict__.update(self.__dict__)
        bound._set("_coded", coded)
        bound._pass_through(coded)
        if self._stored is not None:
            whole, cutting = CodedPayloads(*parts, is_whole=True), CodedPayloads(*parts, cuts=True)
            whole.tell = cutting.tell = coded
            bound._set_whole(whole)
            bound._set("_cutting", cutting)
        return bound

    def at_sign(self) -> DataConverter:
        """The one for what goes over a sign, or to the next run: what is new in Logs and Blobs is put into the
        store, where there is one."""
        if self._cutting is None:
            return self
        cutting = object.__new__(DataConverter)
        cutting.__dict__.update(self.__dict__)
        cutting._set("to_payload", self._cutting.to_payload)
        return cutting

    def of_other_workflow(self, workflow_id: str) -> DataConverter:
        """As `of_workflow`, for a workflow that speaks with that one: a missing key is its own trouble."""
        other = self.of_workflow(workflow_id)
        if other._coded is not None and self._coded is not None:
            other._coded.tell = self._coded
            if isinstance(other.whole, CodedPayloads):
                other.whole.tell = self._coded
        return other

    @property
    def knows_annotations(self) -> bool:
        """Whether what the default can restore, and nothing else, can be restored."""
        return type(self.payload_converter) is DefaultPayloadConverter

    def to_failure(self, error: BaseException) -> Failure:
        """Never raises. Where the failure converter does, the failure tells no more than the error's type."""
        try:
            failure = self.failure_converter.to_failure(error, self.whole)
            # What the default makes is within its bounds; of any other, each part may be what it should not be.
            if type(self.failure_converter) is DefaultFailureConverter and not self.hides_messages:
                return failure
            received = as_received(failure)
            if received is not None:
                return received
            why = "made no failure of it that can be sent"
        except BaseException as inner:  # noqa: BLE001 - a user's converter may raise anything
            why = f"raised {class_name(inner)}"
        told = to_failure(error, self.whole)
        message = f"A {told.type or told.kind}, of which the failure converter {why}."
        return replace(told, message=message, details=(), stack="", cause=None, parts=())

    def from_failure(self, failure: Failure) -> Exception:
        """Never raises: what the failure converter makes no error of, the default does."""
        try:
            error: Any = self.failure_converter.from_failure(failure, self.whole)
            if isinstance(error, Exception):
                return error
            why = "made no error of it"
        except BaseException as inner:  # noqa: BLE001
            why = f"raised {class_name(inner)}"
        plain = from_failure(failure, self.whole)
        plain.add_note(f"(This is what was sent: the failure converter {why}.)")
        return plain


def _made(kind: str, factory: Callable[[], C], protocol: type[Any]) -> C:
    argument = f"{kind}_converter_class"
    if not callable(factory):
        raise given.wrong_type(argument, factory, f"a class of {kind} converters")
    try:
        made = factory()
    except Exception as error:
        raise TypeError(
            f"{argument} {given.shown(factory)} must be a class that is made without arguments, but to call it "
            f"raised {class_name(error)}: {error}"
        ) from error
    methods = (f"to_{kind}", f"from_{kind}")
    for method in methods:
        if not callable(getattr(made, method, None)):
            raise TypeError(
                f"{argument} {given.shown(factory)} makes no {protocol.__name__}: it needs the methods "
                f"{' and '.join(methods)}."
            )
    return made


class WatchedPayloadConverter:
    """A payload converter of a user, and what it must not do."""

    def __init__(self, converter: PayloadConverter) -> None:
        self._converter = converter
        self._name = type(converter).__qualname__
        self._is_given_hints = _takes_hint(converter.to_payload)

    def to_payload(self, value: Any, type_hint: Any = Any, /) -> Payload:
        if isinstance(value, AS_IT_IS):
            return passed_on(value)
        converter: Any = self._converter
        try:
            payload = (
                converter.to_payload(value, type_hint=type_hint)
                if self._is_given_hints
                else converter.to_payload(value)
            )
        except PayloadError:
            raise
        except Exception as error:
            raise PayloadError(self._not_sent(value, f"raised {class_name(error)}")) from error
        if type(payload) is not Payload or type(payload.data) is not bytes:
            raise PayloadError(self._not_sent(value, "made no Payload(encoding, bytes) of it"))
        try:
            given.name("The encoding of a payload", payload.encoding)
        except (TypeError, ValueError) as error:
            raise PayloadError(f"The payload converter {self._name} cannot be used: {error}") from None
        return payload

    def _not_sent(self, value: Any, why: str) -> str:
        kind = type(value).__qualname__
        return f"A value of type {kind} cannot be sent: the payload converter {self._name} {why}."

    def from_payload(self, payload: Payload, type_hint: Any = Any, /) -> Any:
        if type_hint is Payload:
            return payload
        if type_hint is RawValue:
            return RawValue(payload)
        encoding = repr(payload.encoding[:100])
        try:
            return self._converter.from_payload(payload, type_hint)
        except PayloadError as error:
            if encoding in str(error):
                raise
            raise PayloadError(f"{error} (The payload is of the encoding {encoding}.)") from error
        except Exception as error:
            raise PayloadError(
                f"The payload converter {self._name} cannot read a payload of the encoding {encoding}: it "
                f"raised {class_name(error)}. It must be the one that wrote it, or know what that wrote."
            ) from error


def _takes_hint(to_payload: Callable[..., Payload]) -> bool:
    """A converter need not know what its values will be restored as; one that names it `type_hint` is told."""
    try:
        return "type_hint" in inspect.signature(to_payload).parameters
    except (TypeError, ValueError):
        return False


def required(what: str, value: Any) -> DataConverter:
    """Raises TypeError for what is no DataConverter, with what was probably meant."""
    if isinstance(value, DataConverter):
        return value
    cls = value if isinstance(value, type) else type(value)
    # The value itself is not shown: what stands beside converters may be keys.
    kind = f"the class {cls.__name__}" if cls is value else f"a value of the type {cls.__name__}"
    meant = hasattr(cls, "to_payload")
    hint = f": give DataConverter(payload_converter_class={cls.__name__})" if meant else ""
    raise TypeError(f"{what} must be a DataConverter, not {kind}{hint}.")


DataConverter.default = DataConverter()
