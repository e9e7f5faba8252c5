"""A signal or an update that comes with the start of its workflow: recorded with it, or not at all."""

from __future__ import annotations

import pytest

from dalsegno import workflow
from dalsegno.actors.workflow_actor.interface.commands import Terminate, WakeUp
from dalsegno.actors.workflow_actor.interface.effects import AnswerEffect
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.run.events import RunStarted
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.signals.events import FirstSignalReceived, SignalReceived
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.actors.workflow_actor.updates.events import UpdateAdmitted
from dalsegno.actors.workflow_actor.updates.sends import UpdateEffect
from dalsegno.errors import ApplicationError
from dalsegno.policies import WorkflowIDConflictPolicy, WorkflowIDReusePolicy, WorkflowStatus
from tests.default_converter import from_payload, to_payload
from tests.workflow_actor.rig import CALLER, SECOND, Rig, answer, effects, start

USE_EXISTING = WorkflowIDConflictPolicy.USE_EXISTING
TERMINATE_EXISTING = WorkflowIDConflictPolicy.TERMINATE_EXISTING
FORMAT_BEFORE = CODEC.writing(2)


@workflow.defn(name="order")
class Cart:
    def __init__(self) -> None:
        self.seen: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        self.seen.append("run")
        await workflow.wait_condition(lambda: "close" in self.seen)
        return self.seen

    @workflow.signal
    def add(self, item: str) -> None:
        self.seen.append(item)

    @workflow.update
    def put(self, item: str) -> list[str]:
        self.seen.append(item)
        return list(self.seen)

    @put.validator
    def check(self, item: str) -> None:
        if not item:
            raise ApplicationError("an item has a name", type="Nameless")

    @workflow.update
    async def wait(self) -> str:
        await workflow.wait_condition(lambda: "pen" in self.seen)
        return "there"


@pytest.fixture
def rig() -> Rig:
    return Rig(WorkflowRegistry([(Cart, None)]))


def added(item: str) -> Signal:
    return Signal(name="add", args=(to_payload(item),))


def put(item: str, *, name: str = "put", update_id: str = "u-1") -> Update:
    args = (to_payload(item),) if name == "put" else ()
    return Update(update_id=update_id, name=name, args=args, wait_for="completed", caller=CALLER)


def result_of(rig: Rig) -> object:
    rig.send(added("close"))
    assert rig.state.outcome is not None
    assert rig.state.outcome.result is not None
    return from_payload(rig.state.outcome.result)


def test_a_signal_with_the_start_of_a_run_comes_before_the_first_step_of_its_run_method(rig: Rig) -> None:
    told = answer(rig.start(then=added("pen")))
    assert (told.kind, told.error) == ("accepted", None)
    assert [type(event) for event in rig.history["run-1"]][:2] == [RunStarted, FirstSignalReceived]
    assert result_of(rig) == ["pen", "run", "close"]


def test_both_are_one_activation(rig: Rig) -> None:
    assert rig.start(then=added("pen")).sequence == 1
    assert rig.send(start("run-2", conflict_policy=USE_EXISTING, then=added("ink"))).sequence == 2


def test_a_signal_goes_to_the_open_run_that_is_left_in_place(rig: Rig) -> None:
    rig.start()
    told = answer(rig.send(start("run-2", conflict_policy=USE_EXISTING, then=added("pen"))))
    assert (told.kind, told.run_id, told.error) == ("accepted", "run-1", None)
    assert len(rig.events(SignalReceived)) == 1
    assert result_of(rig) == ["run", "pen", "close"]


def test_where_the_start_is_refused_the_signal_is_too(rig: Rig) -> None:
    rig.start()
    told = answer(rig.send(start("run-2", then=added("pen"))))
    assert told.error is not None
    assert told.error[0] == "already_started"
    assert rig.events(SignalReceived) == []
    rig.send(Terminate())
    refused = answer(
        rig.send(
            start(
                "run-3",
                reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                conflict_policy=USE_EXISTING,
                then=added("pen"),
            )
        )
    )
    assert refused.error is not None
    assert refused.error[0] == "already_started"


