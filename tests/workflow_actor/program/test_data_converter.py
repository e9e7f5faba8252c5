"""Workflow code under a converter of the user's own: all that comes and goes passes through it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from dalsegno import ActivityError, ApplicationError, DataConverter, Payload, activity, workflow
from dalsegno.actors.workflow_actor.activities.events import ActivityResolved
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.queries.failures import QueryHandlerError
from dalsegno.actors.workflow_actor.run.inputs import Begin, SignedState
from dalsegno.actors.workflow_actor.run.intents import CompleteRun, FailRun, SetSign
from dalsegno.actors.workflow_actor.signals.events import Signaled
from tests.default_converter import to_payload
from tests.sealed import SealingPayloadConverter, sealed
from tests.workflow_actor.program.play import Play


@activity.defn
async def weigh(name: str) -> int:
    raise NotImplementedError


@dataclass
class Basket:
    state_version: ClassVar[int] = 2
    names: list[str] = field(default_factory=list)
    weight: int = 0

    @classmethod
    def migrate_state(cls, version: int, data: dict[str, Any]) -> dict[str, Any]:
        return {"names": data["items"], "weight": 1}


@workflow.defn
class Weighs:
    def __init__(self) -> None:
        self.asked: list[str] = []

    @workflow.run
    async def run(self, basket: Basket) -> Basket:
        for name in basket.names:
            basket.weight += await workflow.execute_activity(weigh, name)
        if len(basket.names) < 2:
            await workflow.wait_condition(lambda: bool(self.asked))
            workflow.checkpoint(Basket([*basket.names, *self.asked], basket.weight))
        return basket

    @workflow.signal
    async def add(self, name: str) -> None:
        self.asked.append(name)

    @workflow.query
    def look(self, raw: Payload) -> Any:
        return workflow.payload_converter().from_payload(raw)

    @workflow.query
    def fail(self) -> None:
        raise ApplicationError("no", "detail")


def encodings(payloads: tuple[Payload, ...]) -> set[str]:
    return {payload.encoding for payload in payloads}


def begun() -> Play:
    play = Play(Weighs, data_converter=sealed)
    play.give(Begin(args=(sealed.to_payload(Basket(["tea"])),)))
    return play


SEALED = {"sealed/json/plain"}


def test_what_leaves_a_workflow_is_sealed_and_a_replay_gives_the_same() -> None:
    play = begun()
    assert encodings(play.activities[1].args) == SEALED
    play.give(ActivityResolved(number=1, result=sealed.to_payload(3)))
    play.give(Signaled(name="add", args=(sealed.to_payload("pot"),)))
    [sign] = [intent for intent in play.intents if isinstance(intent, SetSign)]
    assert sign.signed.state is not None
    assert encodings((sign.signed.state,)) == SEALED
    play.replayed()
    answer = play.program.query("look", (sealed.to_payload("raw"),))
    assert (answer.encoding, sealed.from_payload(answer)) == ("sealed/json/plain", "raw")
    for number in sorted(play.activities):
        play.give(ActivityResolved(number=number, result=sealed.to_payload(4)))
    for number in sorted(play.activities):
        play.give(ActivityResolved(number=number, result=sealed.to_payload(5)))
    assert isinstance(play.intents[-1], CompleteRun)
    assert sealed.from_payload(play.intents[-1].result, Basket) == Basket(["tea", "pot"], 12)


def test_a_state_of_an_older_version_is_read_and_made_new_by_the_converter() -> None:
    state = sealed.to_payload({"items": ["tea", "pot"]})
    play = Play(Weighs, data_converter=sealed, signed=SignedState(state=state, state_version=1, signs=1))
    play.give(Begin(args=()))
    assert [sealed.from_payload(call.args[0]) for call in play.activities.values()] == ["tea"]


def test_what_a_query_raises_and_how_a_run_fails_is_made_by_the_failure_converter() -> None:
    play = begun()
    with pytest.raises(QueryHandlerError) as caught:
        play.program.query("fail", ())
    assert caught.value.failure.message == "sealed:on"
    assert encodings(caught.value.failure.details) == SEALED
    play.give(ActivityResolved(number=1, failure=sealed.to_failure(ApplicationError("lost", "detail"))))
    assert isinstance(play.intents[-1], FailRun)
    failed = sealed.from_failure(play.intents[-1].failure)
    assert isinstance(failed, ActivityError)


@pytest.mark.parametrize(
    "signed", [SignedState(), SignedState(state=to_payload(Basket()), state_version=2, signs=1)]
)
def test_what_another_converter_wrote_is_a_bug_that_names_its_encoding(signed: SignedState) -> None:
    why = "SealingPayloadConverter cannot read a payload of the encoding 'json/plain': it raised KeyError"
    with pytest.raises(WorkflowCodeError, match=why):
        Play(Weighs, data_converter=sealed, signed=signed).give(Begin(args=(to_payload(Basket()),)))


class Another(SealingPayloadConverter): ...


def test_code_under_another_converter_is_other_code_and_under_the_default_what_it_was() -> None:
    def fingerprint(**options: Any) -> str:
        return WorkflowRegistry([(Weighs, None)], **options).fingerprint("any", "Weighs")

    another = DataConverter(payload_converter_class=Another)
    prints = [fingerprint(), fingerprint(data_converter=sealed), fingerprint(data_converter=another)]
    assert len(set(prints)) == 3
    assert fingerprint(data_converter=DataConverter()) == prints[0]
    assert fingerprint(data_converter=sealed) == prints[1]
