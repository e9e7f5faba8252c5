"""The examples of docs/writing-workflows.md are code that runs."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dalsegno import ApplicationError, workflow
from dalsegno.activity_code.registry import Registry
from dalsegno.actors.workflow_actor.children.events import ChildTold
from dalsegno.actors.workflow_actor.externals.events import ExternalTold
from dalsegno.actors.workflow_actor.run.intents import ContinueAsNew
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.definition import DEFINITION_ATTRIBUTE
from dalsegno.policies import WorkflowStatus
from tests.default_converter import to_payload
from tests.workflow_actor.program.play import Play
from tests.workflow_actor.town import Town

GUIDE = Path(__file__).parents[2] / "docs" / "writing-workflows.md"


@pytest.fixture(scope="module")
def guide() -> Iterator[Any]:
    """A module made of all examples, in order."""
    module = sys.modules["guide"] = ModuleType("guide")
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    for block in blocks:
        exec(compile(block, str(GUIDE), "exec"), vars(module))
    yield module
    del sys.modules["guide"]


def test_an_order_that_cannot_be_shipped_is_refunded(guide: Any) -> None:
    play = Play(guide.OrderWorkflow)
    play.begin(guide.Order("7", 2_000))
    assert play.query("is_approved") is False
    play.signal("approve")
    play.resolve(1, "receipt")
    play.fail(2, ApplicationError("no truck"))
    play.resolve(3)
    assert (play.digests[-1], play.failure.cause.message) == ("fail", "no truck")
    assert [d for d in play.digests if "activity" in d] == [
        "activity 1 charge",
        "activity 2 ship",
        "activity 3 refund",
    ]
    play.replayed()


def test_an_offer_asks_for_the_price_nearby(guide: Any) -> None:
    play = Play(guide.Offer, local_activities=Registry([guide.price_of]))
    play.begin("pen")
    play.resolve(1, 3)
    assert play.result == "pen: 3"
    assert play.digests[0] == "local activity 1 price_of"
    play.replayed()


def test_an_order_that_cannot_be_charged_is_shipped_and_waits_for_a_person_if_that_fails(guide: Any) -> None:
    play = Play(guide.Billed)
    play.begin(guide.Order("7", 2_000))
    play.fail(1, ApplicationError("declined"))
    assert play.digests == ["activity 1 charge", "activity 2 ship", "pause activity 2 when it is exhausted"]
    play.resolve(2, "by hand")
    assert play.result == "by hand"
    play.replayed()


def test_a_basket_is_updated_and_refuses_what_has_no_name(guide: Any) -> None:
    play = Play(guide.Basket)
    play.begin()
    play.update("add", "pen")
    play.update("add", "")
    play.update("close")
    assert play.outcomes == {"1": 1, "2": "an item has a name", "3": ["pen"]}
    assert play.result == ["pen"]


def test_a_subscription_sets_a_sign_each_month(guide: Any) -> None:
    play = Play(guide.SubscriptionWorkflow)
    play.begin(guide.Subscription("ann"))
    for month in (1, 2):
        play.signal("note", f"in month {month}")
        play.fire(month)
        play.resolve(month)
    recovered = play.replayed()
    for one in (play, recovered):
        one.signal("end")
        assert one.result == {"customer": "ann", "months_paid": 2, "notes": ["in month 1", "in month 2"]}
    assert guide.Subscription.migrate_state(1, {"days_paid": 61}) == {"months_paid": 2}


def test_a_journey_is_undone_backwards(guide: Any) -> None:
    play = Play(guide.Journey)
    play.begin(["train", "hotel"])
    play.resolve(1, "seat 7")
    play.fail(2, ApplicationError("full"))
    undone = []
    while not play.closed:
        [(number, activity)] = play.activities.items()
        undone.append([arg.data for arg in activity.args])
        play.resolve(number)
    assert undone == [[b'"hotel"', b"null"], [b'"train"', b'"seat 7"']]
    play.replayed()


def test_a_complaint_that_nobody_answers_in_working_time_is_escalated(guide: Any) -> None:
    """It comes on a Tuesday at eleven at night, so that sixteen hours are over when Thursday's work ends."""
    in_time, late = (Town(guide.Complaint, {"book": lambda what: what}) for _ in range(2))
    for town, hours in ((in_time, 41), (late, 60)):
        town.at(hours * 3600, Signal(name="answer", args=(to_payload("sorry"),)))
        assert town.run("ann") == "sorry"
    assert [args for _, args, _ in in_time.done] == []
    assert [args for _, args, _ in late.done] == [("somebody who has time",)]
    known = [town.rig.instance.describe()["deadlines"][0]["status"] for town in (in_time, late)]
    assert known == ["met", "met_late"]