def test_a_run_that_takes_the_place_of_another_has_the_signal(rig: Rig) -> None:
    rig.start()
    ended, begun = rig.send_all(start("run-2", conflict_policy=TERMINATE_EXISTING, then=added("pen")))
    assert (ended.run_id, begun.run_id) == ("run-1", "run-2")
    assert rig.events(SignalReceived) == []
    assert result_of(rig) == ["pen", "run", "close"]


def test_a_start_that_comes_again_brings_its_signal_once(rig: Rig) -> None:
    rig.start(then=added("pen"))
    assert not rig.send(start(then=added("pen"))).recorded
    assert result_of(rig) == ["pen", "run", "close"]


def test_a_start_delay_holds_for_the_signal_that_comes_with_it_and_ends_with_the_next_that_does(
    rig: Rig,
) -> None:
    """A plain signal waits as well."""
    rig.send(start(then=added("pen"), delay=60 * SECOND))
    rig.send(added("ink"))
    assert (rig.state.is_delayed, rig.state.processed) == (True, 0)
    assert rig.instance.wake_at == rig.state.info.started_at + 60 * SECOND
    again = {"run_id": "run-2", "conflict_policy": USE_EXISTING, "delay": 500 * SECOND}
    rig.send(start(then=added("cap"), **again))
    assert not rig.state.is_delayed
    assert rig.instance.wake_at is None
    assert result_of(rig) == ["pen", "run", "ink", "cap", "close"]


def test_a_start_delay_that_is_over_by_itself_brings_the_signal(rig: Rig) -> None:
    rig.send(start(then=added("pen"), delay=60 * SECOND))
    rig.send(WakeUp(), after=60 * SECOND)
    assert result_of(rig) == ["pen", "run", "close"]


@pytest.mark.parametrize("is_open", [False, True])
def test_an_update_with_a_start_waits_for_no_delay(rig: Rig, is_open: bool) -> None:
    if is_open:
        rig.send(start(delay=60 * SECOND))
    sent = start(then=put("pen"), delay=60 * SECOND, run_id="run-2", conflict_policy=USE_EXISTING)
    assert [told.update for told in effects(rig.send(sent), AnswerEffect)][-1] == ("u-1", "completed")
    assert not rig.state.is_delayed


def test_hosts_of_the_format_before_take_a_signal_with_a_start_as_any_other() -> None:
    rig = Rig(WorkflowRegistry([(Cart, None)]))
    rig.instance.codec = FORMAT_BEFORE
    rig.start(then=added("pen"))
    assert rig.events(FirstSignalReceived) == []
    assert [event.name for event in rig.events(SignalReceived)] == ["add"]


def test_an_update_with_the_start_of_a_run_is_answered_with_it(rig: Rig) -> None:
    told = answer(rig.start(wants_accepted=False, then=put("pen")))
    assert (told.kind, told.run_id, told.update) == ("answer", "run-1", ("u-1", "completed"))
    assert told.result is not None
    assert from_payload(told.result) == ["pen"]
    assert result_of(rig) == ["pen", "run", "close"]


def test_who_asks_for_it_hears_of_the_start_as_well(rig: Rig) -> None:
    told = [effect for _, effect in rig.start(then=put("pen")).effects]
    assert [getattr(effect, "kind", None) for effect in told] == ["accepted", "answer"]


def test_an_update_that_takes_its_time_is_told_of_later(rig: Rig) -> None:
    told = answer(rig.start(wants_accepted=False, then=put("", name="wait")))
    assert told.update == ("u-1", "accepted")
    (later,) = effects(rig.send(added("pen")), UpdateEffect)
    assert later.standing.stage == "completed"
    assert later.caller == CALLER


def test_an_update_that_the_new_run_refuses_is_completed_with_why(rig: Rig) -> None:
    """Its start has begun the run, which goes on."""
    told = answer(rig.start(wants_accepted=False, then=put("")))
    assert told.update == ("u-1", "completed")
    assert told.failure is not None
    assert told.failure.type == "Nameless"
    assert rig.status() is WorkflowStatus.RUNNING


