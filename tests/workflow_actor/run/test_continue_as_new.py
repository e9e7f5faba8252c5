"""A run that goes on as another: what goes along, who is told, and what each of the two rows says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dalsegno import workflow
from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome
from dalsegno.actors.workflow_actor.interface.commands import (
    AwaitEnd,
    Caller,
    Cancel,
    Command,
    Resume,
    Suspend,
    WakeUp,
)
from dalsegno.actors.workflow_actor.interface.effects import ResultEffect, RunEndedEffect, ToAskerEffect
from dalsegno.actors.workflow_actor.interface.workflow_of import WorkflowOf
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.run.events import RunClosed
from dalsegno.actors.workflow_actor.signals.commands import SettleQuarantined, Signal, StruckSignal
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.actors.workflow_actor.updates.sends import UpdateEffect
from dalsegno.policies import WorkflowStatus
from tests.default_converter import from_payload, to_payload
from tests.workflow_actor.rig import CALLER, SECOND, T0, Rig, answer, effects, start

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
    began, opened = made.send_all(start(args=(to_payload(-3),)))
    assert (began.run_id, opened.sequence) == ("run-1", 1)
    for _ in range(2):
        ended, opened = made.send_all(WakeUp(), held=False)
        assert (ended.sequence, opened.sequence) == (2, 1)
    made.send(WakeUp(), held=False)
    assert made.status() is WorkflowStatus.RUNNING


def test_a_start_that_has_begun_a_chain_begins_it_only_once() -> None:
    made = open_rig(1)
    goes_on(made, signal("go_on", 1))
    made.send(WakeUp(), held=False)
    again = made.send(start(args=(to_payload(1),)))
    assert (again.recorded, made.state.info.continued_run_id) == (False, "run-1")


@pytest.mark.parametrize("passivating", [False, True])
def test_what_nothing_has_begun_with_goes_along_in_order(passivating: bool) -> None:
    made = open_rig(1, passivating=passivating)
    made.send(Suspend(reason="for a while", caller=CALLER))
    made.send(signal("go_on", 0))
    for word in ("one", "two"):
        made.send(signal("hear", word))
    made.send(update("say", "end"))

    ended, opened = made.send_all(Resume(caller=CALLER))

    assert effects(ended, UpdateEffect) == effects(opened, UpdateEffect) == []
    assert list(made.state.updates) == ["u-1"]
    made.send(WakeUp(), held=False)
    last = made.send(signal("hear", "end"))
    (told,) = effects(last, UpdateEffect)
    assert (told.run_id, from_payload(told.standing.outcome.result)) == (opened.run_id, "heard end")
    (result,) = effects(last, ResultEffect)
    assert from_payload(result.result) == ["one", "two", "end"]


def test_what_no_handler_has_taken_goes_along() -> None:
    made = open_rig(1)
    made.send(signal("not known", 7))
    goes_on(made, signal("go_on", 0))
    assert made.instance.describe()["buffered_signal_names"] == {"not known": 1}
    made.send(WakeUp(), held=False)
    assert "a handler for the signal 'not known' (1 sent)" in made.instance.describe()["waiting_for"]


def test_handlers_that_are_handed_to_but_have_not_begun_go_along() -> None:
    made = open_rig(0)
    made.send(Suspend(reason="for a while", caller=CALLER))
    made.send(signal("leave", 0))
    made.send(signal("hear", "behind"))
    ended, _ = made.send_all(Resume(caller=CALLER))
    assert ended.changed is not None
    assert ended.changed.status is WorkflowStatus.CONTINUED_AS_NEW
    made.send(WakeUp(), held=False)
    last = made.send(signal("hear", "end"))
    (result,) = made.events(RunClosed, made.state.info.run_id)
    assert (from_payload(result.result), len(last.effects) > 0) == (["left", "behind", "end"], True)


def test_a_handler_of_an_update_may_end_the_run_so_and_its_update_has_failed() -> None:
    made = open_rig(0)
    ended, _ = made.send_all(update("leave_now"))
    assert ended.changed is not None
    assert ended.changed.status is WorkflowStatus.CONTINUED_AS_NEW
    assert answer(ended).failure is not None
    made.send(WakeUp(), held=False)
    last = made.send(signal("hear", "end"))
    (result,) = effects(last, ResultEffect)
    assert from_payload(result.result) == ["by update", "end"]


def test_a_request_to_cancel_that_the_code_has_not_seen_is_for_the_next_run() -> None:
    made = open_rig(1)
    made.send(Suspend(reason="for a while", caller=CALLER))
    made.send(signal("go_on", 0))
    made.send(Cancel(reason="enough", caller=CALLER))
    made.send_all(Resume(caller=CALLER))
    assert made.state.cancel_requested
    (result,) = effects(made.send(WakeUp(), held=False), ResultEffect)
    assert result.status is WorkflowStatus.CANCELED


def test_what_may_not_be_stored_yet_suspends_the_run_until_it_may() -> None:
    made = open_rig(1)
    made.instance.codec = CODEC.writing(2)
    made.instance.activate(signal("go_on", 0), now=T0, entropy=bytes(32), held=True)
    assert made.instance.state is not None
    assert made.instance.state.reason is not None
    assert "dalsegno init" in made.instance.state.reason
    made.instance.codec = CODEC
    retry_at = made.instance.retry_at
    assert retry_at is not None
    ended, _ = made.instance.activate(WakeUp(), now=retry_at, entropy=bytes(32), held=False)
    assert ended.changed is not None
    assert ended.changed.status is WorkflowStatus.CONTINUED_AS_NEW


def test_who_asks_for_the_end_of_a_run_means_what_it_goes_on_as_unless_it_says_otherwise() -> None:
    made = open_rig(1)
    goes_on(made, signal("go_on", 1))
    made.send(WakeUp(), held=False)
    second = made.state.info.run_id
    goes_on(made, signal("go_on", 1))
    info = made.state.info
    for run_id in (None, "run-1", second, info.run_id):
        assert AwaitOutcome(run_id=run_id).concerns(info)
    for run_id in ("run-1", second, "run-0"):
        assert not AwaitOutcome(run_id=run_id, follow_runs=False).concerns(info)
    assert not AwaitOutcome(run_id="run-0").concerns(info)
    assert not AwaitOutcome(run_id="run-1", update_id="u-1").concerns(info)


def test_another_workflow_that_asks_for_the_end_of_a_run_is_told_that_of_what_it_has_gone_on_as() -> None:
    made = open_rig(1)
    runs = []
    for left in (1, 1, 1, 0):
        goes_on(made, signal("go_on", left))
        made.send(WakeUp(), held=False)
        runs.append(made.state.info.run_id)
    asker = WorkflowOf("asker", "run-of-asker", 1)
    for run_id in runs:
        other = AwaitEnd(workflow_id="w", run_id=run_id, asker=WorkflowOf("other", run_id, 1))
        heard = made.send(other)
        assert (heard.recorded, effects(heard, ToAskerEffect)) == (True, []), run_id
    (refused,) = effects(made.send(AwaitEnd(workflow_id="w", run_id="run-0", asker=asker)), ToAskerEffect)
    assert refused.error is not None
    asked = made.send(AwaitEnd(workflow_id="w", run_id="run-1", asker=asker))
    assert (asked.recorded, effects(asked, ToAskerEffect)) == (True, [])
    told = effects(made.send(signal("hear", "end")), RunEndedEffect)
    assert len(told) == len(runs) + 1
    assert (told[-1].recipient, told[-1].status) == (asker, WorkflowStatus.COMPLETED)


def test_the_time_of_a_chain_is_over_also_where_its_runs_never_wait() -> None:
    made = rig()
    made.send_all(start(args=(to_payload(-100),), execution_timeout=3 * SECOND, wants_result=True))
    for _ in range(2):
        made.send_all(WakeUp(), held=False, after=SECOND)
        assert made.status() is WorkflowStatus.RUNNING
    (result,) = effects(made.send(WakeUp(), held=False, after=SECOND), ResultEffect)
    assert (result.status, result.failure.kind) == (WorkflowStatus.TIMED_OUT, "timed_out")


@pytest.mark.parametrize("passivating", [False, True])
def test_a_signal_that_has_killed_hosts_stays_in_the_quarantine_of_the_run_that_follows(
    passivating: bool,
) -> None:
    """Its code would kill hosts, too."""
    made = open_rig(1, passivating=passivating)
    made.send(StruckSignal(name="hear", args=(to_payload("poison"),), why="it killed its host", caller=CALLER))
    for left in (1, 0):
        (before,) = made.state.quarantine.values()
        goes_on(made, signal("go_on", left))
        assert dict(made.state.quarantine) == {1: before}
        made.send(WakeUp(), held=False)
    made.send(SettleQuarantined(number=1, action="retry", caller=CALLER))
    made.send(signal("hear", "end"))
    assert made.state.outcome is not None
    assert made.state.outcome.result is not None
    assert from_payload(made.state.outcome.result) == ["poison", "end"]