def test_orders_are_shipped_side_by_side(guide: Any) -> None:
    play = Play(guide.Parallel)
    play.begin([guide.Order(str(number), 1) for number in range(3)])
    assert len(play.activities) == 3
    play.run(lambda activity: "shipped")
    assert play.result == ["shipped"] * 3


def test_more_orders_than_one_step_may_ship_are_shipped_in_portions(guide: Any) -> None:
    play = Play(guide.InPortions)
    play.begin([guide.Order(str(number), 1) for number in range(1_001)])
    assert len(play.activities) == 1_000
    for number in range(1, 1_001):
        play.resolve(number, "shipped")
    assert list(play.activities) == [1_001]


def test_a_packed_order_says_so_in_its_memo_and_in_words(guide: Any) -> None:
    play = Play(guide.Packing, memo={"draft": True})
    play.begin(guide.Order("7", 1))
    assert play.digests == ["upsert memo stage, draft", "activity 1 ship"]
    assert play.program.details == "order 7 waits for the courier"


def test_a_mailbox_goes_on_as_another_run_with_what_it_has_counted(guide: Any) -> None:
    play = Play(guide.Mailbox)
    play.begin(200)
    for number in range(100):
        play.signal("letter", str(number))
    goes_on = play.intents[-1]
    assert isinstance(goes_on, ContinueAsNew)
    assert [payload.data for payload in goes_on.args] == [b"300"]


def test_what_was_charged_is_refunded_where_its_delivery_is_cancelled(guide: Any) -> None:
    play = Play(guide.Delivery)
    play.begin(guide.Order("7", 1))
    play.resolve(1, "receipt")
    play.cancel("the customer")
    assert play.digests[-2:] == ["cancel activity 2", "activity 3 refund"]
    play.resolve(3)
    assert play.digests[-1] == "canceled"
    play.replayed()


def test_a_consignment_is_of_children_that_run_side_by_side(guide: Any) -> None:
    play = Play(guide.Consignment)
    play.begin([guide.Order("7", 1), guide.Order("8", 1)])
    completed, shipped = WorkflowStatus.COMPLETED, to_payload("shipped")
    for number in (1, 2):
        play.give(ChildTold(number=number, run_id=f"run-{number}"))
    assert play.digests == ["child 1 Shipment shipment-7", "child 2 Shipment shipment-8"]
    for number in (2, 1):
        play.give(ChildTold(number=number, run_id=f"run-{number}", status=completed, result=shipped))
    assert play.result == ["shipped"] * 2
    play.replayed()


def test_a_reminder_reaches_another_workflow_and_awaits_its_end(guide: Any) -> None:
    play = Play(guide.Reminder)
    play.begin("subscription-7")
    play.give(ExternalTold(number=1))
    assert len(play.intents) == 2
    state = guide.Subscription("ann", months_paid=2)
    play.give(ExternalTold(number=2, status=WorkflowStatus.COMPLETED, result=to_payload(state)))
    assert play.result["months_paid"] == 2
    play.replayed()


def test_every_workflow_of_the_guide_is_played_here(guide: Any) -> None:
    """But for what only prints, what is started as a child, and what takes all types."""
    ours = {name for name, one in vars(guide).items() if hasattr(one, DEFINITION_ATTRIBUTE)}
    played = set(re.findall(r"guide\.(\w+)", Path(__file__).read_text()))
    assert ours - played == {"Measured", "Shipment", "AnyWorkflow"}


def test_every_name_that_the_guide_mentions_exists() -> None:
    names = set(re.findall(r"workflow\.([a-z_]+[a-z])\b(?!\.md)", GUIDE.read_text()))
    assert {name for name in names if not hasattr(workflow, name)} == set()
