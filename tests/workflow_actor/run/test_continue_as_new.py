"""A run that goes on as another: what goes along, who is told, and what each of the two rows says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dalsegno import workflow
from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.commands import Caller, Command, WakeUp
from dalsegno.actors.workflow_actor.interface.effects import ResultEffect
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.run.events import RunClosed
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.policies import WorkflowStatus
from tests.default_converter import from_payload, to_payload
from tests.workflow_actor.rig import CALLER, Rig, effects

ELSEWHERE = Caller("other-replies", "call-2")


@workflow.defn(name="order")
class Rounds:
    """Goes on as often as it is told to, with what it has heard."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.next: list[object] | None = None

    @workflow.run
    async def run(self, left: int, heard: list[str] | None = None) -> list[str]:
        self.heard += heard or []
        if left < 0:
            workflow.continue_as_new(left + 1, self.heard)
        await workflow.wait_condition(lambda: self.next is not None or not left)
        if left:
            workflow.continue_as_new(*(self.next or ()))
        await workflow.wait_condition(lambda: "end" in self.heard)
        return self.heard

    @workflow.signal
    def go_on(self, *args: object) -> None:
        self.next = list(args)

    @workflow.signal
    async def hear(self, word: str) -> None:
        self.heard.append(word)

    @workflow.signal
    async def leave(self, left: int) -> None:
        await asyncio.sleep(0)
        workflow.continue_as_new(left, ["left"])

    @workflow.update
    async def say(self, word: str) -> str:
        await workflow.wait_condition(lambda: word in self.heard)
        return f"heard {word}"

    @workflow.update
    def leave_now(self) -> None:
        workflow.continue_as_new(0, ["by update"])


def rig(*, passivating: bool = False) -> Rig:
    return Rig(WorkflowRegistry([(Rounds, None)]), passivating=passivating)


def open_rig(left: int, *, passivating: bool = False, **changes: Any) -> Rig:
    made = rig(passivating=passivating)
    made.start(args=(to_payload(left),), wants_result=True, **changes)
    return made


def signal(name: str, *args: object) -> Signal:
    return Signal(name=name, args=tuple(map(to_payload, args)), caller=CALLER)


def update(name: str, *args: object, update_id: str = "u-1") -> Update:
    return Update(
        name=name,
        args=tuple(map(to_payload, args)),
        update_id=update_id,
        caller=CALLER,
        wait_for="completed",
    )


def goes_on(made: Rig, command: Command) -> tuple[Activation, Activation]:
    """The two halves of it, and the first step of the next run."""
    ended, opened = made.send_all(command)
    assert made.instance.wake_at == made.now
    return ended, opened


@pytest.mark.parametrize("passivating", [False, True])
def test_a_run_goes_on_as_the_next_in_one_commit_and_its_code_begins_by_a_wake_up(passivating: bool) -> None:
    made = open_rig(1, passivating=passivating, memo={"owner": to_payload("me")}, execution_timeout=10**9)

    ended, opened = goes_on(made, signal("go_on", 0, ["end"]))

    assert ended.run_id == "run-1"
    assert ended.changed is not None
    assert ended.changed.status is WorkflowStatus.CONTINUED_AS_NEW
    assert effects(ended, ResultEffect) == []
    assert opened.opened is not None
    assert opened.opened.status is WorkflowStatus.RUNNING
    assert opened.sequence == 1
    (closed,) = made.events(RunClosed)
    info = made.state.info
    assert closed.next_run_id == info.run_id == opened.run_id
    assert (info.first_run_id, info.continued_run_id, info.attempt) == ("run-1", "run-1", 1)
    assert (info.memo, info.workflow_type) == ({"owner": to_payload("me")}, "order")
    (result,) = effects(made.send(WakeUp(), held=False), ResultEffect)
    assert (result.run_id, result.status) == (info.run_id, WorkflowStatus.COMPLETED)
    assert from_payload(result.result) == ["end"]


def test_a_chain_knows_its_first_run_and_the_one_before() -> None:
    made = open_rig(1)
    ids = ["run-1"]
    for _ in range(3):
        goes_on(made, signal("go_on", 1))
        ids.append(made.state.info.run_id)
        made.send(WakeUp(), held=False)
    assert len(set(ids)) == 4
    info = made.state.info
    assert (info.first_run_id, info.continued_run_id) == ("run-1", ids[-2])


def test_one_that_goes_on_at_once_again_and_again_does_so_one_run_at_a_time() -> None:
    made = rig()
    began, opened = made.send_all(start_of(-3))
    assert (began.run_id, opened.sequence) == ("run-1", 1)
    for _ in range(2):
        ended, opened = made.send_all(WakeUp(), held=False)
        assert (ended.sequence, opened.sequence) == (2, 1)
    made.send(WakeUp(), held=False)
    assert made.status() is WorkflowStatus.RUNNING


def start_of(left: int) -> Command:
    from tests.workflow_actor.rig import start

    return start(args=(to_payload(left),))
