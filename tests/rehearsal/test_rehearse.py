"""What would become of a run under other code is what becomes of it there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from dalsegno import workflow
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.stored.codec import NewerStateError, UnloadableStateError
from dalsegno.persistence.port import JournalRow, ListedRun, LoadedInstance, SnapshotRow
from dalsegno.policies import WorkflowStatus
from dalsegno.rehearsal import Outlook, Rehearsed, rehearse, unread
from tests.default_converter import to_payload
from tests.workflow_actor.rig import Rig


@dataclass
class State:
    months: int


@dataclass
class OtherState:
    weeks: int


@workflow.defn(name="order")
class Order:
    def __init__(self) -> None:
        self.is_released = False

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("reserve")

    @workflow.signal
    def release(self) -> None:
        self.is_released = True


@workflow.defn(name="order")
class OrderReordered(Order):
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("charge")
        await workflow.execute_activity("reserve")


@workflow.defn(name="order")
class OrderPatched(Order):
    @workflow.run
    async def run(self) -> None:
        if workflow.patched("charge-first"):
            await workflow.execute_activity("charge")
        await workflow.execute_activity("reserve")


@workflow.defn(name="order")
class OrderBroken(Order):
    @workflow.run
    async def run(self) -> None:
        raise ZeroDivisionError


@workflow.defn(name="subscription")
class Subscription:
    @workflow.run
    async def run(self, state: State) -> None:
        if not state.months:
            workflow.checkpoint(State(1))
        await workflow.sleep(100)


@workflow.defn(name="subscription")
class SubscriptionByWeeks:
    @workflow.run
    async def run(self, state: OtherState) -> None:
        await workflow.sleep(100)


def registry(*classes: type) -> WorkflowRegistry:
    return WorkflowRegistry([(cls, None) for cls in classes])


def row_of(rig: Rig) -> LoadedInstance:
    at, run_id = rig.snapshot, rig.state.info.run_id
    snapshot = None
    if at is not None:
        snapshot = SnapshotRow(run_id=run_id, sequence=at[0], format=at[1], checksum=at[2], body=at[3])
    return LoadedInstance(
        workflow_id="w",
        slot=0,
        run_id=run_id,
        sequence=rig.state.sequence,
        status=rig.state.status,
        wake_at=None,
        snapshot=snapshot,
        journal=tuple(
            JournalRow(run_id=run, sequence=sequence, time=time, events=events, **JOURNAL)
            for run, sequence, time, events in rig.journal
        ),
    )


JOURNAL: dict[str, Any] = {"round": 1, "cause": "", "partition": 0, "epoch": 1, "host": "h"}


LISTED: dict[str, Any] = {
    "workflow_id": "w",
    "run_id": "run-1",
    "workflow_type": "order",
    "task_queue": "default",
    "status": WorkflowStatus.RUNNING,
    "started_at": 0,
    "closed_at": None,
    "reason": None,
}


def rehearsed(rig: Rig, *classes: type, has_activity: Any = None) -> Rehearsed:
    one = rehearse(row_of(rig), registry(*classes), has_activity=has_activity)
    assert one is not None
    return one


@pytest.fixture
def order() -> Rig:
    rig = Rig(registry(Order))
    rig.start()
    return rig


@pytest.fixture
def subscription() -> Rig:
    rig = Rig(registry(Subscription))
    rig.start(workflow_type="subscription", args=(to_payload(State(0)),))
    return rig


@pytest.mark.parametrize("cls", [Order, OrderPatched])
def test_code_fits_that_wants_what_was_wanted(order: Rig, cls: type) -> None:
    assert rehearsed(order, cls) == Rehearsed("w", "run-1", "order", "default", Outlook.FITS)


def test_another_order_is_told_with_the_place(order: Rig) -> None:
    one = rehearsed(order, OrderReordered)
    assert one.outlook is Outlook.DIFFERS
    assert "the workflow's code wants 'activity 1 charge'" in one.reason
    assert "but its history shows 'activity 1 reserve'" in one.reason


def test_code_that_is_gone_is_told(order: Rig) -> None:
    one = rehearsed(order, Subscription)
    assert one.outlook is Outlook.NO_TYPE
    assert "no workflow 'order' for the task queue 'default'" in one.reason


def test_a_bug_on_the_way_is_told(order: Rig) -> None:
    one = rehearsed(order, OrderBroken)
    assert one.outlook is Outlook.BUG
    assert "ZeroDivisionError" in one.reason


def test_an_activity_that_is_waited_for_and_gone_is_told_where_activities_are_known(order: Rig) -> None:
    one = rehearsed(order, Order, has_activity=lambda name, is_local: is_local or name == "charge")
    assert (one.outlook, one.reason) == (Outlook.NO_ACTIVITY, "it waits for activity 'reserve'")
    assert rehearsed(order, Order, has_activity=lambda name, is_local: name == "reserve").fits


def test_a_state_that_the_code_cannot_restore_is_told(subscription: Rig) -> None:
    assert rehearsed(subscription, Subscription).fits
    one = rehearsed(subscription, SubscriptionByWeeks)
    assert one.outlook is Outlook.NO_STATE
    assert "weeks" in one.reason


def test_of_one_that_is_suspended_it_is_said_whether_the_code_mends_it() -> None:
    rig = Rig(registry(OrderBroken))
    rig.start()
    assert rig.state.status is WorkflowStatus.SUSPENDED
    assert rehearsed(rig, OrderBroken).outlook is Outlook.BUG
    one = rehearsed(rig, Order)
    assert (one.outlook, one.is_suspended) == (Outlook.FITS, True)


def test_one_that_begins_later_is_begun_to_see_whether_the_code_takes_its_arguments() -> None:
    @workflow.defn(name="subscription")
    class SubscriptionFor:
        @workflow.run
        async def run(self, state: State, customer: str) -> None: ...

    rig = Rig(registry(Subscription))
    rig.start(workflow_type="subscription", args=(to_payload(State(1)),), delay=1_000_000)
    assert rig.state.is_delayed
    assert rehearsed(rig, Subscription).fits
    one = rehearsed(rig, SubscriptionFor)
    assert (one.outlook, one.is_suspended) == (Outlook.BUG, False)
    assert "cannot take the arguments of its start" in one.reason


def test_nothing_is_said_of_a_run_that_has_ended() -> None:
    @workflow.defn(name="order")
    class Short:
        @workflow.run
        async def run(self) -> None: ...

    rig = Rig(registry(Short))
    rig.start()
    assert rehearse(row_of(rig), registry(Short)) is None


def test_a_row_that_is_damaged_is_told_whatever_the_code(order: Rig) -> None:
    order.journal = [(run, sequence, time, b"\xff") for run, sequence, time, _ in order.journal]
    with pytest.raises(UnloadableStateError, match="run run-1, sequence 1") as raised:
        rehearse(row_of(order), registry(Order))
    run = ListedRun(**LISTED)
    assert unread(run, raised.value).outlook is Outlook.UNREADABLE
    one = unread(run, NewerStateError("run-1", 1, "format 9"))
    assert (one.outlook, one.workflow_type, one.reason) == (
        Outlook.NEWER,
        "order",
        "run run-1, sequence 1: format 9",
    )


def tally(worth: Callable[[Any], Any]) -> type:
    """Adds up what the signals that come are worth."""

    @workflow.defn(name="tally")
    class Tally:
        def __init__(self) -> None:
            self.total = 0

        @workflow.run
        async def run(self) -> None:
            await workflow.wait_condition(lambda: self.total > 1_000)

        @workflow.signal
        def add(self, much: Any) -> None:
            self.total += worth(much)

    return Tally


def test_all_that_waits_for_one_that_is_suspended_is_tried() -> None:
    rig = Rig(registry(tally(lambda much: much)))
    rig.start(workflow_type="tally")
    for much in ("one", "two", 3):
        rig.send(Signal(name="add", args=(to_payload(much),)))
    assert rig.state.status is WorkflowStatus.SUSPENDED
    assert rehearsed(rig, tally(lambda much: 1 if much == "one" else much)).outlook is Outlook.BUG
    assert rehearsed(rig, tally(lambda much: len(str(much)))).fits


def test_the_instance_is_as_it_was(order: Rig) -> None:
    before = row_of(order)
    rehearsed(order, OrderReordered)
    order.send(Signal(name="release"))
    assert row_of(order).journal[: len(before.journal)] == before.journal
    assert order.state.suspension is None
