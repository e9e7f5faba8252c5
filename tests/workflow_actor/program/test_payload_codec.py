"""Sealed payloads of workflow code: run again it wants the same; for want of a key nothing is decided."""

from __future__ import annotations

import pytest

from dalsegno import (
    ApplicationError,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    EncryptionCodec,
    Key,
    Keys,
    KeyScope,
    Payload,
    PayloadCodecError,
    activity,
    workflow,
)
from dalsegno.actors.workflow_actor.activities.events import ActivityResolved
from dalsegno.actors.workflow_actor.children.intents import StartChild
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.queries.failures import QueryHandlerError
from dalsegno.actors.workflow_actor.run.inputs import Begin
from dalsegno.actors.workflow_actor.signals.events import Signaled
from dalsegno.actors.workflow_actor.signals.intents import SetSignalAside
from dalsegno.actors.workflow_actor.updates.events import Updated
from tests.workflow_actor.program.play import Play

GONE = "which is not here"


class Safe:
    """Of one key, which may be away."""

    def __init__(self) -> None:
        self.key: Key | None = Key("first", bytes(range(32)))
        self.opens = True

    def sealing_key(self, scope: KeyScope, /) -> Key:
        if self.key is None:
            raise PayloadCodecError("There is no key, which is not here.")
        return self.key

    def opening_key(self, key_id: str, scope: KeyScope, /) -> Key | None:
        return self.key if self.opens else None


@activity.defn
async def weigh(name: str) -> int:
    raise NotImplementedError


@workflow.defn
class Careless:
    """Takes whatever happens for an answer."""

    def __init__(self) -> None:
        self.names: list[str] = []

    @workflow.run
    async def run(self, name: str) -> int:
        try:
            weight = await workflow.execute_activity(weigh, name)
        except Exception:  # noqa: BLE001 - as careless code does
            weight = -1
        try:
            await workflow.start_child_workflow("Child", name, id="child")
        except Exception:  # noqa: BLE001
            return -2
        return weight

    @workflow.signal
    def add(self, name: str) -> None:
        self.names.append(name)

    @workflow.query
    def look(self) -> list[str]:
        return self.names

    @workflow.query
    def fail(self) -> None:
        raise KeyError("card 4711")


@pytest.fixture
def safe() -> Safe:
    return Safe()


