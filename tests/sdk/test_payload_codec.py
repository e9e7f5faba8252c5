"""Codecs behind the payload converter, and those that make payloads smaller."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import pytest

from dalsegno import (
    ActivityError,
    ApplicationError,
    CanceledError,
    ChildWorkflowError,
    CodecChain,
    CompressionCodec,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    EncryptionCodec,
    Key,
    Keys,
    Payload,
    PayloadCodecError,
    PayloadContext,
    PayloadError,
    TimedOutError,
    TimeoutType,
)

ORDER = PayloadContext("order-7")
KEYS = Keys(Key("first", bytes(range(32))))
both = DataConverter(
    payload_codec=CodecChain(CompressionCodec(), EncryptionCodec(KEYS, namespace="shop")),
    failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
)


class Raises:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def encode(self, payload: Payload, context: PayloadContext, /) -> Payload:
        if isinstance(self.answer, Exception):
            raise self.answer
        answer: Payload = self.answer
        return answer

    decode = encode


def test_without_a_codec_a_converter_is_that_of_every_workflow() -> None:
    assert DataConverter.default.of_workflow("order-7") is DataConverter.default


def test_with_one_it_is_to_be_said_whose_payloads_they_are() -> None:
    uses: list[Callable[[], Any]] = [
        lambda: both.to_payload("x"),
        lambda: both.from_payload(Payload("json/plain", b"1")),
    ]
    for use in uses:
        with pytest.raises(PayloadError, match=r"ask data_converter\.of_workflow\(WORKFLOW_ID\)"):
            use()
    converter = both.of_workflow("order-7")
    assert converter.from_payload(converter.to_payload({"a": "x" * 5000})) == {"a": "x" * 5000}
    assert len(converter.to_payload("x" * 5000).data) < 200
    with pytest.raises(PayloadError, match="not one of workflow 'order-8'"):
        both.of_workflow("order-8").from_payload(converter.to_payload(1))


def test_only_what_shrinks_is_compressed() -> None:
    codec = CompressionCodec()
    small, noise = Payload("json/plain", b"x" * 1023), Payload("binary/plain", zlib.compress(b"x" * 5_000_000))
    assert len(noise.data) > 1024
    assert codec.encode(small, ORDER) is small
    assert len(codec.encode(noise, ORDER).data) <= len(noise.data)
    large = Payload("json/plain", b"x" * 5000)
    compressed = codec.encode(large, ORDER)
    assert compressed.encoding == "compressed/zlib"
    assert codec.decode(compressed, ORDER) == large


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "ends too early"),
        (b"nothing", "zlib cannot read it"),
        (zlib.compress(b"10:json/plain1")[:-3], "ends too early"),
        (zlib.compress(b"what"), "does not say what it was"),
        (zlib.compress(b"3:\xff\xff\xff"), "does not say what it was"),
        (zlib.compress(bytes(65 * 1024 * 1024)), "has more than 64 MiB"),
    ],
)
def test_what_zlib_has_not_made_whole_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(PayloadError, match=why):
        CompressionCodec().decode(Payload("compressed/zlib", data), ORDER)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (RuntimeError("4711"), "The payload codec Raises cannot {what} a payload.*: it raised RuntimeError"),
        (None, "The payload codec Raises cannot be used: its {what} gave no Payload"),
        (Payload("x", "y"), "The payload codec Raises cannot be used: its {what} gave no Payload"),  # type: ignore[arg-type]
    ],
)
def test_whatever_a_codec_does_there_is_one_error(answer: Any, why: str) -> None:
    converter = DataConverter(payload_codec=Raises(answer)).of_workflow("order-7")
    came = Payload("x", b"")
    uses: dict[str, Callable[[], Any]] = {
        "encode": lambda: converter.to_payload(1),
        "decode": lambda: converter.from_payload(came),
    }
    for what, use in uses.items():
        with pytest.raises(PayloadError, match=why.format(what=what)) as refused:
            use()
        assert "4711" not in str(refused.value)


def test_a_label_that_no_message_could_carry_is_refused() -> None:
    converter = DataConverter(payload_codec=Raises(Payload("", b""))).of_workflow("order-7")
    with pytest.raises(PayloadError, match="payload codec Raises cannot be used: The encoding of a payload"):
        converter.to_payload(1)


class Waits:
    async def encode(self, payload: Payload, context: PayloadContext, /) -> Payload:
        return payload

    async def decode(self, payload: Payload, context: PayloadContext, /) -> Payload:
        return payload


class OfTemporal:
    def encode(self, payloads: list[Payload]) -> list[Payload]:
        return payloads

    def decode(self, payloads: list[Payload]) -> list[Payload]:
        return payloads


@pytest.mark.parametrize(
    ("codec", "why"),
    [
        (Waits(), "Waits has an async encode, but it is called amid workflow code"),
        (OfTemporal(), r"OfTemporal is called as encode\(payload, context\)"),
        (CompressionCodec, r"not the class CompressionCodec: give CompressionCodec\(\.\.\.\)"),
        ("zlib", "must be a PayloadCodec, with encode and decode, not a value of the type str"),
    ],
)
def test_what_is_no_codec_is_refused_at_once(codec: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        DataConverter(payload_codec=codec)


def test_a_failure_shows_its_type_and_nothing_that_was_said() -> None:
    def failed() -> None:
        try:
            raise ValueError("card 4711")
        except ValueError as error:
            raise ApplicationError("no money on 4711", "4711", type="Declined", non_retryable=True) from error

    converter = both.of_workflow("order-7")
    with pytest.raises(ApplicationError) as raised:
        failed()
    failure = converter.to_failure(raised.value)
    assert (failure.message, failure.type, failure.non_retryable) == ("Encoded failure", "Declined", True)
    assert b"4711" not in repr(failure).encode()
    restored = converter.from_failure(failure)
    assert isinstance(restored, ApplicationError)
    assert (restored.message, restored.details) == ("no money on 4711", ("4711",))
    assert isinstance(restored.__cause__, ApplicationError)
    assert restored.__cause__.message == "card 4711"
    assert "in failed" in restored.__notes__[0]
    stranger = both.of_workflow("order-8").from_failure(failure)
    assert isinstance(stranger, ApplicationError)
    assert stranger.message == "Encoded failure"


@pytest.mark.parametrize(
    "error",
    [
        ActivityError("card 4711", activity_type="charge", activity_id="1", attempt=1),
        ChildWorkflowError("card 4711", workflow_id="w", run_id="r", workflow_type="Order"),
        CanceledError("card 4711"),
        TimedOutError("card 4711", timeout_type=TimeoutType.HEARTBEAT),
        ApplicationError("card 4711"),
    ],
)
def test_who_hands_on_an_error_that_he_cannot_read_hands_on_its_words(error: Exception) -> None:
    """As schedules and standalone activities do, which are the engine's own workflows."""
    sealed = both.of_workflow("order-7").to_failure(error)
    handed_on = DataConverter.default.to_failure(DataConverter.default.from_failure(sealed))
    assert "4711" not in repr(handed_on)
    restored = both.of_workflow("order-7").from_failure(handed_on)
    assert (type(restored), str(restored)) == (type(error), "card 4711")


def test_of_an_error_that_cannot_be_sealed_only_the_type_is_told() -> None:
    converter = DataConverter(
        payload_codec=Raises(PayloadCodecError("no key")),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    ).of_workflow("order-7")
    failure = converter.to_failure(ApplicationError("no money on 4711", "4711", type="Declined"))
    assert failure.type == "Declined"
    assert "4711" not in repr(failure)
