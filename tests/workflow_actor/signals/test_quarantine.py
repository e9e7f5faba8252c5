"""Signals that do not fit their handlers: the workflow goes on without them, until somebody sees to them."""

from __future__ import annotations

import asyncio

import pytest

from dalsegno import workflow
from dalsegno.actors.workflow_actor.interface.commands import Terminate, WakeUp
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.signals import set_aside
from dalsegno.actors.workflow_actor.signals.commands import SettleQuarantined, Signal
from dalsegno.actors.workflow_actor.signals.set_aside import QuarantineAction
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.errors import DefinitionError, PayloadError
from dalsegno.policies import WorkflowStatus
from tests.default_converter import from_payload, to_payload
from tests.workflow_actor.rig import CALLER, SECOND, Rig, answer, start

DONE = "close"


@workflow.defn(name="order")
class Counter:
    def __init__(self) -> None:
        self.seen: list[object] = []

    @workflow.run
    async def run(self) -> list[object]:
        await workflow.wait_condition(lambda: 0 in self.seen)
        return self.seen

    @workflow.signal
    def add(self, number: int) -> None:
        self.seen.append(number)


@workflow.defn(name="order")
class Wider(Counter):
    """As it is deployed later."""

    @workflow.run
    async def run(self) -> list[object]:
        return await super().run()

    @workflow.signal
    def add(self, number: int | str) -> None:
        self.seen.append(number)


@workflow.defn(name="order", unfit_signals="suspend")
class Strict(Counter):
    @workflow.run
    async def run(self) -> list[object]:
        return await super().run()


@workflow.defn(name="order", failure_exception_types=[PayloadError])
class Fails(Counter):
    @workflow.run
    async def run(self) -> list[object]:
        return await super().run()


