"""Points between one run and another, and between what was done and who waits for it: children, chains,
updates, local activities."""

from __future__ import annotations

from typing import Any

from dalsegno.actors.workflow_actor.interface.commands import OtherAnswered
from dalsegno.actors.workflow_actor.updates.sends import UpdateEffect
from tests.crash.point import SUPERVISOR, Need, Point
from tests.crash.wrapping import after, before, caused_by


def _goes_on(_rounds: Any, entries: Any) -> bool:
    return any(entry.opened and _info(entry).continued_run_id is not None for entry in entries)


def _ends_a_child(_rounds: Any, entries: Any) -> bool:
    ended = (entry for entry in entries if any(row.status.closed for row in entry.changed))
    return any(_info(entry).parent is not None for entry in ended)


def _tells_of_an_update(_rounds: Any, entries: Any) -> bool:
    return any(isinstance(leaving.effect, UpdateEffect) for entry in entries for leaving in entry.leaving)


def _info(entry: Any) -> Any:
    return entry.actor.instance.state.info


BETWEEN_POINTS = (
    Point(
        "r1",
        "gone-on",
        "a run has gone on as another, whose first step is not made",
        "the next run makes it, and is the only one",
        (before(f"{SUPERVISOR}.rounds:Rounds._let_out", _goes_on),),
        need=Need.RUNS,
        most=2,
    ),
    Point(
        "r2",
        "child-unrecorded",
        "a child has begun, and its parent has heard of it and not recorded that",
        "it hears of the same child again",
        (after(f"{SUPERVISOR}.partition.partition:PartitionSupervisor.activated", caused_by(OtherAnswered)),),
        need=Need.RUNS,
        most=2,
    ),
    Point(
        "r3",
        "child-ended",
        "a child's end is durable, its parent not told",
        "it is told, and counts it once",
        (before(f"{SUPERVISOR}.rounds:Rounds._let_out", _ends_a_child),),
        need=Need.RUNS,
        most=2,
    ),
    Point(
        "r4",
        "update-unanswered",
        "that an update is accepted, or completed, is durable, and not answered",
        "who asks again hears of the same update; its handler runs once",
        (before(f"{SUPERVISOR}.rounds:Rounds._let_out", _tells_of_an_update),),
        need=Need.RUNS,
        most=4,
    ),
    Point(
        "r5",
        "local-work-done",
        "a local activity is done, its turn still open",
        "it runs again; one result counts",
        (before(f"{SUPERVISOR}.partition.open_turns:OpenTurns._worked"),),
        need=Need.RUNS,
        most=4,
    ),
)
