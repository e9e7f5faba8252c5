"""Activities whose attempts are exhausted wait for a person, who says what becomes of them."""

from __future__ import annotations

import pytest

from dalsegno import ActivityError, workflow
from dalsegno.actors.workflow_actor.activities.commands import Resolve
from dalsegno.actors.workflow_actor.activities.sends import TaskEffect
from dalsegno.actors.workflow_actor.interface.commands import Cancel, FailEffect, Terminate, WakeUp
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.failure import Failure
from dalsegno.policies import WorkflowStatus
from tests.default_converter import from_payload, to_payload
from tests.workflow_actor.incidents.shop import (
    BROKEN,
    DECLINED,
    TWICE,
    Order,
    Started,
    Waits,
    charge,
    complete,
    rig_of,
    settle,
)
from tests.workflow_actor.rig import (
    CALLER,
    SECOND,
    Rig,
    answer,
    canceled,
    completed,
    failed,
    heartbeat,
    started,
    task,
    task_id,
)


def exhausted(cls: type = Order, *, passivating: bool = False) -> tuple[Rig, TaskEffect]:
    """With the task of its last attempt."""
    rig = rig_of(cls, passivating=passivating)
    first = task(rig.start(args=(to_payload(30),)))
    rig.settle()
    rig.send(failed(first, DECLINED))
    second = task(rig.send(WakeUp(), held=False, after=SECOND))
    rig.settle()
    rig.send(failed(second, DECLINED))
    return rig, second


def result_of(rig: Rig) -> object:
    assert rig.state.outcome is not None, rig.instance.describe()
    assert rig.state.outcome.result is not None
    return from_payload(rig.state.outcome.result)


@pytest.mark.parametrize("cls", [Order, Started])
def test_the_workflow_goes_on_waiting_and_says_for_whom(cls: type, passivating: bool) -> None:
    rig, _ = exhausted(cls, passivating=passivating)
    assert rig.status() is WorkflowStatus.RUNNING
    told = rig.instance.describe()
    (incident,) = told["incidents"]
    assert (incident["number"], incident["activity_type"], incident["attempts"]) == (1, "charge", 2)
    assert incident["opened_at"] == rig.now
    assert incident["last_failure"] == DECLINED
    assert list(map(from_payload, incident["args"])) == [30]
    assert told["incidents_open"] == 1
    assert told["waiting_for"][0] == "a person, for incident 1 (activity 1 charge)"
    assert told["pending_activities"][0]["state"] == "paused"
    assert rig.instance.wake_at is None


def test_one_that_is_not_to_be_tried_again_is_an_incident_at_once() -> None:
    rig = rig_of(Order)
    rig.send(failed(task(rig.start(args=(to_payload(30),))), BROKEN))
    assert rig.instance.describe()["incidents"][0]["attempts"] == 1


def test_what_shows_of_it_is_written_when_it_opens_and_when_it_closes(passivating: bool) -> None:
    rig = rig_of(Order, passivating=passivating)
    opened = rig.send(failed(task(rig.start(args=(to_payload(30),))), BROKEN))
    assert opened.incidents == ((1, "activity charge failed after 1 attempt: no such card"),)
    assert opened.changed is not None
    assert opened.changed.status is WorkflowStatus.RUNNING
    assert opened.changed.reason == "incident 1: activity charge failed after 1 attempt: no such card"
    (row,) = opened.attributes
    assert (row.name, row.value and row.value.value) == ("Incidents", 1)
    closed = rig.send(settle(1, "retry"))
    assert closed.incidents == ()
    assert closed.changed is not None
    assert closed.changed.reason is None
    (row,) = closed.attributes
    assert (row.name, row.value) == ("Incidents", None)


def test_it_is_tried_again_from_the_first_attempt_with_all_its_retries(passivating: bool) -> None:
    rig, last = exhausted(passivating=passivating)
    again = rig.send(settle(1, "retry"), after=3600 * SECOND)
    assert answer(again).error is None
    first = task(again)
    assert (first.attempt, from_payload(first.args[0])) == (1, 30)
    assert first.token != last.token
    assert first.fence > last.fence
    assert rig.instance.describe()["incidents"] == ()
    rig.settle()
    rig.send(failed(first, DECLINED))
    second = task(rig.send(WakeUp(), held=False, after=SECOND))
    assert second.attempt == 2
    rig.send(completed(second, to_payload(30)))
    assert result_of(rig) == 30


