"""A converter that encrypts, and workflows that send a secret by all ways that there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dalsegno import (
    ActivityError,
    ApplicationError,
    CodecChain,
    CompressionCodec,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    EncryptionCodec,
    Key,
    Keys,
    RetryPolicy,
    activity,
    workflow,
)

SECRET = "the safe's combination is 90-12-5"
"""Which nobody else sends: servers are shared, and others send theirs in the clear."""
MINUTE = timedelta(minutes=1)
SOON = RetryPolicy(initial_interval=timedelta(milliseconds=10))


def with_keys(*keys: Key) -> DataConverter:
    return DataConverter(
        payload_codec=CodecChain(CompressionCodec(), EncryptionCodec(Keys(*keys), namespace="tests")),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


encrypted = with_keys(Key("first", bytes(range(32))))
without = with_keys(Key("other", bytes(range(1, 33))))


@dataclass
class Letter:
    text: str
    signed: bool = False


@activity.defn
async def carry(letter: Letter) -> str:
    if activity.info().attempt == 1:
        activity.heartbeat(letter.text)
        raise ApplicationError(letter.text, letter.text)
    assert activity.info().heartbeat_details == (letter.text,)
    return letter.text


@activity.defn
async def recall(text: str) -> str:
    return text


@activity.defn(executor="process")
def pass_on(text: str) -> str:
    return text


@activity.defn
async def wait_outside(text: str) -> str:
    activity.raise_complete_async()


@activity.defn
def lose(text: str) -> None:
    raise ApplicationError(text, text, type="Lost", non_retryable=True)


@workflow.defn
class Courier:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []

    @workflow.run
    async def run(self, letter: Letter) -> str:
        text = letter.text
        if not letter.signed:
            assert workflow.memo_value("text") == text
            workflow.upsert_memo({"more": text})
            results = [
                await workflow.execute_activity(carry, letter, retry_policy=SOON),
                await workflow.execute_local_activity(recall, text, start_to_close_timeout=MINUTE),
                await workflow.execute_activity(pass_on, text),
                await workflow.execute_activity(wait_outside, text, activity_id="outside"),
            ]
            assert results == [text] * 4
            await workflow.wait_condition(lambda: bool(self.said and self.asked))
            letter.signed = True
            workflow.checkpoint(letter)
        assert workflow.memo()["more"] == text
        try:
            await workflow.execute_activity(lose, text)
        except ActivityError as error:
            assert isinstance(error.cause, ApplicationError)
            assert (error.cause.message, error.cause.details) == (text, (text,))
        await workflow.get_external_workflow_handle("listener").signal("say", text)
        return text

    @workflow.signal
    def say(self, text: str) -> None:
        self.said.append(text)

    @workflow.update
    async def ask(self, text: str) -> str:
        if not text:
            raise ApplicationError(SECRET)
        self.asked.append(text)
        return text

    @workflow.query
    def look(self, text: str) -> list[str]:
        return [*self.said, text]

    @workflow.query
    def refuse(self, text: str) -> None:
        raise ApplicationError(text, text)


@workflow.defn
class Listener:
    """Its work waits where nobody is."""

    def __init__(self) -> None:
        self.said: list[str] = []

    @workflow.run
    async def run(self, text: str) -> str:
        unread = workflow.start_activity("nobody's", text, task_queue="nobody-reads")
        await workflow.wait_condition(lambda: bool(self.said))
        unread.cancel()
        return self.said[0]

    @workflow.signal
    def say(self, text: str) -> None:
        self.said.append(text)


@workflow.defn
class Parent:
    @workflow.run
    async def run(self, text: str) -> str:
        result: Any = await workflow.execute_child_workflow(Echo.run, text, id="echo", memo={"text": text})
        return str(result)


@workflow.defn
class Echo:
    """Goes on as another."""

    @workflow.run
    async def run(self, text: str, again: bool = True) -> str:
        if again:
            workflow.continue_as_new(args=[text, False])
        return text


@workflow.defn
class Reporter:
    """Of a schedule: tells what the one before has told."""

    @workflow.run
    async def run(self, text: str) -> str:
        if workflow.has_last_completion_result():
            assert workflow.get_last_completion_result(str) == text
        return text


@workflow.defn
class Broken:
    @workflow.run
    async def run(self, text: str) -> None:
        raise KeyError(text)


@workflow.defn
class Failing:
    @workflow.run
    async def run(self, text: str) -> None:
        raise ApplicationError(text, text, type="Returned")
