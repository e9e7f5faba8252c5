"""What a sign carries over: the state and its version, signals and requests, numbers, and chance."""
# ruff: noqa: RET503 - workflow.checkpoint never returns

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from dalsegno import workflow
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.actors.workflow_actor.run.inputs import Begin, SignedState
from tests.default_converter import to_payload
from tests.workflow_actor.program.play import Play
from tests.workflow_actor.program.things import echo


@dataclass
class Count:
    total: int = 0
    names: list[str] = field(default_factory=list)


@workflow.defn
class Draws:
    @workflow.run
    async def run(self, drawn: list[str]) -> list[str]:
        drawn += [str(workflow.uuid4()), str(workflow.random().random())]
        await workflow.sleep(1)
        if len(drawn) < 6:
            workflow.checkpoint(drawn)
        return drawn


def test_ids_and_random_numbers_never_repeat_across_signs_and_are_the_same_after_recovery() -> None:
    play = Play(Draws)
    play.begin([])
    play.fire(1)
    recovered = play.replayed()
    for one in (play, recovered):
        one.run()
    assert play.result == recovered.result
    assert len(set(play.result)) == 6
    assert play.digests == ["timer 1", "sign", "timer 2", "sign", "timer 3", "complete"]


@workflow.defn
class Handles:
    """Goes to a sign while handlers run."""

    def __init__(self) -> None:
        self.state = Count()

    @workflow.run
    async def run(self, state: Count) -> Any:
        self.state = state
        if state.total == 1:
            await workflow.wait_condition(lambda: len(state.names) == 3)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                return [*state.names, f"cancelled: {error}"]
        await workflow.wait_condition(lambda: not workflow.all_handlers_finished())
        state.total += 1
        workflow.checkpoint(state)

    @workflow.signal
    async def note(self, text: str) -> None:
        await workflow.execute_activity(echo, text)
        self.state.names.append(text)


def test_a_sign_waits_for_handlers_and_hands_on_what_comes_meanwhile() -> None:
    play = Play(Handles)
    play.begin(Count())
    assert [intent.digest for intent in play.signal("note", "a")] == ["activity 1 echo"]
    assert play.signal("note", "b") == []
    assert play.cancel("enough") == []
    assert play.signal("note", "c") == []
    assert any("signal handler note" in wait for wait in play.program.waiting_for())
    assert [intent.digest for intent in play.resolve(1, "a")] == [
        "sign",
        "activity 2 echo",
        "activity 3 echo",
        "canceled",
    ]
    [signed] = play.signs
    assert [signal.name for signal in signed.signals] == ["note", "note"]
    assert signed.cancel_reason == "enough"
    play.replayed()


@workflow.defn
class Stops:
    """Swallows the cancellation and cleans up after a sign, as long-lived workflows do."""

    @workflow.run
    async def run(self, stopping: bool) -> None:
        if stopping:
            await workflow.execute_activity(echo, "clean up")
            raise asyncio.CancelledError("stopped")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            workflow.checkpoint(True)


def test_a_cancel_request_that_was_seen_is_not_repeated_after_the_sign() -> None:
    play = Play(Stops)
    play.begin(False)
    assert [intent.digest for intent in play.cancel()] == ["sign", "activity 1 echo"]
    assert play.signs[0].cancel_reason is None
    play.resolve(1, "x")
    assert play.digests[-1] == "canceled"
    play.replayed()


@dataclass
class Versioned:
    state_version: ClassVar[int] = 3
    euros: int
    cents: int

    @classmethod
    def migrate_state(cls, version: int, data: dict[str, Any]) -> dict[str, Any]:
        if version == 1:
            data = {"cents": data["amount"]}
        return {"euros": data["cents"] // 100, "cents": data["cents"] % 100}


@workflow.defn
class Pays:
    @workflow.run
    async def run(self, amount: Versioned | None = None) -> Any:
        if amount is None:
            workflow.checkpoint(Versioned(1, 2))
        await workflow.sleep(1)
        return amount


def test_the_version_of_the_state_is_kept_and_older_ones_are_migrated() -> None:
    play = Play(Pays)
    play.begin()
    assert play.signs[0].state_version == 3
    for version, data in ((1, {"amount": 250}), (2, {"cents": 250}), (3, {"euros": 2, "cents": 50})):
        play = Play(Pays, signed=SignedState(state=to_payload(data), state_version=version, signs=1))
        play.give(Begin())
        play.fire(1)
        assert play.result == {"euros": 2, "cents": 50}


@pytest.mark.parametrize(
    ("cls", "version", "data", "why"),
    [
        (Pays, 4, {}, "is of version 4, but this code knows .* up to version 3"),
        (Pays, 1, {}, "KeyError: 'amount'"),
        (Pays, 3, {"euros": "x"}, "does not fit its annotation"),
        (Handles, 2, {}, "is of version 2"),
    ],
)
def test_a_state_that_the_code_cannot_take_is_refused_when_the_program_is_built(
    cls: type, version: int, data: dict[str, Any], why: str
) -> None:
    with pytest.raises(
        WorkflowCodeError, match=rf"The state of \w+ at its last sign cannot be restored\..*{why}"
    ):
        Play(cls, signed=SignedState(state=to_payload(data), state_version=version, signs=1))


@workflow.defn
class SignsAtOnce:
    def __init__(self) -> None:
        self.notes: list[str] = []

    @workflow.run
    async def run(self, left: int) -> list[str]:
        if left:
            workflow.checkpoint(left - 1)
        await workflow.wait_condition(lambda: len(self.notes) == 1)
        return self.notes

    @workflow.signal
    def note(self, text: str) -> None:
        self.notes.append(text)


def test_signals_handed_on_by_a_sign_pass_through_a_run_method_that_signs_again_at_once() -> None:
    play = Play(SignsAtOnce)
    first = SignedState(state=to_payload(3), signs=1, signals=Play(Handles).signed.signals)
    play = Play(SignsAtOnce, signed=first)
    play.give(Begin())
    play.signal("note", "a")
    assert play.result == ["a"]


def test_the_state_is_read_back_from_its_bytes_so_that_live_and_recovered_are_alike() -> None:
    play = Play(Aliases)
    play.begin({"list": []})
    assert play.result == "not shared"


@workflow.defn
class Aliases:
    kept: ClassVar[list[Any]] = []

    @workflow.run
    async def run(self, state: dict[str, Any]) -> str:
        if "second" in state:
            return "shared" if state["list"] is self.kept[-1] else "not shared"
        state["second"] = True
        self.kept.append(state["list"])
        workflow.checkpoint(state)
