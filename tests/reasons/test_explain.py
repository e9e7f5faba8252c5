"""From what is known of an instance to the reason why it does not move."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from dalsegno.actors.workflow_actor.run.state import SuspensionKind
from dalsegno.broker.protocol.messages import (
    Description,
    OpenChild,
    OpenIncident,
    OpenRequest,
    PendingActivity,
    PendingTimer,
    PendingUpdate,
    ShownSuspension,
    UnfitSignal,
)
from dalsegno.failure import Failure
from dalsegno.policies import WorkflowStatus
from dalsegno.reasons import of_activities, of_hosts, of_runs
from dalsegno.reasons.evidence import (
    NO_QUEUE,
    Evidence,
    HandlersSeen,
    HostsSeen,
    QueueSeen,
    task_queues_of,
    workers_of,
)
from dalsegno.reasons.explain import LATE, ORDER, explain
from dalsegno.reasons.of_hosts import HostSilent, NoOwner
from dalsegno.reasons.of_runs import SUSPENSIONS, Ended, TimerPending
from dalsegno.reasons.reason import Reason, Why
from dalsegno.reasons.tally import WhyTally
from dalsegno.reasons.words import DAY, HOUR, MINUTE, SECOND, because, span

START = 1_796_137_200_000_000  # 2026-12-01 15:00:00 UTC
NOW = START + 40 * SECOND

AT = "2026-12-01 15:00:00 UTC"
SINCE = f"since {AT} (40 s)"

WORKED = QueueSeen(exists=True, has_consumers=True, waiting=0)
BUSY = QueueSeen(exists=True, has_consumers=True, waiting=7)
DESERTED = QueueSeen(exists=True, has_consumers=False, waiting=1)
DECLINED = Failure(kind="activity", message="it failed", cause=Failure(type="Declined", message="no\nmoney"))


def run(**more: Any) -> Description:
    known = {"status": WorkflowStatus.RUNNING, "moved_at": START, "described_at": NOW, **more}
    return Description(
        workflow_id="o-1",
        run_id="r-1",
        workflow_type="Order",
        task_queue="default",
        sequence=3,
        started_at=START,
        **known,
    )


def activity(state: Any, **more: Any) -> PendingActivity:
    known = {"activity_type": "charge", "task_queue": "default", "attempt": 3, "maximum_attempts": 5, **more}
    return PendingActivity(activity_id="1", state=state, scheduled_at=START, **known)


def of(description: Description, **more: Any) -> Why:
    return explain(Evidence(description, now=0, **more))


def of_one(state: Any, seen: QueueSeen | None = WORKED, **more: Any) -> Why:
    queues = {} if seen is None else {"default": WORKED, "gpu": seen, more.get("task_queue", "default"): seen}
    return of(
        run(pending_activities=(activity(state, **more),), waiting_for=("activity 1 charge",)), queues=queues
    )


CODE = ("condition at orders.py:12",)
QUARANTINED = UnfitSignal(number=1, name="approve", reason="no int", set_aside_at=START)
INCIDENT = OpenIncident(
    number=2,
    activity_id="1",
    activity_type="charge",
    task_queue="default",
    attempts=5,
    opened_at=START,
    last_failure=DECLINED,
)
CHILD = OpenChild(
    workflow_id="kid", workflow_type="Kid", parent_close_policy="terminate", started_at=START, run_id="r-2"
)
GONE = {"worker": "dalsegno.worker.w.1", "started_at": START}

CASES: dict[str, tuple[Why, str, str | None]] = {
    "no_host": (of(run(), hosts=HostsSeen(any_live=False)), "No host is running", "dalsegno host MODULES"),
    "no_owner": (
        of(run(), hosts=HostsSeen(any_live=True, partition=5)),
        "Partition 5, in which it lives, has no owner",
        "dalsegno partitions",
    ),
    "ended": (
        of(run(status=WorkflowStatus.FAILED, closed_at=START, failure=DECLINED, next_run_id="r-2")),
        f"It has ended at {AT} (40 s ago), failed: Declined: no money. It goes on as run r-2.",
        "dalsegno workflow result o-1",
    ),
    "unread": (
        of(run(left_out=("all that its journal holds: row 3 is of format 9",))),
        "row 3 is of format 9",
        "dalsegno hosts",
    ),
    "suspended": (
        of(
            run(
                status=WorkflowStatus.SUSPENDED,
                suspended_reason="KeyError: 'x' (orders.py:12 in run)",
                suspension=ShownSuspension(kind="bug", since=START, retry_at=NOW + 2 * MINUTE),
                waiting_for=("activity 1 charge",),
            )
        ),
        f"It is suspended {SINCE}, because its code raised what it did not mean as a failure: "
        "KeyError: 'x' (orders.py:12 in run). It is tried again at 2026-12-01 15:02:40 UTC (in 2 min).",
        "dalsegno workflow testcase o-1",
    ),
    "paused": (
        of(
            run(
                status=WorkflowStatus.SUSPENDED,
                suspended_reason="audit",
                suspension=ShownSuspension(kind="operator", since=START),
            )
        ),
        f"Somebody has suspended it {SINCE}: audit.",
        "dalsegno workflow resume o-1",
    ),
    "incident": (
        of(run(incidents=(INCIDENT,), incidents_open=3, pending_activities=(activity("paused"),))),
        "activity charge (ID 1) failed after 5 attempts: Declined: no money. A person is to retry, complete or "
        "fail it. Beside it 2 more of its incidents are open.",
        "dalsegno incidents retry o-1 2",
    ),
    "start_delayed": (
        of(run(begins_at=NOW + 3 * HOUR)),
        "Its start is delayed: its code begins at 2026-12-01 18:00:40 UTC (in 3 h).",
        None,
    ),
    "overdue": (
        of(run(next_wake_up_at=NOW - LATE - 1, timers=(PendingTimer(number=1, fire_at=START),))),
        "was due since",
        "dalsegno partitions",
    ),
    "code_due": (of(run(backlog=2)), "is about to run its code with 2 inputs", None),
    "no_worker": (
        of_one("scheduled", DESERTED, task_queue="gpu"),
        f"Task queue 'gpu' has no consumer, and activity charge (ID 1) waits there since {AT} "
        "(40 s); 1 task in the queue. Task queue 'default' has workers: if that is meant, mend task_queue=",
        "dalsegno worker MODULES --task-queue gpu",
    ),
    "activity_unknown": (
        of_one(
            "backing_off",
            last_failure=Failure(type="ActivityNotFound", message="The worker has no activity 'charge'."),
            next_attempt_at=NOW + MINUTE,
        ),
        "A worker of task queue 'default' has taken activity charge (ID 1), and does not have it",
        "dalsegno worker MODULES --task-queue default",
    ),
    "worker_gone": (
        of(
            run(pending_activities=(activity("started", due_at=NOW + MINUTE, **GONE),)),
            workers={"dalsegno.worker.w.1": False},
        ),
        f"Worker w.1, which took attempt 3 of 5 of activity charge (ID 1) {SINCE}, is not connected",
        "dalsegno workflow describe o-1",
    ),
    "retry": (
        of_one("backing_off", next_attempt_at=NOW + MINUTE, last_failure=DECLINED),
        "Activity charge (ID 1), attempt 4 of 5, is tried at 2026-12-01 15:01:40 UTC (in 60 s); attempt 3 "
        "failed because Declined: no money.",
        "dalsegno workflow describe o-1",
    ),
    "task_queued": (
        of_one("scheduled", BUSY),
        "7 tasks in the queue, for which its workers have no room yet.",
        "dalsegno worker MODULES --task-queue default",
    ),
    "task_sent": (of_one("scheduled", None), "Rows alone do not tell", "dalsegno workflow describe o-1"),
    "task_held": (
        of_one("scheduled", due_at=NOW + MINUTE),
        "has the task of activity charge (ID 1), attempt 3 of 5",
        "dalsegno workflow describe o-1",
    ),
    "attempt_runs": (
        of_one(
            "started", last_heartbeat_at=NOW - 3 * SECOND, heartbeat_timeout=MINUTE, due_at=NOW + MINUTE, **GONE
        ),
        "Worker w.1 took activity charge (ID 1), attempt 3 of 5, 40 s ago, and beats: the last time 3 s ago. "
        "Without another it times out at 2026-12-01 15:01:40 UTC (in 60 s).",
        "dalsegno workflow describe o-1",
    ),
    "outside": (
        of_one("started", outside=True, started_at=START),
        "goes on outside of its worker",
        "dalsegno activity complete o-1 1",
    ),
    "other_workflow": (
        of(run(requests=(OpenRequest(asked="end", workflow_id="o-2", asked_at=START),))),
        "It waits for the end of workflow o-2 since",
        "dalsegno why o-2",
    ),
    "child": (
        of(run(children=(CHILD,), children_open=3)),
        f"child workflow kid (Kid) {SINCE}, and 2 more",
        "dalsegno why kid",
    ),
    "update": (
        of(
            run(
                updates=(PendingUpdate(update_id="u-7", name="add", stage="accepted", admitted_at=START),),
                waiting_for=("update handler add at orders.py:30", *CODE),
            )
        ),
        f"Update add (u-7) is accepted {SINCE}. Its handler stands at orders.py:30.",
        None,
    ),
    "signal_set_aside": (
        of(run(quarantine=(QUARANTINED,), waiting_for=CODE)),
        f"Signal 'approve' lies in quarantine {SINCE}: no int. It waits for: condition at orders.py:12.",
        "dalsegno workflow quarantine show o-1 1",
    ),
    "signal_unhandled": (
        of(
            run(waiting_for=(*CODE, "a handler for the signal 'aprove' (2 sent)")),
            handlers=HandlersSeen(signals=("approve",)),
        ),
        "It was sent 'aprove', for which its code has no handler. It handles: approve.",
        "dalsegno workflow signal o-1 approve",
    ),
    "nothing_awaited": (
        of(run(waiting_for=CODE), handlers=HandlersSeen()),
        f"and its code has no handler for a signal or an update; nothing was recorded of it {SINCE}. Its code "
        "waits for: condition at orders.py:12.",
        "dalsegno workflow terminate o-1",
    ),
    "message": (
        of(
            run(waiting_for=CODE, timers=(PendingTimer(number=1, fire_at=NOW + DAY),), pending_timers=1),
            handlers=HandlersSeen(signals=("approve", "stop"), updates=("add",)),
        ),
        f"It waits for signal approve or stop, or update add; nothing was recorded of it {SINCE}. "
        "Its code waits for: condition at orders.py:12. A timer ends at 2026-12-02 15:00:40 UTC (in 24 h).",
        "dalsegno workflow signal o-1 approve",
    ),
    "timer": (
        of(
            run(
                timers=(PendingTimer(number=4, fire_at=NOW + 3 * DAY),),
                pending_timers=2,
                waiting_for=("timer 4 until 2026-12-04T15:00:40.000+00:00 (orders.py:9)",),
            )
        ),
        "It waits for timer 4 (orders.py:9), due at 2026-12-04 15:00:40 UTC (in 3 d). 1 more are pending.",
        None,
    ),
    "unexplained": (
        of(run(waiting_for=("what nobody knows",))),
        "should be reported. It waits for: what nobody knows.",
        "dalsegno workflow describe o-1 --json",
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_each_reason_says_what_is_waited_for_since_when_and_what_helps(kind: str) -> None:
    told, sentence, helps = CASES[kind]

    assert told.reason.kind == kind, told
    assert sentence in told.sentence
    assert told.helps == helps
    assert told.as_map()["reason"]["sentence"] == told.sentence


def test_every_reason_has_a_case_a_rank_and_a_kind_of_its_own() -> None:
    modules = (of_hosts, of_activities, of_runs)
    classes = {one for module in modules for one in vars(module).values() if isinstance(one, type)}
    reasons = {one for one in classes if issubclass(one, Reason) and one.kind}

    assert reasons == set(ORDER)
    assert {one.kind for one in ORDER} - {HostSilent.kind} == CASES.keys(), (
        "the client says which host is silent"
    )
    assert len({one.kind for one in ORDER}) == len(ORDER)
    assert set(get_args(SuspensionKind)) == {*SUSPENSIONS, "operator"}


def test_of_several_reasons_the_one_that_matters_comes_first_and_the_others_are_told_beside_it() -> None:
    everything = run(
        pending_activities=(activity("started", **GONE), activity("scheduled", task_queue="gpu")),
        children=(CHILD,),
        timers=(PendingTimer(number=1, fire_at=NOW + DAY),),
        pending_timers=1,
        waiting_for=CODE,
    )
    told = of(everything, queues={"default": WORKED, "gpu": NO_QUEUE}, workers={GONE["worker"]: True})

    kinds = [told.reason.kind, *(one.kind for one in told.also)]
    assert kinds == ["no_worker", "attempt_runs", "child", "message", "timer"]
    assert told.is_stuck
    ranks = [one.kind for one in ORDER]
    assert all(ranks.index(one) < ranks.index(other) for one, other in pairwise(kinds))


@pytest.mark.parametrize(
    "more",
    [
        {"handlers": HandlersSeen(takes_others=True)},
        {"handlers": None},
        {"pending_timers": 1, "timers": (PendingTimer(number=1, fire_at=NOW + DAY),)},
        {"times_out_at": NOW + DAY},
    ],
)
def test_what_may_still_be_woken_waits_for_a_message(more: dict[str, Any]) -> None:
    """By a handler of all names, or one that is not known; by a timer, or by the end of its time."""
    handlers = more.pop("handlers", HandlersSeen())
    assert of(run(waiting_for=CODE, **more), handlers=handlers).reason.kind == "message"


def test_a_child_that_outlives_its_parent_is_waited_for_where_nothing_else_is() -> None:
    left_behind = replace(CHILD, parent_close_policy="abandon")
    both = of(run(children=(left_behind,), children_open=1, waiting_for=CODE))
    assert [both.reason.kind, *(one.kind for one in both.also)] == ["message", "child"]
    assert of(run(children=(left_behind,), children_open=1)).reason.kind == "child"
    assert not of(run(children=(left_behind,), status=WorkflowStatus.COMPLETED)).also


def test_what_a_host_of_before_tells_is_enough() -> None:
    """It says neither when it described the run, nor what its timers are, nor since when it is suspended."""
    waits = run(pending_timers=1, next_wake_up_at=NOW + DAY, described_at=None, moved_at=None)
    told = explain(Evidence(waits, now=NOW))
    assert isinstance(told.reason, TimerPending)
    assert told.sentence.startswith("It waits for a timer, due at 2026-12-02 15:00:40 UTC (in 24 h).")

    suspended = run(status=WorkflowStatus.SUSPENDED, suspended_reason="a bug", described_at=None)
    assert explain(Evidence(suspended, now=NOW)).sentence.startswith("It is suspended: a bug.")


def test_nothing_that_is_pending_means_that_a_message_is_waited_for_where_the_code_was_not_asked() -> None:
    assert of(run()).sentence.startswith("It waits for a signal or an update; nothing was recorded of it since")


def test_what_waits_at_the_level_of_an_activity_waits_in_its_task_queue() -> None:
    urgent = run(pending_activities=(activity("scheduled", priority=1),))
    assert task_queues_of(urgent) == ("default", "default:#1")

    told = of(urgent, queues={"default": WORKED, "default:#1": BUSY})
    assert (told.reason.kind, told.reason.topic) == ("task_queued", "task queue default")
    assert of(urgent, queues={"default": WORKED, "default:#1": NO_QUEUE}).reason.kind == "task_held"
    assert of(urgent, queues={"default": NO_QUEUE, "default:#1": BUSY}).reason.kind == "no_worker"


def test_a_request_to_stop_that_has_not_stopped_it_is_told() -> None:
    told = of(run(cancel_requested=True, waiting_for=CODE))
    assert told.sentence.endswith("It was asked to cancel, and has not ended.")
    assert not of(run(cancel_requested=True, status=WorkflowStatus.CANCELED)).cancel_requested


def test_rows_that_are_damaged_are_told_also_where_no_host_has_met_that_yet() -> None:
    told = of(run(suspended_reason="journal row 3 is damaged."))
    assert (
        told.sentence == "It is open, and what is stored of it cannot be read here: journal row 3 is damaged."
    )
    assert told.helps == "dalsegno verify"


def test_a_local_activity_is_its_hosts_and_no_worker_is_looked_for() -> None:
    runs = run(pending_activities=(activity("started", is_local=True, attempt=1, maximum_attempts=0),))
    assert of(runs).sentence == "Its host runs local activity charge (ID 1), attempt 1, begun 40 s ago."
    assert task_queues_of(runs) == ()


def test_what_is_to_be_looked_at_are_queues_in_which_tasks_may_wait_and_workers_that_have_one() -> None:
    seen = run(
        pending_activities=(
            activity("scheduled", task_queue="gpu"),
            activity("backing_off", task_queue="gpu"),
            activity("started", task_queue="cpu", **GONE),
            activity("started", outside=True, worker="dalsegno.worker.w.2"),
        )
    )
    assert task_queues_of(seen) == ("gpu", "default")
    assert workers_of(seen) == ("dalsegno.worker.w.1",)
    assert task_queues_of(run()) == workers_of(run()) == ()


def test_a_parent_is_stuck_if_its_child_is_and_the_childs_command_helps() -> None:
    parent, child = of(run(children=(CHILD,), children_open=1)), of_one("scheduled", NO_QUEUE)
    whole = Why(workflow_id="o-0", reason=parent.reason, child=child)

    assert not parent.is_stuck
    assert whole.is_stuck
    assert whole.helps == "dalsegno worker MODULES --task-queue default"
    assert [one.workflow_id for one in whole.chain()] == ["o-0", "o-1"]
    assert whole.as_map()["child"] == child.as_map()


def test_instances_are_counted_by_what_they_wait_for_the_worst_first() -> None:
    tally = WhyTally()
    told = (
        [of(run(waiting_for=CODE))] * 5
        + [of_one("scheduled", NO_QUEUE)] * 2
        + [of_one("scheduled", NO_QUEUE, task_queue="gpu")] * 3
    )
    for one in told:
        tally.add(one)

    assert tally.count == 10
    assert [(one.group, one.count, one.is_stuck) for one in tally.groups] == [
        ("no_worker: task queue gpu", 3, True),
        ("no_worker: task queue default", 2, True),
        ("message: type Order", 5, False),
    ]
    assert tally.groups[0].as_map()["examples"] == ["o-1", "o-1", "o-1"]


def test_silence_names_the_owner_and_a_partition_without_one_its_queue() -> None:
    about = {"workflow_id": "o-1", "asked_at": NOW}
    silent = HostSilent(**about, seconds=5.0, partition=5, owner="h-1")  # type: ignore[arg-type]
    assert silent.sentence.startswith("Host h-1, the owner of partition 5 has not answered within 5 s")
    deserted = NoOwner(**about, partition=5, waiting=3)  # type: ignore[arg-type]
    assert "3 messages wait in its queue" in deserted.sentence


@pytest.mark.parametrize(
    ("microseconds", "shown"), [(-5, "0 s"), (119 * SECOND, "119 s"), (2 * MINUTE, "2 min"), (49 * HOUR, "2 d")]
)
def test_spans_are_told_in_a_unit_that_can_be_grasped(microseconds: int, shown: str) -> None:
    assert span(microseconds) == shown


def test_a_failure_is_told_on_one_line_and_cut() -> None:
    assert because(None) == ""
    assert len(because(Failure(message="x" * 1_000))) == 300
    ended = of(run(status=WorkflowStatus.COMPLETED, closed_at=START))
    assert isinstance(ended.reason, Ended)
    assert not ended.is_stuck