@workflow.defn(name="order")
class Signs:
    """Sets a sign for each number, so that what comes meanwhile goes over it."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    @workflow.run
    async def run(self, seen: list[int]) -> list[int]:
        await workflow.wait_condition(lambda: bool(self.seen))
        if 0 not in self.seen:
            workflow.checkpoint([*seen, *self.seen])
        return [*seen, *self.seen]

    @workflow.signal
    def add(self, number: int) -> None:
        self.seen.append(number)


def rig_of(cls: type, *, passivating: bool = False) -> Rig:
    return Rig(WorkflowRegistry([(cls, None)]), passivating=passivating)


def add(value: object) -> Signal:
    return Signal(name="add", args=(to_payload(value),), caller=CALLER)


def settle(number: int, action: QuarantineAction, *args: object) -> SettleQuarantined:
    return SettleQuarantined(number=number, action=action, args=tuple(map(to_payload, args)), caller=CALLER)


def result_of(rig: Rig) -> object:
    rig.send(add(0))
    assert rig.state.outcome is not None
    assert rig.state.outcome.result is not None
    return from_payload(rig.state.outcome.result)


@pytest.mark.parametrize("passivating", [False, True])
def test_the_workflow_goes_on_without_it(passivating: bool) -> None:
    rig = rig_of(Counter, passivating=passivating)
    rig.start()
    rig.send(add(1))
    told = answer(rig.send(add("two")))
    rig.send(add(3))
    assert told.error is None
    assert rig.status() is WorkflowStatus.RUNNING
    (signal,) = rig.instance.describe()["quarantine"]
    assert (signal["number"], signal["name"]) == (1, "add")
    assert "The signal 'add' does not fit its handler. Argument 1 ('number')" in signal["reason"]
    assert list(map(from_payload, signal["args"])) == ["two"]
    assert result_of(rig) == [1, 3, 0]


def test_what_has_gone_into_it_is_not_run_again_by_other_code() -> None:
    """Code that takes the signal would disagree with the history, were it given it."""
    rig = rig_of(Counter)
    rig.start()
    rig.send(add("two"))
    rig.code = WorkflowRegistry([(Wider, None)])
    rig.reload()
    assert result_of(rig) == [0]


@pytest.mark.parametrize("passivating", [False, True])
def test_it_is_given_to_its_handler_again_as_if_it_came_now(passivating: bool) -> None:
    rig = rig_of(Counter, passivating=passivating)
    rig.start()
    rig.send(add("two"))
    rig.send(add(3))
    rig.code = WorkflowRegistry([(Wider, None)])
    rig.reload()
    assert answer(rig.send(settle(1, "retry"))).error is None
    assert rig.state.quarantine == {}
    assert result_of(rig) == [3, "two", 0]


def test_one_that_does_not_fit_still_is_there_again_under_another_number() -> None:
    rig = rig_of(Counter)
    rig.start()
    rig.send(add("two"))
    rig.send(settle(1, "retry"))
    assert list(rig.state.quarantine) == [2]


def test_other_arguments_are_tried_when_somebody_says_so() -> None:
    rig = rig_of(Counter)
    rig.start()
    rig.send(add("two"))
    rig.send(settle(1, "edit", 2))
    assert list(rig.state.quarantine) == [1]
    rig.send(settle(1, "retry"))
    assert result_of(rig) == [2, 0]


def test_one_that_is_dropped_is_forgotten() -> None:
    rig = rig_of(Counter)
    rig.start()
    rig.send(add("two"))
    rig.send(settle(1, "drop"))
    assert rig.state.quarantine == {}
    assert result_of(rig) == [0]


@pytest.mark.parametrize("action", ["retry", "edit", "drop"])
def test_what_is_not_there_is_refused(action: QuarantineAction) -> None:
    rig = rig_of(Counter)
    rig.start()
    told = answer(rig.send(settle(1, action)))
    assert told.error == ("rejected", "nothing is in the quarantine of this run under the number 1")
    rig.send(add("two"))
    rig.send(Terminate())
    ended = answer(rig.send(settle(1, action)))
    assert ended.error is not None
    assert ended.error[0] == "closed"
    assert len(rig.instance.describe()["quarantine"]) == 1


def test_signals_that_go_over_a_sign_are_set_aside_behind_it() -> None:
    rig = Rig(WorkflowRegistry([(Signs, None)]), passivating=True)
    rig.start(args=(to_payload([]),))
    for value in (1, "two", 3, "four", 0):
        rig.send(add(value))
    assert [signal.name for signal in rig.state.quarantine.values()] == ["add", "add"]
    assert rig.state.outcome is not None
    assert rig.state.outcome.result is not None
    assert from_payload(rig.state.outcome.result) == [1, 3, 0]


@workflow.defn(name="order")
class SignsBehindAnUpdate:
    """A sign for each number, which waits for the update under way: what comes meanwhile waits for it, too."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    @workflow.run
    async def run(self, seen: list[int]) -> list[int]:
        await workflow.wait_condition(lambda: bool(self.seen))
        if 0 not in self.seen:
            workflow.checkpoint([*seen, self.seen[0]])
        return [*seen, *self.seen]

    @workflow.signal
    def add(self, number: int) -> None:
        self.seen.append(number)

    @workflow.signal
    def more(self, number: int) -> None:
        self.seen.append(number)

    @workflow.update
    async def wait(self) -> None:
        await asyncio.sleep(1)


@pytest.mark.parametrize("passivating", [False, True])
def test_one_between_two_signs_of_a_step_is_set_aside_though_nothing_of_that_is_told_again(
    passivating: bool,
) -> None:
    rig = rig_of(SignsBehindAnUpdate, passivating=passivating)
    rig.start(args=(to_payload([]),))
    rig.send(Update(update_id="u-1", name="wait", wait_for="completed", caller=CALLER))
    for name, value in (("add", 1), ("more", 2), ("add", "three")):
        rig.send(Signal(name=name, args=(to_payload(value),), caller=CALLER))
    rig.send(WakeUp(), held=False, after=SECOND)
    assert [from_payload(signal.args[0]) for signal in rig.state.quarantine.values()] == ["three"]
    rig.reload()
    rig.send(settle(1, "edit", 3))
    rig.send(settle(1, "retry"))
    assert result_of(rig) == [1, 2, 3, 0]


def test_several_that_waited_for_the_code_are_set_aside_each_in_its_place() -> None:
    rig = rig_of(Counter, passivating=True)
    code = rig.code
    rig.code = WorkflowRegistry([])
    rig.instance = rig.load()
    rig.start()
    for value in ("one", 2, "three", 4):
        rig.send(add(value))
    rig.code = code
    rig.reload()
    assert result_of(rig) == [2, 4, 0]
    assert [from_payload(signal.args[0]) for signal in rig.state.quarantine.values()] == ["one", "three"]


