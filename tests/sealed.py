"""A data converter that seals whatever passes through it, and reads nothing else; and a workflow that sends a
value by all ways that there are. Sealed is what stands backwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from dalsegno import (
    ActivityError,
    ApplicationError,
    DataConverter,
    DefaultFailureConverter,
    DefaultPayloadConverter,
    Failure,
    Payload,
    PayloadConverter,
    RetryPolicy,
    activity,
    workflow,
)

SECRET = "the vault's number is 4711"
SEALED = "sealed:"


class SealingPayloadConverter(DefaultPayloadConverter):
    def to_payload(self, value: Any, type_hint: Any = Any) -> Payload:
        payload = super().to_payload(value, type_hint)
        return Payload(f"sealed/{payload.encoding}", payload.data[::-1])

    def from_payload(self, payload: Payload, type_hint: Any = Any) -> Any:
        mark, _, encoding = payload.encoding.partition("/")
        return super().from_payload(Payload({"sealed": encoding}[mark], payload.data[::-1]), type_hint)


class SealingFailureConverter(DefaultFailureConverter):
    def to_failure(self, error: BaseException, payload_converter: PayloadConverter) -> Failure:
        return self._without_words(super().to_failure(error, payload_converter))

    def _without_words(self, failure: Failure) -> Failure:
        cause = None if failure.cause is None else self._without_words(failure.cause)
        return replace(failure, message=SEALED + failure.message[::-1], stack="", cause=cause)

    def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> Exception:
        if failure.message.startswith(SEALED):
            failure = replace(failure, message=failure.message.removeprefix(SEALED)[::-1])
        return super().from_failure(failure, payload_converter)


sealed = DataConverter(
    payload_converter_class=SealingPayloadConverter, failure_converter_class=SealingFailureConverter
)


@dataclass
class Letter:
    text: str
    ways: list[str] = field(default_factory=list)
    """By which it came back whole."""
    signed: bool = False

    def by(self, way: str, value: Any) -> None:
        assert value == self.text, way
        self.ways.append(way)


@activity.defn
async def carry(letter: Letter) -> Letter:
    if activity.info().attempt == 1:
        activity.heartbeat(letter.text, 7)
        raise ApplicationError("once more")
    text, seven = activity.info().heartbeat_details
    assert seven == 7
    letter.by("heartbeat", text)
    return letter


@activity.defn
def lose(text: str) -> None:
    raise ApplicationError(text, text, type="Lost", non_retryable=True)


@workflow.defn
class Courier:
    def __init__(self) -> None:
        self.said: list[str] = []

    @workflow.run
    async def run(self, letter: Letter) -> Letter:
        if not letter.signed:
            letter.by("memo", workflow.memo_value("text"))
            letter.by("whole memo", workflow.memo()["text"])
            letter = await workflow.execute_activity(
                carry, letter, retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10))
            )
            await workflow.wait_condition(lambda: len(self.said) == 2)
            letter.by("signal", self.said[0])
            letter.by("dynamic signal", self.said[1])
            letter.signed = True
            workflow.checkpoint(letter)
        try:
            await workflow.execute_activity(lose, letter.text)
        except ActivityError as error:
            cause = error.__cause__
            assert isinstance(cause, ApplicationError)
            assert cause.type == "Lost"
            letter.by("message", cause.message)
            letter.by("detail", cause.details[0])
        if letter.text == SECRET:
            return letter
        raise ApplicationError(letter.text, letter, type="Returned")

    @workflow.signal
    def say(self, text: str) -> None:
        self.said.append(text)

    @workflow.signal(dynamic=True)
    def hear(self, name: str, args: list[Any]) -> None:
        self.said.append(args[0])

    @workflow.query
    def ask(self, text: str) -> list[str]:
        return [*self.said, text]

    @workflow.query
    def refuse(self, text: str) -> str:
        raise ApplicationError(text, text)


WAYS = ["memo", "whole memo", "heartbeat", "signal", "dynamic signal", "message", "detail"]
