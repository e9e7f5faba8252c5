"""Payloads: values as bytes with a label that says how to read them. The engine never looks inside.

A value travels as JSON (`json/plain`), but for one that is itself bytes (`binary/plain`). docs/payloads.md has
the JSON of each type. The reader's annotation decides what comes out; without one it is plain JSON (dict, list,
str, int, float, bool, None). A writer who knows the annotation refuses what would not be restored as it.

The same value gives the same bytes in every process, however it was made: sets and dicts are sorted, and
fields that were left at their default are written, too. NaN and the infinities have no JSON form and are
refused. A Payload is passed on as it is, and is what an annotation `Payload` gets.
"""

from __future__ import annotations

import json
from contextlib import suppress
from functools import lru_cache
from typing import Any, Protocol

import msgspec

from dalsegno.codecs import Codec, Loss, Misfit, UnsupportedAnnotationError, codec_of, shown_type, write_any
from dalsegno.codecs.dataclass_defaults import fill_defaults
from dalsegno.errors import PayloadError


class Payload(msgspec.Struct, frozen=True):
    """`encoding` is JSON_PLAIN, BINARY_PLAIN or the label of a user's own converter; `data` are the bytes."""

    encoding: str
    data: bytes


class RawValue(msgspec.Struct, frozen=True):
    """A value as it came, for `payload_converter().from_payload(raw.payload, its_type)`. To send it is to send
    its payload."""

    payload: Payload


JSON_PLAIN = "json/plain"
BINARY_PLAIN = "binary/plain"
"""A value that was bytes."""


class PayloadConverter(Protocol):
    """How values become payloads: the same bytes for the same value, each time, in each process. Whoever reads
    a payload needs the converter that wrote it. See `dalsegno.data_converter`."""

    def to_payload(self, value: Any) -> Payload:
        """Raises PayloadError for a value that cannot be carried; the message names its type, never it.

        One that has a second parameter `type_hint` is told what the reader will restore the value as."""

    def from_payload(self, payload: Payload, type_hint: Any = Any) -> Any:
        """Raises PayloadError where the bytes do not fit `type_hint`; the message says where, never what."""


AS_IT_IS = (Payload, RawValue)


class DefaultPayloadConverter:
    """The default converter, as the module describes it. It has no state: one serves every thread."""

    def to_payload(self, value: Any, type_hint: Any = Any) -> Payload:
        """`type_hint` is what the reader restores it as: what would not come back as it is, is refused.

        What says the same in another type (a tuple for a list, an IntEnum for an int, a dict for a dataclass)
        comes back as annotated.
        """
        if isinstance(value, AS_IT_IS):
            return passed_on(value)
        if type_hint is Any:
            return _untyped(value)
        if type(value) is type_hint and type_hint in _PLAIN:
            try:
                return Payload(JSON_PLAIN, _ENCODER.encode(value))
            except (ValueError, OverflowError):
                pass  # they are told of below
        codec = _codec(type_hint)
        try:
            try:
                return _typed(value, codec)
            except Loss:
                raise
            except Misfit:
                return _typed(codec.coerce(value), codec)
        except Misfit as misfit:
            raise PayloadError(f"The value does not fit its annotation: {misfit}.") from None
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise _not_sendable(value, _why(error)) from error

    def from_payload(self, payload: Payload, type_hint: Any = Any) -> Any:
        if type_hint is Payload:
            return payload
        if type_hint is RawValue:
            return RawValue(payload)
        codec = _codec(type_hint)
        try:
            if payload.encoding == JSON_PLAIN:
                if not codec.native:
                    return codec.read(msgspec.json.decode(payload.data))
                value = _decoder(codec).decode(payload.data)
                if codec.may_lack and b"{" in payload.data:
                    fill_defaults(value)
                return value
            if payload.encoding == BINARY_PLAIN:
                if not codec.native:
                    return codec.read(payload.data)
                return msgspec.convert(payload.data, type_hint, builtin_types=_BINARY)
        except Misfit as misfit:
            raise PayloadError(f"The value does not fit its annotation: {misfit}.") from None
        except msgspec.ValidationError as error:
            raise PayloadError(f"The value does not fit its annotation: {mismatch(error)}.") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PayloadError(f"The payload is not valid JSON ({type(error).__name__}).") from None
        raise PayloadError(
            f"Nothing here can read payloads of the encoding {payload.encoding[:100]!r}: that takes the data "
            "converter of whoever wrote them (data_converter=..., --data-converter)."
        )