def test_an_update_that_the_open_run_refuses_leaves_nothing(rig: Rig) -> None:
    rig.start()
    activation = rig.send(start("run-2", conflict_policy=USE_EXISTING, wants_result=True, then=put("")))
    told = answer(activation)
    assert not activation.recorded
    assert told.error is not None
    assert told.error[0] == "update_rejected"
    assert told.run_id == "run-1"
    assert told.failure is not None
    assert told.failure.type == "Nameless"


def test_an_update_that_the_open_run_knows_is_handled_once(rig: Rig) -> None:
    rig.start()
    for run_id in ("run-2", "run-3"):
        told = answer(
            rig.send(start(run_id, conflict_policy=USE_EXISTING, wants_accepted=False, then=put("pen")))
        )
        assert told.update == ("u-1", "completed")
    assert len(rig.events(UpdateAdmitted)) == 1


def test_a_start_with_an_update_that_comes_again_is_answered_as_the_update(rig: Rig) -> None:
    rig.start(wants_accepted=False, then=put("pen"))
    told = answer(rig.send(start(wants_accepted=False, then=put("pen"))))
    assert told.update == ("u-1", "completed")
    assert len(rig.events(UpdateAdmitted)) == 1


@pytest.mark.parametrize("conflict", [WorkflowIDConflictPolicy.FAIL, USE_EXISTING])
@pytest.mark.parametrize("reuse", ["allow_duplicate", "reject_duplicate"])
@pytest.mark.parametrize("is_closed", [True, False])
def test_an_update_that_a_run_has_handled_is_answered_by_it_whatever_the_policies_say(
    rig: Rig, conflict: WorkflowIDConflictPolicy, reuse: str, is_closed: bool
) -> None:
    rig.start(then=put("pen"))
    if is_closed:
        rig.send(added("close"))
    again = start(
        "run-2",
        wants_accepted=False,
        then=put("book"),
        conflict_policy=conflict,
        reuse_policy=WorkflowIDReusePolicy(reuse),
    )
    activation = rig.send(again)
    told = answer(activation)
    assert (told.run_id, told.update, told.error) == ("run-1", ("u-1", "completed"), None)
    assert told.result is not None
    assert from_payload(told.result) == ["pen"]
    assert not activation.recorded


def test_an_update_that_the_open_run_has_not_handled_yet_is_waited_for_whatever_the_policies_say(
    rig: Rig,
) -> None:
    rig.start(then=put("", name="wait"))
    told = answer(rig.send(start("run-2", wants_accepted=False, then=put("", name="wait"))))
    assert (told.run_id, told.update) == ("run-1", ("u-1", "accepted"))
    assert effects(rig.send(added("pen")), UpdateEffect)


def test_an_update_that_a_run_has_not_handled_before_its_end_begins_another(rig: Rig) -> None:
    rig.start(then=put("", name="wait"))
    rig.send(added("close"))
    assert rig.state.is_closed
    rig.send(start("run-2", then=put("", name="wait")))
    assert (rig.state.info.run_id, rig.state.is_closed) == ("run-2", False)


def test_a_start_that_takes_the_place_of_another_has_the_update_handled_anew(rig: Rig) -> None:
    rig.start(then=put("pen"))
    again = start("run-2", wants_accepted=False, then=put("pen"), conflict_policy=TERMINATE_EXISTING)
    _, anew = rig.send_all(again)
    assert answer(anew).run_id == rig.state.info.run_id == "run-2"


def test_as_long_as_updates_cannot_be_stored_neither_is_done() -> None:
    rig = Rig(WorkflowRegistry([(Cart, None)]))
    rig.instance.codec = FORMAT_BEFORE
    told = answer(rig.start(then=put("pen")))
    assert told.error is not None
    assert "run `dalsegno init`" in told.error[1]
    assert rig.instance.run_id is None
