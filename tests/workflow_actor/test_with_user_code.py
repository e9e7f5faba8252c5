"""Both halves together: real workflows, live and passivated after every activation."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from dalsegno import ApplicationError, RetryPolicy, workflow
from dalsegno.actors.workflow_actor.activities.events import RetryPlanned
from dalsegno.actors.workflow_actor.interface.commands import Cancel, Command, Resume
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.run.events import Ran, SignSet
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.errors import ActivityError
from dalsegno.policies import WorkflowStatus
from tests.default_converter import from_payload, to_payload
from tests.workflow_actor.rig import CALLER, T0, Rig, answer, completed, task
from tests.workflow_actor.town import Activity, NeverDone, Town


def signal(name: str, *args: object) -> Signal:
    return Signal(name=name, args=tuple(to_payload(arg) for arg in args))


@dataclass
class Story:
    """A workflow, what its workers do, and what clients do when."""

    workflow: type
    activities: dict[str, Activity]
    args: tuple[object, ...] = ()
    appointments: list[tuple[float, Command]] = field(default_factory=list)

    def told(self, *, passivating: bool = False) -> tuple[Town, object]:
        town = Town(self.workflow, self.activities, passivating=passivating)
        for seconds, command in self.appointments:
            town.at(seconds, command)
        return town, town.run(*self.args)


@workflow.defn
class Order:
    @workflow.run
    async def run(self, amount: int) -> str:
        reserved = await workflow.execute_activity("reserve", amount)
        charged = await workflow.execute_activity(
            "charge", reserved, retry_policy=RetryPolicy(initial_interval=2.0, maximum_attempts=5)
        )
        return str(await workflow.execute_activity("ship", charged))


def flaky(times: int) -> Activity:
    left = times

    def charge(amount: int) -> int:
        nonlocal left
        left -= 1
        if left >= 0:
            raise ApplicationError("the bank is away")
        left = times
        return amount + 1

    return charge


def order() -> Story:
    return Story(
        Order, {"reserve": lambda n: n * 10, "charge": flaky(2), "ship": lambda n: f"parcel {n}"}, (4,)
    )


def test_three_activities_one_of_them_retried() -> None:
    town, result = order().told()
    assert result == "parcel 41"
    assert town.status is WorkflowStatus.COMPLETED
    assert town.done == [
        ("reserve", (4,), 1),
        ("charge", (40,), 1),
        ("charge", (40,), 2),
        ("charge", (40,), 3),
        ("ship", (41,), 1),
    ]
    assert [event.retry_at for event in town.rig.events(RetryPlanned)] == [T0 + 2_000_000, T0 + 6_000_000]


@workflow.defn
class Approval:
    def __init__(self) -> None:
        self.approved_by: list[str] = []
        self.escalations = 0

    @workflow.run
    async def run(self) -> str:
        while True:
            try:
                await workflow.wait_condition(lambda: len(self.approved_by) >= 2, timeout=timedelta(hours=1))
                return f"{'+'.join(self.approved_by)} after {self.escalations}"
            except TimeoutError:
                self.escalations += 1
                await workflow.execute_activity("escalate", self.escalations)

    @workflow.signal
    def approve(self, who: str) -> None:
        self.approved_by.append(who)

    @workflow.query
    def waiting(self) -> int:
        return 2 - len(self.approved_by)


def approval() -> Story:
    return Story(
        Approval,
        {"escalate": lambda n: n},
        appointments=[(1800.0, signal("approve", "ann")), (9000.0, signal("approve", "bob"))],
    )


def test_signals_and_timers() -> None:
    town, result = approval().told()
    assert result == "ann+bob after 2"
    assert town.rig.now == T0 + 9000 * 1_000_000


def test_a_closed_run_answers_its_queries() -> None:
    town, _ = approval().told()
    result = answer(town.rig.send(Query(name="waiting", caller=CALLER))).result
    assert result is not None
    assert from_payload(result, int) == 0


@workflow.defn
class Gate:
    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.steps = 0

    @workflow.run
    async def run(self) -> int:
        self.counting = asyncio.create_task(self.count())
        await workflow.execute_activity("knock")
        return self.steps

    async def count(self) -> None:
        await self.opened.wait()
        self.steps += 1

    @workflow.query
    def peep(self) -> int:
        self.opened.set()
        return self.steps

    @workflow.query
    def stepped(self) -> int:
        return self.steps


def test_a_query_that_woke_a_task_fails_alone_and_the_run_is_as_it_was() -> None:
    rig = Rig(WorkflowRegistry([(Gate, None)]))
    knock = task(rig.start(workflow_type="Gate"))
    peeped = answer(rig.send(Query(name="peep", caller=CALLER)))
    assert peeped.error is not None
    assert "may only read" in peeped.error[1]
    assert not rig.has_program(), "it is built anew"

    assert answer(rig.send(Query(name="stepped", caller=CALLER))).result == to_payload(0)
    rig.send(Query(name="peep", caller=CALLER))
    rig.send(completed(knock, to_payload("who is there")))
    outcome = rig.state.outcome
    assert outcome is not None
    assert (outcome.status, outcome.result, outcome.failure) == (WorkflowStatus.COMPLETED, to_payload(0), None)


@workflow.defn
class Trip:
    """A saga: what was booked is given back, in the other order, when it is cancelled or fails."""

    @workflow.run
    async def run(self) -> str:
        booked: list[str] = []
        try:
            for what in ("flight", "hotel"):
                await workflow.execute_activity("book", what)
                booked.append(what)
            await workflow.execute_activity(
                "wait_for_visa",
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
        except (asyncio.CancelledError, ActivityError):
            for what in reversed(booked):
                await workflow.execute_activity("give_back", what)
            raise
        return "gone"


def visa() -> None:
    raise NeverDone


def trip() -> Story:
    activities: dict[str, Activity] = {
        "book": lambda what: what,
        "give_back": lambda what: what,
        "wait_for_visa": visa,
    }
    return Story(Trip, activities, appointments=[(60.0, Cancel(reason="rain"))])


def test_cancellation_with_compensation() -> None:
    town, _ = trip().told()
    assert town.status is WorkflowStatus.CANCELED
    assert [name for name, _, _ in town.done] == ["book", "book", "wait_for_visa", "give_back", "give_back"]
    assert [args for name, args, _ in town.done if name == "give_back"] == [("hotel",), ("flight",)]
    assert town.rig.state.activities == {}


@dataclass
class Meter:
    readings: int = 0
    total: int = 0


@workflow.defn
class Reader:
    """Lives for ever by setting signs."""

    def __init__(self) -> None:
        self.extra: list[int] = []

    @workflow.run
    async def run(self, meter: Meter) -> int:
        if meter.readings < 150:
            if meter.readings % 10 == 9:
                await workflow.sleep(3600)
                meter.total += await workflow.execute_activity("read", meter.readings)
            meter.total += sum(self.extra)
            meter.readings += 1
            workflow.checkpoint(meter)
        return meter.total

    @workflow.signal
    def add(self, value: int) -> None:
        self.extra.append(value)


def reader() -> Story:
    adding: list[tuple[float, Command]] = [(at, signal("add", 1000)) for at in (10.0, 5000.0, 5001.0, 20000.0)]
    return Story(Reader, {"read": lambda n: n}, (Meter(),), adding)


def test_checkpoint_loops() -> None:
    town, result = reader().told()
    assert result == sum(range(9, 150, 10)) + 4000
    wants = [want for event in town.rig.events(Ran) for want in event.wants]
    assert max(want.signed.signs for want in wants if isinstance(want, SignSet)) == 150
    assert len(town.rig.state.log) < 10
    assert town.rig.snapshot is not None


@workflow.defn
class Crowd:
    @workflow.run
    async def run(self, size: int) -> list[int]:
        everyone = [workflow.execute_activity("square", n) for n in range(size)]
        return list(await asyncio.gather(*everyone))


def crowd() -> Story:
    return Story(Crowd, {"square": lambda n: n * n}, (30,))


@workflow.defn
class Impatient:
    @workflow.run
    async def run(self) -> str:
        try:
            async with asyncio.timeout(5):
                await workflow.execute_activity("forever")
        except TimeoutError:
            await asyncio.sleep(1)
            return "gave up"
        return "never"


def impatient() -> Story:
    return Story(Impatient, {"forever": visa})


def test_an_activity_that_takes_too_long_is_cancelled() -> None:
    town, result = impatient().told()
    assert result == "gave up"
    assert town.rig.now == T0 + 6_000_000


STORIES = {story.__name__: story for story in (order, approval, trip, reader, crowd, impatient)}


@pytest.mark.parametrize("name", STORIES)
def test_passivation_after_every_activation_changes_nothing(name: str) -> None:
    stays, result = STORIES[name]().told()
    leaves, same = STORIES[name]().told(passivating=True)

    assert same == result
    assert leaves.done == stays.done
    assert leaves.rig.history == stays.rig.history
    assert leaves.rig.now == stays.rig.now


def mendable(broken: bool) -> type:
    @workflow.defn(name="Mendable")
    class Mendable:
        @workflow.run
        async def run(self) -> str:
            first = await workflow.execute_activity("first")
            if broken:
                first = first["not there"]
            return str(await workflow.execute_activity("second", first))

    return Mendable


def test_a_bug_in_a_workflow_heals_with_a_new_deployment() -> None:
    town = Town(mendable(True), {"first": lambda: {"a": 1}})
    town.run()
    assert town.status is WorkflowStatus.SUSPENDED
    reason = town.rig.state.reason
    assert reason is not None
    assert "KeyError" in reason
    assert "test_with_user_code.py" in reason

    town.rig.code = WorkflowRegistry([(mendable(False), None)])
    town.rig.reload()
    healed = town.rig.send(Resume())

    assert town.rig.status() is WorkflowStatus.RUNNING
    assert task(healed).activity_type == "second"
    assert task(healed).args == (to_payload({"a": 1}),)