def passed_on(value: Payload | RawValue) -> Payload:
    """The payload itself: it is somebody's own, and nobody looks inside. Raises PayloadError for one that no
    message could carry."""
    payload = value if isinstance(value, Payload) else value.payload
    if not isinstance(payload, Payload):
        raise PayloadError("A RawValue cannot be sent whose payload is no Payload.")
    if type(payload.encoding) is not str or type(payload.data) is not bytes:
        raise PayloadError("A Payload cannot be sent whose encoding is no str, or whose data are no bytes.")
    try:
        payload.encoding.encode()
    except UnicodeEncodeError:
        raise PayloadError("A Payload cannot be sent whose encoding is not valid Unicode.") from None
    return payload


_ENCODER = msgspec.json.Encoder(order="deterministic", decimal_format="string")
_PLAIN = (str, int)
_BINARY = (bytes, bytearray, memoryview)
_ANY = codec_of(Any)
_BUILTINS = frozenset({str, int, float, bool, type(None), list, dict, tuple, set, frozenset})


def _untyped(value: Any) -> Payload:
    """By what the value is itself: nobody says here what it will be read as."""
    if isinstance(value, _BINARY):
        return Payload(BINARY_PLAIN, bytes(value))
    try:
        if type(value) not in _BUILTINS:
            # What is not as its class says is still the values that it has.
            with suppress(Misfit, PayloadError):
                return _typed(value, _codec(type(value)))
        return _typed(value, _ANY)
    except Misfit as misfit:
        raise _not_sendable(value, str(misfit)) from None
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise _not_sendable(value, _why(error)) from error


def _typed(value: Any, codec: Codec) -> Payload:
    if isinstance(value, _BINARY) and _is_restored(codec, value):
        return Payload(BINARY_PLAIN, bytes(value))
    if not codec.exact(value):
        written = codec.write(value)
        return _finite(written, _ENCODER.encode(written), codec)
    try:
        data = _encode(value)
    except Exception:  # noqa: BLE001 - sets are sorted by the `<` of their items, which may raise anything
        data = _ENCODER.encode(codec.write(value))  # it may know where in the value that is
    return _finite(value, data, codec)


def _finite(value: Any, data: bytes, codec: Codec) -> Payload:
    # msgspec silently writes NaN and the infinities as null; only then is it worth looking for them.
    if b"null" in data and _holds_non_finite(value):
        codec.write(value)
        raise Misfit("NaN or an infinity, which JSON does not have")
    return Payload(JSON_PLAIN, data)


def _is_restored(codec: Codec, value: Any) -> bool:
    """Whether bytes come back as the same type when nothing but the bytes is sent."""
    try:
        return codec.suits(value) and type(codec.read(bytes(value))) is type(value)
    except Misfit:
        return False


def _encode(value: Any) -> bytes:
    try:
        return _ENCODER.encode(value)
    except TypeError:  # rightly, or because msgspec sorts only dicts whose keys are str
        return _ENCODER.encode(msgspec.to_builtins(value, str_keys=True, order="deterministic"))


def _codec(type_hint: Any) -> Codec:
    try:
        return codec_of(type_hint)
    except UnsupportedAnnotationError as error:
        raise PayloadError(f"No value can be restored as {shown_type(type_hint)}: {error}.") from error
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise PayloadError(f"No value can be restored as {shown_type(type_hint)}: {error}.") from error


@lru_cache(maxsize=4096)
def _decoder(codec: Codec) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(codec.hint)


def mismatch(error: msgspec.ValidationError) -> str:
    """What msgspec found wrong and where, without the value, which it quotes for enums and formats."""
    what, _, where = str(error).rpartition(" - at ")
    if not what:
        what, where = where, "`$`"
    safe = what if what.startswith(("Expected `", "Object missing required field")) else "Invalid value"
    return f"{safe} at {where}"


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply, or contains itself"
    if isinstance(error, UnicodeEncodeError):
        return "a string in it is not valid Unicode"
    # msgspec's TypeErrors name types and rules only; the texts of the others can hold parts of the value.
    return str(error).removesuffix(".") if isinstance(error, TypeError) else "a number in it is out of range"


def _not_sendable(value: Any, why: str) -> PayloadError:
    return PayloadError(f"A value of type {type(value).__qualname__} cannot be sent: {why}.")


def _holds_non_finite(value: Any) -> bool:
    try:
        plain = msgspec.to_builtins(value, str_keys=True)
    except TypeError:
        plain = write_any(value)
    try:
        json.dumps(plain, allow_nan=False, check_circular=False)  # (no walk of ours would be as fast)
    except ValueError:
        return True
    return False
