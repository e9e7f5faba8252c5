"""Local activities as workflow code asks for them."""

from __future__ import annotations

from typing import Any

import pytest

from dalsegno import ActivityError, activity, workflow
from dalsegno.activity_code.registry import Registry
from dalsegno.actors.workflow_actor.activities.intents import CancelLocalActivity, ScheduleLocalActivity
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from tests.workflow_actor.program.play import SECOND, Play


@activity.defn
async def price(item: str) -> int:
    return len(item)


class Shelf:
    @activity.defn
    async def count(self, item: str) -> int:
        return len(item)


@activity.defn
class Weigh:
    async def __call__(self, item: str) -> float:
        return 0.5


NEARBY = Registry([price, Shelf().count, Weigh()])


@workflow.defn
class Offers:
    @workflow.run
    async def run(self, item: str) -> list[Any]:
        handle = workflow.start_local_activity(price, item, summary="what it costs", activity_id="price")
        counted = await workflow.execute_local_activity_method(Shelf.count, item, local_retry_threshold=5)
        weight = await workflow.execute_local_activity_class(Weigh, item, start_to_close_timeout=2)
        return [await handle, counted, weight]


@workflow.defn
class GivesUp:
    @workflow.run
    async def run(self) -> str:
        handle = workflow.start_local_activity(price, "pen")
        await workflow.sleep(1)
        handle.cancel()
        try:
            await handle
        except ActivityError as error:
            return str(error)
        return ""


def test_functions_methods_and_classes_are_asked_for_with_what_is_said_of_them() -> None:
    play = Play(Offers, local_activities=NEARBY)
    play.begin("pen")
    wanted = [intent for intent in play.activities.values() if isinstance(intent, ScheduleLocalActivity)]
    assert [(one.activity_type, one.activity_id) for one in wanted] == [("price", "price"), ("count", "2")]
    assert (wanted[0].summary, wanted[0].retry_threshold) == ("what it costs", 60 * SECOND)
    assert wanted[1].retry_threshold == 5 * SECOND
    play.resolve(1, 3)
    play.resolve(2, 4)
    play.resolve(3, 0.5)
    assert play.result == [3, 4, 0.5]
    play.replayed()


def test_one_that_is_cancelled_by_its_handle_is_asked_to_stop() -> None:
    play = Play(GivesUp, local_activities=NEARBY)
    play.begin()
    play.fire(1)
    assert "cancel local activity 1" in play.digests
    assert "was cancelled" in play.result
    play.replayed()


@pytest.mark.parametrize(
    ("nearby", "has"), [(None, "it has: none"), (NEARBY, "it has: Weigh, count, price")], ids=["none", "some"]
)
def test_one_that_the_host_does_not_have_is_a_bug_that_names_what_there_is(
    nearby: Registry | None, has: str
) -> None:
    @workflow.defn
    class Elsewhere:
        @workflow.run
        async def run(self) -> None:
            await workflow.execute_local_activity("elsewhere")

    with pytest.raises(WorkflowCodeError, match="local activity 'elsewhere'") as error:
        Play(Elsewhere, local_activities=nearby).begin()
    assert has in str(error.value)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"task_queue": "other"}, TypeError, "has no option 'task_queue'"),
        ({"heartbeat_timeout": 5}, TypeError, "has no option 'heartbeat_timeout'"),
        ({"local_retry_threshold": -1}, ValueError, "local_retry_threshold"),
        ({"local_retry_threshold": "soon"}, TypeError, "local_retry_threshold"),
        ({"summary": 5}, TypeError, "summary"),
        ({"summary": "x" * 1_000}, ValueError, "summary"),
        ({"unheard_of": 5}, TypeError, "unheard_of"),
    ],
)
def test_options_that_cannot_be_are_refused_where_they_stand(
    options: dict[str, Any], error: type[Exception], says: str
) -> None:
    @workflow.defn
    class Odd:
        @workflow.run
        async def run(self) -> str:
            with pytest.raises(error, match=says):
                workflow.start_local_activity(price, "pen", **options)
            return "refused"

    play = Play(Odd, local_activities=NEARBY)
    play.begin()
    assert play.result == "refused"
    assert not any(isinstance(intent, CancelLocalActivity) for intent in play.activities.values())
