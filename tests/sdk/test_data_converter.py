"""Converters of the user's own: whatever they do, there is a payload, a failure, an error, or a sentence."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from dalsegno import (
    ApplicationError,
    DataConverter,
    DefaultFailureConverter,
    DefaultPayloadConverter,
    Failure,
    FailureError,
    Payload,
    PayloadConverter,
    PayloadError,
)
from dalsegno.data_converter import required
from tests.sdk.hostile_errors import Loud
from tests.sdk.sent_failures import LARGEST, sent
from tests.sealed import SealingPayloadConverter, sealed


class Told:
    """Answers each call by what a test says; knows what it was given."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.hints: list[Any] = []

    def _told(self) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class Payloads(Told):
    def to_payload(self, value: Any) -> Payload:
        payload: Payload = self._told()
        return payload

    def from_payload(self, payload: Payload, type_hint: Any = Any) -> Any:
        self.hints.append(type_hint)
        return self._told()


class PayloadsByHint(Payloads):
    def to_payload(self, value: Any, type_hint: Any = Any) -> Payload:
        self.hints.append(type_hint)
        return super().to_payload(value)


class Failures(Told):
    def to_failure(self, error: BaseException, payload_converter: PayloadConverter) -> Failure:
        failure: Failure = self._told()
        return failure

    def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> Exception:
        error: Exception = self._told()
        return error


def answering(answer: Any) -> DataConverter:
    return DataConverter(payload_converter_class=partial(Payloads, answer))


OWN = Payload("mine/own", b"\0")


def test_a_value_goes_through_the_converter_with_what_it_will_be_restored_as_if_that_is_asked_for() -> None:
    for kind, told in ((Payloads, [int]), (PayloadsByHint, [int, int])):
        converter = DataConverter(payload_converter_class=partial(kind, OWN))
        assert converter.to_payload(3, int) is OWN
        assert converter.from_payload(OWN, int) is OWN
        assert isinstance(converter.payload_converter, Payloads)
        assert converter.payload_converter.hints == told


def test_a_payload_is_passed_on_past_any_converter() -> None:
    converter = answering(RuntimeError("asked"))
    assert converter.to_payload(OWN, int) is OWN
    assert converter.from_payload(OWN, Payload) is OWN


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (KeyError("secret"), "of type set cannot be sent: the payload converter Payloads raised KeyError"),
        (None, "made no Payload"),
        (b"bytes", "made no Payload"),
        (Payload("mine", bytearray(b"x")), "made no Payload"),
        (Payload(7, b"x"), "The encoding of a payload must be a text"),  # type: ignore[arg-type]
        (Payload("", b"x"), "The encoding of a payload ''"),
        (Payload("a\nb", b"x"), "The encoding of a payload"),
        (Payload("x" * 300, b"x"), "The encoding of a payload"),
        (PayloadError("Not today."), "Not today."),
    ],
)
def test_what_a_converter_cannot_write_is_a_payload_error_without_the_value(answer: Any, why: str) -> None:
    with pytest.raises(PayloadError, match=why) as refused:
        answering(answer).to_payload({"secret"}, set)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("answer", [KeyError("secret"), PayloadError("Not today."), RecursionError()])
def test_what_a_converter_cannot_read_is_a_payload_error_that_names_the_encoding(answer: Exception) -> None:
    with pytest.raises(PayloadError, match="of the encoding 'mine/own'") as refused:
        answering(answer).from_payload(OWN, int)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "payload",
    [
        Payload("\ud800", b""),
        Payload(7, b""),  # type: ignore[arg-type]
        Payload("mine", "secret"),  # type: ignore[arg-type]
        Payload("mine", bytearray(b"secret")),
        Payload(None, None),  # type: ignore[arg-type]
    ],
)
def test_a_payload_of_the_users_own_that_no_message_could_carry_is_refused(payload: Payload) -> None:
    for converter in (DataConverter.default, sealed):
        with pytest.raises(PayloadError, match="A Payload cannot be sent whose") as refused:
            converter.to_payload(payload)
        assert "secret" not in str(refused.value)


def test_the_default_says_whose_converter_it_would_take() -> None:
    with pytest.raises(
        PayloadError, match=r"encoding 'mine/own': that takes the data converter of whoever wrote"
    ):
        DataConverter.default.from_payload(OWN)


def nested(levels: int) -> Failure:
    failure = Failure(message="secret")
    for _ in range(levels):
        failure = Failure(message="secret", cause=failure)
    return failure


UNSENDABLE: dict[str, Any] = {
    "a message that is no text": Failure(message=5),  # type: ignore[arg-type]
    "a message of another class": Failure(message=Loud("secret")),
    "a message that is not Unicode": Failure(message="secret \ud800"),
    "a message too large": Failure(message="secret" * 1_000_000),
    "a type that is no text": Failure(type=b"secret"),  # type: ignore[arg-type]
    "a kind that there is not": Failure(kind="secret"),  # type: ignore[arg-type]
    "a truth that is none": Failure(non_retryable="secret"),  # type: ignore[arg-type]
    "a delay before now": Failure(next_retry_delay=-5, message="secret"),
    "a delay that is a float": Failure(next_retry_delay=0.5, message="secret"),  # type: ignore[arg-type]
    "an attempt beyond all": Failure(kind="activity", attempt=2**60, message="secret"),
    "details that are values": Failure(details=("secret",)),  # type: ignore[arg-type]
    "details that are objects": Failure(details=(object(),)),  # type: ignore[arg-type]
    "a detail whose bytes are none": Failure(details=(Payload("secret", "secret"),)),  # type: ignore[arg-type]
    "details too large": Failure(details=(Payload("secret", b"secret" * 1_000_000),)),
    "details too many": Failure(details=(Payload("", b""),) * 20_000, message="secret"),
    "a cause that is an error": Failure(cause=ValueError("secret")),  # type: ignore[arg-type]
    "a wrong cause far in": Failure(cause=Failure(parts=(Failure(stack=7),))),  # type: ignore[arg-type]
    "causes too deep": nested(30),
    "causes without end": nested(30_000),
    "parts too many": Failure(parts=(Failure(message="secret"),) * 300),
}