def test_one_that_is_exhausted_again_is_another_incident(passivating: bool) -> None:
    rig, _ = exhausted(passivating=passivating)
    rig.send(failed(task(rig.send(settle(1, "retry"))), BROKEN))
    assert [one["number"] for one in rig.instance.describe()["incidents"]] == [2]
    assert answer(rig.send(settle(1, "retry"))).error == (
        "rejected",
        "incident 1 of this run is not open any more: its activity goes on, or has ended",
    )


def test_it_completes_with_what_a_person_says(passivating: bool) -> None:
    rig, _ = exhausted(passivating=passivating)
    assert answer(rig.send(complete(1, 25))).error is None
    assert result_of(rig) == 25
    assert rig.state.incidents == {}


@pytest.mark.parametrize("cls", [Order, Started])
def test_a_result_that_the_workflow_does_not_expect_is_refused_and_nothing_changes(
    cls: type, passivating: bool
) -> None:
    rig, _ = exhausted(cls, passivating=passivating)
    refused = answer(rig.send(complete(1, "much")))
    assert refused.error is not None
    assert refused.error[0] == "rejected"
    assert refused.error[1].startswith("The result of activity 1 charge: ")
    assert len(rig.state.incidents) == 1
    rig.send(complete(1, 30))
    assert result_of(rig) == 30


def test_a_result_is_not_taken_while_the_code_cannot_say_whether_it_fits() -> None:
    rig, _ = exhausted()
    rig.code = WorkflowRegistry([])
    rig.reload()
    refused = answer(rig.send(complete(1, 30)))
    assert refused.error is not None
    assert "its code does not run now" in refused.error[1]


@pytest.mark.parametrize(
    ("failure", "message"),
    [(None, "card declined"), (Failure(message="written off", type="Lost"), "written off")],
)
def test_it_fails_as_its_last_attempt_did_or_as_a_person_says(
    failure: Failure | None, message: str, passivating: bool
) -> None:
    rig, _ = exhausted(passivating=passivating)
    rig.send(settle(1, "fail", failure=failure))
    assert rig.status() is WorkflowStatus.FAILED
    assert rig.state.outcome is not None
    assert rig.state.outcome.failure is not None
    cause = rig.state.outcome.failure.cause
    assert cause is not None
    assert cause.message == message


def test_there_must_be_one_of_that_number() -> None:
    rig, _ = exhausted()
    assert answer(rig.send(settle(7, "retry"))).error == ("rejected", "this run has no incident 7")


def test_a_late_word_of_the_last_attempt_is_dropped(passivating: bool) -> None:
    rig, last = exhausted(passivating=passivating)
    for word in (completed(last, to_payload(1)), failed(last, DECLINED), started(last), canceled(last)):
        assert not rig.send(word).recorded
    first = task(rig.send(settle(1, "retry")))
    assert not rig.send(completed(last, to_payload(1))).recorded
    rig.send(completed(first, to_payload(30)))
    assert result_of(rig) == 30


@pytest.mark.parametrize("cls", [Order, Started, Waits])
def test_a_cancel_request_ends_it(cls: type, passivating: bool) -> None:
    rig, _ = exhausted(cls, passivating=passivating)
    rig.send(Cancel(reason="no longer wanted", caller=CALLER))
    assert rig.status() is WorkflowStatus.CANCELED
    assert rig.state.incidents == {}


@workflow.defn(name="order")
class GivesUp:
    """As soon as it is told to."""

    @workflow.run
    async def run(self, amount: int) -> int:
        self.charging = workflow.start_activity(charge, amount, retry_policy=TWICE, on_exhausted="pause")
        try:
            return await self.charging
        except ActivityError:
            return 0

    @workflow.signal
    def give_up(self) -> None:
        self.charging.cancel()


def test_the_cancel_of_its_handle_ends_it(passivating: bool) -> None:
    rig, _ = exhausted(GivesUp, passivating=passivating)
    rig.send(Signal(name="give_up", caller=CALLER))
    assert result_of(rig) == 0
    assert rig.state.incidents == {}


def test_code_that_was_deployed_since_may_want_a_pause_or_none_as_it_may_want_other_retries() -> None:
    rig = rig_of(Plain)
    first = task(rig.start(args=(to_payload(30),)))
    rig.code = WorkflowRegistry([(Order, None)])
    rig.reload()
    rig.send(completed(first, to_payload(30)))
    assert result_of(rig) == 30


