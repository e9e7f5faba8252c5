"""Steps of a saga, and what undoes them, that wait for a person."""

from __future__ import annotations

from dalsegno import workflow
from dalsegno.actors.workflow_actor.interface.commands import Cancel
from dalsegno.policies import WorkflowStatus
from tests.workflow_actor.compensation.desk import ONCE, Desk, book, unbook
from tests.workflow_actor.incidents.shop import complete, settle
from tests.workflow_actor.rig import CALLER
from tests.workflow_actor.town import Town


@workflow.defn
class Tour:
    """What cannot be undone waits for a person."""

    @workflow.run
    async def run(self, stops: list[str]) -> str:
        async with workflow.saga() as saga:
            for stop in stops:
                await saga.do(
                    book,
                    stop,
                    undo=unbook,
                    undo_options={"on_exhausted": "pause", "retry_policy": ONCE},
                    retry_policy=ONCE,
                )
        return "booked"


@workflow.defn
class PausingTour:
    """What cannot be booked waits for a person."""

    @workflow.run
    async def run(self, stops: list[str]) -> list[str]:
        async with workflow.saga() as saga:
            return [
                await saga.do(
                    book, stop, undo=unbook, retry_policy=ONCE, on_exhausted="pause", heartbeat_timeout=60
                )
                for stop in stops
            ]


@workflow.defn
class SignedTour:
    @workflow.run
    async def run(self, booked: list[str]) -> None:
        saga = workflow.saga()
        if booked:
            await saga.compensate()
            return
        stop = await saga.do(
            book, "a", undo=unbook, undo_options={"on_exhausted": "pause", "retry_policy": ONCE}
        )
        workflow.checkpoint([stop])


@workflow.defn
class SignedTourWithFallback:
    @workflow.run
    async def run(self, booked: list[str]) -> None:
        saga = workflow.saga()
        if booked:
            await saga.compensate()
            return
        undoing = workflow.fallback("fix_it", retry_policy=ONCE)
        stop = await saga.do(
            book, "a", undo=unbook, undo_options={"on_exhausted": undoing, "retry_policy": ONCE}
        )
        workflow.checkpoint([stop])


def test_an_undo_that_failed_for_good_is_tried_again_and_the_others_wait(passivating: bool) -> None:
    desk = Desk(full="c", stuck="b")
    town = Town(Tour, desk.activities, passivating=passivating)
    town.run(["a", "b", "c"])
    assert town.status is WorkflowStatus.COMPENSATING
    assert desk.undone == [("c", None), ("b", "B")]
    (incident,) = town.rig.instance.describe()["incidents"]
    assert incident["activity_type"] == "unbook"
    desk.stuck = ""
    town.send(settle(1, "retry"))
    assert desk.undone == [("c", None), ("b", "B"), ("b", "B"), ("a", "A")]
    assert town.status is WorkflowStatus.FAILED
    assert town.result is not None
    assert town.result.failure is not None
    assert town.result.failure.type != "CompensationError"


def test_an_undo_that_failed_for_good_is_skipped_and_the_others_go_on(passivating: bool) -> None:
    desk = Desk(full="c", stuck="b")
    town = Town(Tour, desk.activities, passivating=passivating)
    town.run(["a", "b", "c"])
    town.send(complete(1, None))
    assert desk.undone[-1] == ("a", "A")
    assert town.status is WorkflowStatus.FAILED
    assert town.rig.state.compensations == {}


def test_an_undo_that_a_person_gives_up_is_told_as_failed(passivating: bool) -> None:
    desk = Desk(full="c", stuck="b")
    town = Town(Tour, desk.activities, passivating=passivating)
    town.run(["a", "b", "c"])
    town.send(settle(1, "fail"))
    assert town.result is not None
    assert town.result.failure is not None
    assert town.result.failure.type == "CompensationError"
    (shown,) = town.rig.instance.describe()["compensations"]
    assert (shown["name"], shown["phase"]) == ("unbook", "failed")


def test_a_cancel_request_does_not_end_the_incident_of_an_undo(passivating: bool) -> None:
    desk = Desk(full="c", stuck="b")
    town = Town(Tour, desk.activities, passivating=passivating)
    town.run(["a", "b", "c"])
    town.send(Cancel(reason="enough", caller=CALLER))
    assert len(town.rig.state.incidents) == 1
    town.send(complete(1, None))
    assert desk.undone[-1] == ("a", "A")


def test_a_step_that_waits_for_a_person_undoes_nothing_until_that_has_it_fail(passivating: bool) -> None:
    desk = Desk(full="b")
    town = Town(PausingTour, desk.activities, passivating=passivating)
    town.run(["a", "b"])
    assert (town.status, desk.undone) == (WorkflowStatus.RUNNING, [])
    town.send(settle(1, "fail"))
    assert desk.undone == [("b", None), ("a", "A")]


def test_a_step_that_a_person_completes_is_undone_with_that_result(passivating: bool) -> None:
    desk = Desk(full="b")
    town = Town(PausingTour, desk.activities, passivating=passivating)
    town.run(["a", "b", "c"])
    desk.full = "c"
    town.send(complete(1, "by phone"))
    town.send(settle(2, "fail"))
    assert desk.undone == [("c", None), ("b", "by phone"), ("a", "A")]


def test_a_step_that_was_begun_anew_and_then_cancelled_unseen_is_undone_for_it_may_have_been_done_before(
    passivating: bool,
) -> None:
    desk = Desk(full="a")
    town = Town(PausingTour, desk.activities, passivating=passivating)
    town.run(["a"])
    town.rig.send(settle(1, "retry"))  # its task comes to nobody
    town.rig.settle()
    town.send(Cancel(reason="enough", caller=CALLER))
    assert town.status is WorkflowStatus.CANCELED
    assert desk.undone == [("a", None)]


def test_what_undoes_a_step_waits_for_a_person_also_behind_a_sign(passivating: bool) -> None:
    desk = Desk(stuck="a")
    town = Town(SignedTour, desk.activities, passivating=passivating)
    town.run([])
    assert len(town.rig.state.incidents) == 1
    town.send(complete(1, None))
    assert town.status is WorkflowStatus.COMPLETED


def test_what_undoes_a_step_falls_back_also_behind_a_sign_and_is_told_what_the_step_returned(
    passivating: bool,
) -> None:
    desk = Desk(stuck="a")
    fixed: list[object] = []
    fix_it = {"fix_it": lambda *args: fixed.append(args)}
    town = Town(SignedTourWithFallback, {**desk.activities, **fix_it}, passivating=passivating)
    town.run([])
    assert town.status is WorkflowStatus.COMPLETED
    assert fixed == [("a", "A")]