@pytest.fixture
def converter(safe: Safe) -> DataConverter:
    return DataConverter(
        payload_codec=EncryptionCodec(safe, namespace="shop"),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


@pytest.fixture
def of_order(converter: DataConverter) -> DataConverter:
    return converter.of_workflow("order-7")


@pytest.fixture
def play(converter: DataConverter, of_order: DataConverter) -> Play:
    play = Play(Careless, data_converter=converter)
    play.give(Begin(args=(of_order.to_payload("tea"),)))
    return play


def replayed(play: Play) -> list[str]:
    """What its code wants when it is run again with what came."""
    again = play._build()
    return [
        intent.digest for input_, now, _ in play.log for intent in again.step(input_, now=now, replaying=True)
    ]


def test_sealed_anew_each_time_it_wants_the_same(play: Play, of_order: DataConverter) -> None:
    play.give(ActivityResolved(number=1, result=of_order.to_payload(3)))
    assert replayed(play) == [intent.digest for intent in play.intents]


def test_the_arguments_of_a_child_are_the_child_s(
    play: Play, of_order: DataConverter, converter: DataConverter
) -> None:
    play.give(ActivityResolved(number=1, result=of_order.to_payload(3)))
    child = play.intents[-1]
    assert isinstance(child, StartChild)
    assert converter.of_workflow("child").from_payload(child.spec.args[0]) == "tea"


def test_code_that_catches_everything_decides_nothing_for_want_of_a_key(
    play: Play, safe: Safe, of_order: DataConverter
) -> None:
    result, key = of_order.to_payload(3), safe.key
    safe.key = None
    with pytest.raises(WorkflowCodeError, match=GONE):
        play.give(ActivityResolved(number=1, result=result))
    with pytest.raises(WorkflowCodeError, match=GONE):  # nor when it is built anew
        replayed(play)
    safe.key = key
    again = Play.__new__(Play)
    again.__dict__.update(play.__dict__)
    again.program = play._build()
    for input_, now, _ in play.log:
        again.program.step(input_, now=now, replaying=True)
    assert isinstance(again.give(ActivityResolved(number=1, result=result))[-1], StartChild)


def test_a_signal_for_which_the_key_is_away_waits_and_one_that_is_no_payload_is_set_aside(
    play: Play, safe: Safe, of_order: DataConverter, converter: DataConverter
) -> None:
    foreign = converter.of_workflow("order-8").to_payload("pot")
    [aside] = play.give(Signaled(name="add", args=(foreign,)))
    assert isinstance(aside, SetSignalAside)
    assert "not one of workflow 'order-7'" in aside.reason
    signal = Signaled(name="add", args=(of_order.to_payload("pot"),))
    safe.key = None
    with pytest.raises(WorkflowCodeError, match=GONE):
        play.give(signal)


def test_a_query_that_cannot_be_answered_now_is_nothing_to_the_workflow(
    play: Play, safe: Safe, of_order: DataConverter
) -> None:
    result, key = of_order.to_payload(3), safe.key
    safe.key = None
    with pytest.raises(QueryHandlerError, match=GONE):
        play.program.query("look", ())
    safe.key = key
    assert of_order.from_payload(play.program.query("look", ())) == []
    play.give(ActivityResolved(number=1, result=result))


def test_what_an_error_says_is_not_in_the_reason(play: Play) -> None:
    with pytest.raises(QueryHandlerError, match="KeyError: its message is not shown here") as failed:
        play.program.query("fail", ())
    assert "4711" not in repr((str(failed.value), failed.value.failure))


def test_a_host_that_has_other_keys_is_other_code() -> None:
    def fingerprint() -> str:
        codec = EncryptionCodec(Keys(*keys), namespace="shop")
        converter = DataConverter(payload_codec=codec)
        return WorkflowRegistry([(Careless, None)], data_converter=converter).fingerprint("any", "Careless")

    keys = [Key("first", bytes(32))]
    before = fingerprint()
    assert fingerprint() == before
    keys.append(Key("second", bytes(32)))
    assert fingerprint() != before


@workflow.defn
class Trusting:
    """Reads with whatever is there."""

    @workflow.run
    async def run(self) -> None:
        workflow.upsert_memo({"limit": 3})
        await workflow.wait_condition(lambda: False)

    def limit(self) -> int:
        try:
            return int(workflow.memo_value("limit"))
        except Exception:  # noqa: BLE001 - as careless code does
            return 1_000

    @workflow.query
    def look(self) -> int:
        return self.limit()

    @workflow.update
    def spend(self, amount: int) -> None:
        raise NotImplementedError

    @spend.validator
    def within_limit(self, amount: int) -> None:
        if amount > self.limit():
            raise ApplicationError("too much")


def test_who_reads_and_takes_a_missing_key_for_an_answer_is_not_believed(
    converter: DataConverter, of_order: DataConverter, safe: Safe
) -> None:
    play = Play(Trusting, data_converter=converter)
    play.give(Begin(args=()))
    plain = Payload("json/plain", b"7")
    assert of_order.from_payload(play.program.query("look", ())) == 3
    update = Updated(update_id="u", name="spend", args=(plain,))
    refused = play.program.rejection(update)
    assert refused is not None
    assert of_order.from_failure(refused).args == ("too much",)
    safe.opens = False
    with pytest.raises(QueryHandlerError, match=GONE):
        play.program.query("look", ())
    refused = play.program.rejection(update)
    assert refused is not None
    assert refused.type == "PayloadCodecError"
    safe.opens = True
    assert of_order.from_payload(play.program.query("look", ())) == 3