def test_the_end_of_the_run_ends_it(passivating: bool) -> None:
    rig, _ = exhausted(passivating=passivating)
    ended = rig.send(Terminate(caller=CALLER))
    assert rig.state.incidents == {}
    assert [(row.name, row.value) for row in ended.attributes] == [("Incidents", None)]
    refused = answer(rig.send(settle(1, "retry")))
    assert refused.error is not None
    assert refused.error[0] == "closed"


@workflow.defn(name="order")
class Plain:
    """An Order as it was before there were incidents."""

    @workflow.run
    async def run(self, amount: int) -> int:
        return await workflow.execute_activity(charge, amount)


@workflow.defn(name="order")
class Hurried:
    @workflow.run
    async def run(self, amount: int) -> int:
        return await workflow.execute_activity(
            charge, amount, schedule_to_start_timeout=60, heartbeat_timeout=60, on_exhausted="pause"
        )


@workflow.defn(name="order")
class Bounded:
    @workflow.run
    async def run(self, amount: int) -> int:
        return await workflow.execute_activity(
            charge, amount, schedule_to_close_timeout=600, on_exhausted="pause"
        )


def test_one_that_no_worker_has_started_in_time_is_an_incident(passivating: bool) -> None:
    rig = rig_of(Hurried, passivating=passivating)
    rig.start(args=(to_payload(30),))
    rig.settle()
    rig.send(WakeUp(), held=False, after=61 * SECOND)
    (incident,) = rig.instance.describe()["incidents"]
    assert incident["last_failure"].timeout_type == "schedule_to_start"


def test_the_time_for_all_attempts_begins_anew(passivating: bool) -> None:
    rig = rig_of(Bounded, passivating=passivating)
    rig.start(args=(to_payload(30),))
    rig.settle()
    rig.send(WakeUp(), held=False, after=601 * SECOND)
    assert len(rig.state.incidents) == 1
    again = task(rig.send(settle(1, "retry"), after=SECOND))
    rig.settle()
    assert rig.instance.wake_at is not None
    assert rig.instance.wake_at > rig.now + 500 * SECOND
    rig.send(completed(again, to_payload(30)))
    assert result_of(rig) == 30


def test_one_whose_task_no_broker_carries_is_an_incident_that_can_be_completed() -> None:
    rig = rig_of(Order)
    effect = task_id(rig.start(args=(to_payload(30),)))
    rig.send(FailEffect(effect=effect, reason="it has 9 MB"))
    assert rig.instance.describe()["incidents"][0]["last_failure"].type == "TaskTooLarge"
    rig.send(complete(1, 30))
    assert result_of(rig) == 30


def test_what_somebody_else_says_of_the_activity_counts_while_the_incident_is_open() -> None:
    rig, _ = exhausted()
    failing = Resolve(activity_id="1", failure=DECLINED, caller=CALLER)
    assert answer(rig.send(failing)).error == (
        "rejected",
        "activity '1' has failed already, and waits for a person: see to incident 1",
    )
    rig.send(Resolve(activity_id="1", result=to_payload(20), caller=CALLER))
    assert result_of(rig) == 20
    assert rig.state.incidents == {}


def test_the_newest_heartbeat_is_told_to_the_attempt_that_a_person_asks_for(passivating: bool) -> None:
    rig = rig_of(Hurried, passivating=passivating)
    first = task(rig.start(args=(to_payload(30),)))
    rig.settle()
    rig.send(started(first))
    rig.settle()
    rig.send(heartbeat(first, to_payload("half")))
    rig.send(failed(first, BROKEN))
    again = task(rig.send(settle(1, "retry"), after=3600 * SECOND))
    assert again.heartbeat_details is not None
    assert from_payload(again.heartbeat_details) == "half"
    rig.settle()
    rig.send(started(again))
    assert rig.instance.describe()["pending_activities"][0]["last_heartbeat_at"] is None, "it has sent none"


def test_while_an_older_format_must_be_written_code_that_wants_it_is_suspended() -> None:
    rig = rig_of(Order)
    rig.instance.codec = CODEC.writing(2)
    rig.start(args=(to_payload(30),))
    assert rig.status() is WorkflowStatus.SUSPENDED
    assert "a pause for a person" in (rig.state.reason or "")