def test_one_that_came_with_the_start_is_set_aside_too() -> None:
    rig = rig_of(Counter, passivating=True)
    rig.send(start(then=add("one")))
    assert list(rig.state.quarantine) == [1]
    assert result_of(rig) == [0]


@workflow.defn(name="order")
class GoesOnAsAnother:
    def __init__(self) -> None:
        self.seen: list[int] = []

    @workflow.run
    async def run(self, number: int) -> list[int]:
        if number == 0:
            await workflow.wait_condition(lambda: bool(self.seen))
            workflow.continue_as_new(1)
        await workflow.wait_condition(lambda: 0 in self.seen)
        return self.seen

    @workflow.signal
    def add(self, number: int) -> None:
        self.seen.append(number)


def test_what_is_in_it_goes_along_where_the_run_goes_on_as_another() -> None:
    rig = rig_of(GoesOnAsAnother)
    rig.start(args=(to_payload(0),))
    rig.send(add("two"))
    rig.send_all(add(1))
    rig.send(WakeUp(), held=False)
    assert rig.state.info.run_id != "run-1"
    assert [from_payload(signal.args[0]) for signal in rig.state.quarantine.values()] == ["two"]
    rig.send(settle(1, "edit", 2))
    rig.send(settle(1, "retry"))
    assert result_of(rig) == [2, 0]


def test_a_workflow_may_want_to_be_suspended() -> None:
    rig = rig_of(Strict)
    rig.start()
    rig.send(add("two"))
    assert rig.status() is WorkflowStatus.SUSPENDED
    assert rig.state.reason is not None
    assert "deploy a handler that takes it, too" in rig.state.reason
    assert rig.state.quarantine == {}


def test_a_workflow_that_fails_for_what_does_not_fit_fails() -> None:
    rig = rig_of(Fails)
    rig.start()
    rig.send(add("two"))
    assert rig.status() is WorkflowStatus.FAILED


@pytest.mark.parametrize("bound", ["count", "bytes", "format"])
def test_where_there_is_no_room_it_is_suspended_and_loses_nothing(
    bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = rig_of(Counter)
    rig.start()
    if bound == "count":
        monkeypatch.setattr(set_aside, "QUARANTINE_MAX", 0)
    elif bound == "bytes":
        monkeypatch.setattr(set_aside, "QUARANTINE_BYTES_MAX", 4)
    else:
        rig.instance.codec = CODEC.writing(2)
    rig.send(add("two"))
    assert rig.status() is WorkflowStatus.SUSPENDED
    assert rig.state.quarantine == {}
    monkeypatch.undo()
    rig.code = WorkflowRegistry([(Wider, None)])
    rig.reload()
    assert result_of(rig) == ["two", 0]


@workflow.defn(name="order")
class HandlesLate:
    """It has the handler once it is told to."""

    def __init__(self) -> None:
        self.may_add = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.may_add)
        workflow.set_signal_handler("add", self.add)
        await workflow.wait_condition(lambda: False)

    def add(self, number: int) -> None:
        raise AssertionError("nothing fits")

    @workflow.signal
    def go(self) -> None:
        self.may_add = True


@pytest.mark.parametrize("bound", ["QUARANTINE_MAX", "QUARANTINE_BYTES_MAX"])
def test_the_bounds_are_of_all_that_one_step_sets_aside(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_aside, bound, 2 if bound == "QUARANTINE_MAX" else 12)
    rig = rig_of(HandlesLate)
    rig.start()
    for value in ("one", "two", "six"):
        rig.send(add(value))
    rig.send(Signal(name="go", caller=CALLER))
    assert rig.status() is WorkflowStatus.SUSPENDED
    assert rig.state.quarantine == {}


def test_edited_arguments_have_a_bound_too(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = rig_of(Counter)
    rig.start()
    rig.send(add("two"))
    monkeypatch.setattr(set_aside, "QUARANTINE_BYTES_MAX", 8)
    told = answer(rig.send(settle(1, "edit", "a long text")))
    assert told.error is not None
    assert told.error[0] == "rejected"


def test_what_is_no_way_with_unfit_signals_is_refused_where_it_is_declared() -> None:
    with pytest.raises(DefinitionError, match="unfit_signals must be 'quarantine' or 'suspend', not 'drop'"):

        @workflow.defn(unfit_signals="drop")  # type: ignore[call-overload]
        class Undecided:
            @workflow.run
            async def run(self) -> None: ...