@pytest.mark.parametrize(
    "answer",
    [
        *(RuntimeError("secret"), SystemExit("secret"), None, ApplicationError("secret"), Failure),
        *(pytest.param(answer, id=name) for name, answer in UNSENDABLE.items()),
    ],
)
def test_where_a_failure_converter_fails_nothing_of_the_error_is_told_but_its_type(answer: Any) -> None:
    converter = DataConverter(failure_converter_class=partial(Failures, answer))
    failure = converter.to_failure(ApplicationError("secret", "secret", type="Broke", non_retryable=True))
    assert (failure.type, failure.non_retryable, failure.details) == ("Broke", True, ())
    assert "failure converter" in failure.message
    assert "secret" not in repr(failure)
    assert sent(failure) == failure


def test_what_a_failure_converter_makes_is_what_its_receiver_reads() -> None:
    made = Failure(
        message="mine",
        details=[Payload("own", bytearray(b"\1"))],  # type: ignore[arg-type]
        parts=[Failure(message="within")],  # type: ignore[arg-type]
    )
    converter = DataConverter(failure_converter_class=partial(Failures, made))
    failure = converter.to_failure(ValueError())
    assert failure == Failure(
        message="mine", details=(Payload("own", b"\1"),), parts=(Failure(message="within"),)
    )
    assert sent(failure) == failure


class Wraps(DefaultFailureConverter):
    def to_failure(self, error: BaseException, payload_converter: PayloadConverter) -> Failure:
        return Failure(message="around", cause=super().to_failure(error, payload_converter))


@pytest.mark.parametrize("much", LARGEST)
def test_the_largest_failure_of_the_default_may_stand_within_one_of_the_users_own(much: str) -> None:
    error = LARGEST[much]()
    failure = DataConverter(failure_converter_class=Wraps).to_failure(error)
    assert failure.message == "around"
    assert failure.cause == DataConverter.default.to_failure(error)
    assert sent(failure) == failure


@pytest.mark.parametrize("answer", [RuntimeError("no"), SystemExit(3), None, "text", KeyboardInterrupt])
def test_where_a_failure_converter_restores_nothing_the_default_does(answer: Any) -> None:
    converter = DataConverter(failure_converter_class=partial(Failures, answer))
    error = converter.from_failure(Failure(message="it broke", type="Broke"))
    assert isinstance(error, FailureError)
    assert error.message == "it broke"
    assert any("failure converter" in note for note in error.__notes__)


def test_an_error_that_a_failure_converter_makes_is_the_one_that_is_raised() -> None:
    class Looks(DefaultFailureConverter):
        def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> Exception:
            return LookupError(failure.message)

    error = DataConverter(failure_converter_class=Looks).from_failure(Failure(message="mine"))
    assert (type(error), str(error)) == (LookupError, "mine")


def test_details_go_through_the_payload_converter_and_stay_payloads_where_it_cannot_read_them() -> None:
    failure = sealed.to_failure(ApplicationError("x", "detail"))
    assert [payload.encoding for payload in failure.details] == ["sealed/json/plain"]
    restored = sealed.from_failure(failure)
    assert isinstance(restored, ApplicationError)
    assert restored.details == ("detail",)
    foreign = sealed.from_failure(Failure(details=(OWN,)))
    assert isinstance(foreign, ApplicationError)
    assert foreign.details == (OWN,)


def test_it_is_changed_as_a_dataclass_and_equal_by_its_classes() -> None:
    changed = replace(DataConverter.default, payload_converter_class=SealingPayloadConverter)
    assert isinstance(changed.payload_converter, SealingPayloadConverter)
    assert isinstance(changed.failure_converter, DefaultFailureConverter)
    assert changed == DataConverter(payload_converter_class=SealingPayloadConverter)
    assert changed != DataConverter.default


class Needy(DefaultPayloadConverter):
    def __init__(self, key: bytes) -> None:
        self.key = key


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (
            {"payload_converter_class": 3},
            "payload_converter_class must be a class of payload converters, not 3",
        ),
        ({"payload_converter_class": DefaultPayloadConverter()}, "must be a class of payload converters"),
        ({"payload_converter_class": Needy}, "made without arguments, but to call it raised TypeError"),
        (
            {"payload_converter_class": dict},
            "makes no PayloadConverter: it needs the methods to_payload and from",
        ),
        (
            {"failure_converter_class": Payloads},
            "makes no FailureConverter: it needs the methods to_failure and",
        ),
        (
            {"failure_converter_class": None},
            "failure_converter_class must be a class of failure converters, not",
        ),
    ],
)
def test_what_is_no_class_of_converters_is_refused_by_name(options: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        DataConverter(**options)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (7, "data_converter must be a DataConverter, not a value of the type int"),
        (None, "data_converter must be a DataConverter, not a value of the type NoneType"),
        (
            DataConverter,
            "not the class DataConverter",
        ),
        (Needy, r"give DataConverter\(payload_converter_class=Needy\)"),
        (SealingPayloadConverter(), r"give DataConverter\(payload_converter_class=SealingPayloadConverter\)"),
    ],
)
def test_what_is_no_data_converter_is_refused_with_what_was_probably_meant(value: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        required("data_converter", value)
