"""By when something is to be reached: what is done before, at and after that time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dalsegno import ApplicationError, RetryPolicy, activity, workflow
from dalsegno.actors.workflow_actor.interface.commands import Resume, Suspend, WakeUp
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.policies import WorkflowStatus
from dalsegno.workflow import DeadlineStatus
from tests.default_converter import to_payload
from tests.workflow_actor.rig import CALLER, SECOND, T0, Rig, start
from tests.workflow_actor.town import Town

HOUR = 3600


@activity.defn
def tell(what: str) -> None:
    raise NotImplementedError


@activity.defn
def untell(what: str, told: None) -> None:
    raise NotImplementedError


ACTIVITIES: dict[str, Any] = {"tell": lambda what: None, "untell": lambda what, told: None}


def told(town: Town) -> list[str]:
    return [args[0] for type_, args, _ in town.done if type_ == "tell"]


@workflow.defn
class Shipping:
    """Says how its deadline stands when the parcel is gone."""

    def __init__(self) -> None:
        self.gone = False
        self.seen: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        shipped = workflow.deadline(
            "shipped",
            timedelta(hours=24),
            warn_before=4 * HOUR,
            on_risk=self.at_risk,
            on_overdue=self.overdue,
        )
        assert shipped.status is DeadlineStatus.ON_TIME
        assert shipped.due == workflow.now() + timedelta(hours=24)
        await workflow.wait_condition(lambda: self.gone)
        self.seen.append(shipped.status)
        shipped.met()
        shipped.met()
        return [*self.seen, shipped.status]

    @workflow.signal
    def go(self) -> None:
        self.gone = True

    def at_risk(self) -> None:
        self.seen.append("warned")

    async def overdue(self) -> None:
        await workflow.execute_activity(tell, "boss")
        self.seen.append("escalated")


@pytest.mark.parametrize(
    ("hours", "seen"),
    [
        (1, ["on_time", "met"]),
        (21, ["warned", "at_risk", "met"]),
        (30, ["warned", "escalated", "overdue", "met_late"]),
    ],
)
def test_what_is_at_risk_is_warned_of_and_what_is_overdue_is_escalated(
    hours: int, seen: list[str], passivating: bool
) -> None:
    town = Town(Shipping, ACTIVITIES, passivating=passivating)
    town.at(hours * HOUR, Signal(name="go"))
    assert town.run() == seen
    assert told(town) == (["boss"] if hours > 24 else [])
    (known,) = town.rig.instance.describe()["deadlines"]
    assert (known["name"], known["status"], known["set_at"]) == ("shipped", seen[-1], T0)
    assert known["due_at"] == T0 + 24 * HOUR * SECOND
    assert known["risk_at"] == T0 + 20 * HOUR * SECOND
    assert known["met_at"] == T0 + hours * HOUR * SECOND


@workflow.defn
class Promise:
    """Fails when it is overdue, unless that is mended then."""

    @workflow.run
    async def run(self, mended: bool) -> str:
        async with workflow.saga() as saga:
            await saga.do(tell, "friends", undo=untell, retry_policy=RetryPolicy(maximum_attempts=1))
            self.kept = workflow.deadline("kept", 10, on_overdue=self.mend, if_overdue="fail")
            self.mended = mended
            await workflow.sleep(100)
        return self.kept.status

    async def mend(self) -> None:
        await workflow.execute_activity(tell, "boss")
        if self.mended:
            self.kept.met()


def test_a_run_fails_when_its_deadline_is_overdue_and_its_sagas_are_undone(passivating: bool) -> None:
    town = Town(Promise, ACTIVITIES, passivating=passivating)
    assert town.run(False) is None
    assert town.status is WorkflowStatus.FAILED
    assert town.result is not None
    failure = town.result.failure
    assert failure is not None
    assert failure.type == "DeadlineMissedError"
    assert failure.message == "deadline 'kept' was not met by 2023-11-14T22:13:30+00:00"
    assert [type_ for type_, _, _ in town.done] == ["tell", "tell", "untell"]
    assert town.rig.state.time < T0 + 100 * SECOND


def test_what_is_met_when_it_is_overdue_fails_nothing() -> None:
    assert Town(Promise, ACTIVITIES).run(True) == "met_late"


@workflow.defn
class Unhurried:
    """What it does when it is at risk lasts until long after its time."""

    @workflow.run
    async def run(self, kind: str) -> str:
        overdue = {"mend": self.mend, "task": self.in_a_task, "gives up": self.give_up}[kind]
        warn = None if kind == "gives up" else self.warn
        self.kept = workflow.deadline(
            "kept", 10, warn_before=5, on_risk=warn, on_overdue=overdue, if_overdue="fail"
        )
        await workflow.sleep(100)
        return self.kept.status

    async def warn(self) -> None:
        await workflow.sleep(7)

    async def mend(self) -> None:
        await workflow.sleep(20)
        self.kept.met()

    def in_a_task(self) -> asyncio.Task[None]:
        return asyncio.create_task(self.mend())

    async def give_up(self) -> None:
        raise asyncio.CancelledError


@pytest.mark.parametrize("kind", ["mend", "task"])
def test_a_run_does_not_fail_before_what_is_done_when_it_is_overdue_is_over(
    kind: str, passivating: bool
) -> None:
    assert Town(Unhurried, ACTIVITIES, passivating=passivating).run(kind) == "met_late"


def test_a_run_fails_where_what_is_done_when_it_is_overdue_was_cancelled(passivating: bool) -> None:
    town = Town(Unhurried, ACTIVITIES, passivating=passivating)
    assert town.run("gives up") is None
    assert town.status is WorkflowStatus.FAILED


@workflow.defn
class Careless:
    @workflow.run
    async def run(self, kind: str) -> None:
        workflow.deadline("a", 1, on_overdue=self.refuse if kind == "refuse" else self.stumble)
        await workflow.sleep(10)

    async def refuse(self) -> None:
        raise ApplicationError("no")

    def stumble(self) -> None:
        raise KeyError("bug")


@pytest.mark.parametrize(
    ("kind", "status"), [("refuse", WorkflowStatus.FAILED), ("bug", WorkflowStatus.SUSPENDED)]
)
def test_what_is_called_ends_the_run_as_a_handler_does(kind: str, status: WorkflowStatus) -> None:
    town = Town(Careless, ACTIVITIES)
    town.run(kind)
    assert town.status is status


@workflow.defn
class Early:
    """What was there in time is in time, whenever code gets to see it."""

    def __init__(self) -> None:
        self.word = ""

    @workflow.run
    async def run(self) -> str:
        deadline = workflow.deadline("word", 10)
        await workflow.wait_condition(lambda: bool(self.word))
        deadline.met()
        return deadline.status

    @workflow.signal
    def say(self, word: str) -> None:
        self.word = word


def test_a_suspended_workflow_s_deadline_is_overdue_and_what_had_come_before_that_meets_it() -> None:
    rig = Rig(WorkflowRegistry([(Early, None)]))
    rig.send(start(workflow_type="Early", wants_result=True))
    rig.send(Suspend(reason="holidays"), after=SECOND)
    rig.send(Signal(name="say", args=(to_payload("hello"),)), after=SECOND)
    assert rig.instance.wake_at == T0 + 10 * SECOND
    rig.send(WakeUp(), held=False, after=13 * SECOND)
    assert rig.instance.describe()["deadlines"][0]["status"] == "overdue"
    rig.send(Resume(), after=5 * SECOND)
    outcome = rig.state.outcome
    assert outcome is not None
    assert outcome.result == to_payload("met")


@workflow.defn
class Signed:
    """Goes over signs while its deadline is open."""

    @workflow.run
    async def run(self, round_: int) -> str:
        if round_ == 0:
            workflow.deadline("done", 10, on_overdue=self.nothing, if_overdue="fail")
        if round_ < 2:
            workflow.checkpoint(round_ + 1)
        done = workflow.deadline("done", 99, on_overdue=self.tell_boss)
        assert done.due == datetime.fromtimestamp(T0 / SECOND + 10, UTC)
        await workflow.sleep(20)
        done.met()
        return done.status

    def nothing(self) -> None:
        raise AssertionError("it was forgotten at the sign")

    async def tell_boss(self) -> None:
        await workflow.execute_activity(tell, "boss")


def test_a_deadline_goes_over_signs_with_what_the_code_behind_them_says_is_to_be_done(
    passivating: bool,
) -> None:
    town = Town(Signed, ACTIVITIES, passivating=passivating)
    assert town.run(0) == "met_late"
    assert told(town) == ["boss"]


@workflow.defn
class Forgetful:
    """Never asks for it again behind the sign."""

    @workflow.run
    async def run(self, round_: int) -> None:
        if round_ == 0:
            workflow.deadline("done", 10, if_overdue="fail")
            workflow.checkpoint(1)
        await workflow.sleep(20)


def test_a_run_fails_by_a_deadline_that_the_code_behind_a_sign_has_not_asked_for(passivating: bool) -> None:
    town = Town(Forgetful, ACTIVITIES, passivating=passivating)
    town.run(0)
    assert town.status is WorkflowStatus.FAILED


@workflow.defn
class Late:
    """A sign is asked for in the step in which the deadline is overdue."""

    @workflow.run
    async def run(self, round_: int) -> str:
        if round_ == 0:
            workflow.deadline("done", 10)
            await workflow.sleep(10)
            workflow.checkpoint(1)
        seen: list[str] = []
        deadline = workflow.deadline("done", 10, on_overdue=lambda: seen.append("overdue"))
        await workflow.wait_condition(lambda: bool(seen))
        deadline.met()
        return deadline.status


def test_what_comes_due_in_the_step_of_a_sign_is_done_behind_it(passivating: bool) -> None:
    town = Town(Late, ACTIVITIES, passivating=passivating)
    assert town.run(0) == "met_late"


@workflow.defn
class GoesOn:
    @workflow.run
    async def run(self, round_: int) -> str:
        if round_ == 0:
            workflow.deadline("a", 10, if_overdue="fail")
            workflow.continue_as_new(1)
        await workflow.sleep(20)
        return "done"


def test_no_deadline_goes_along_to_the_next_run() -> None:
    town = Town(GoesOn, ACTIVITIES)
    assert town.run(0) == "done"
    assert town.rig.instance.describe()["deadlines"] == ()


@workflow.defn
class Refused:
    def __init__(self) -> None:
        self.deadline: Any = None

    @workflow.run
    async def run(self) -> list[str]:
        self.deadline = workflow.deadline("a", 10)
        seen = []
        naive = datetime(2030, 1, 1)
        for odd, options in (
            ("a", {}),
            ("", {}),
            ("b", {"due": naive}),
            ("b", {"due": -1}),
            ("b", {"due": 0}),
            ("b", {"due": "soon"}),
            ("b", {"due": float("nan")}),
            ("b", {"if_overdue": "explode"}),
            ("b", {"on_overdue": 42}),
            ("b", {"on_risk": self.run}),
            ("b", {"warn_before": -1}),
            ("b", {"working_hours": object()}),
            ("b", {"due": workflow.now(), "working_hours": object()}),
        ):
            due: Any = {"due": 10, **options}
            try:
                workflow.deadline(odd, **due)
            except (TypeError, ValueError) as error:
                seen.append(str(error))
        self.deadline.met()
        workflow.deadline("a", 10).met()
        return seen


def test_what_no_deadline_can_be_is_refused_where_it_is_written() -> None:
    seen = Town(Refused, ACTIVITIES).run()
    assert [text.partition(" must be")[0] for text in seen] == [
        "The run has an open deadline 'a' already: meet that one first, or give this another name.",
        "The name of a deadline '' is empty: it",
        "due",
        "due",
        "due",
        "due",
        "due",
        "if_overdue",
        "on_overdue",
        "on_risk is called when the deadline is at risk: say by warn_before when that is.",
        "warn_before",
        "working_hours",
        "working_hours count a duration: give one as `due`, or leave them out.",
    ]


@workflow.defn
class Asked:
    def __init__(self) -> None:
        self.deadline: workflow.Deadline | None = None

    @workflow.run
    async def run(self) -> None:
        self.deadline = workflow.deadline("a", datetime(9999, 1, 1, tzinfo=UTC), warn_before=10**12)
        await workflow.sleep(10)

    @workflow.query
    def status(self, change: str) -> str:
        assert self.deadline is not None
        if change == "met":
            self.deadline.met()
        if change == "set":
            workflow.deadline("b", 1)
        return self.deadline.status


@pytest.mark.parametrize("change", ["met", "set"])
def test_a_query_sees_how_one_stands_and_changes_nothing(change: str) -> None:
    rig = Rig(WorkflowRegistry([(Asked, None)]))
    rig.send(start(workflow_type="Asked"))
    (told,) = rig.send(Query(name="status", args=(to_payload(""),), caller=CALLER)).effects
    assert "on_time" in repr(told)
    (refused,) = rig.send(Query(name="status", args=(to_payload(change),), caller=CALLER)).effects
    assert "may only read" in repr(refused)
    assert rig.instance.describe()["deadlines"][0]["status"] == "on_time"


@workflow.defn
class Many:
    @workflow.run
    async def run(self) -> str:
        for number in range(100):
            workflow.deadline(str(number), 10).met()
        for number in range(50):
            workflow.deadline(str(number), 10)
        try:
            workflow.deadline("one more", 10)
        except ValueError as error:
            return str(error)
        return ""


def test_a_run_has_some_that_are_open_and_remembers_the_last_that_were_met() -> None:
    town = Town(Many, ACTIVITIES)
    assert town.run() == "A run may have 50 open deadlines, and this would be one more."
    known = town.rig.instance.describe()["deadlines"]
    assert [one["name"] for one in known if one["status"] == "met"] == [
        str(number) for number in range(99, 79, -1)
    ]
    assert len(known) == 70
