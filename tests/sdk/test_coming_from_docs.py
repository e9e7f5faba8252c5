"""The programs of docs/coming-from.md run."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dalsegno import ApplicationError, workflow
from tests.workflow_actor.program.play import Play

PAGE = Path(__file__).parents[2] / "docs" / "coming-from.md"


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """A module made of all that is ours, in order."""
    module = sys.modules["coming_from"] = ModuleType("coming_from")
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), vars(module))
    yield module
    del sys.modules["coming_from"]


def test_an_order_is_charged_approved_and_shipped(page: Any) -> None:
    play = Play(page.Order)
    play.begin("7")
    play.resolve(1, "receipt")
    assert not play.activities
    play.signal("approve")
    play.resolve(2, "7 is on its way")
    assert play.result == "7 is on its way"
    play.replayed()


def test_the_money_of_an_order_that_cannot_be_shipped_goes_back(page: Any) -> None:
    play = Play(page.Order)
    play.begin("7")
    play.resolve(1, "receipt")
    play.signal("approve")
    play.fail(2, ApplicationError("no truck"))
    [(number, refund)] = play.activities.items()
    assert [arg.data for arg in refund.args] == [b'"7"', b'"receipt"']
    play.resolve(number)
    assert play.failure.cause.message == "no truck"


def test_the_reports_of_all_shops_are_made_side_by_side(page: Any) -> None:
    play = Play(page.Reports)
    play.begin()
    play.resolve(1, ["north", "south"])
    assert len(play.activities) == 2
    play.run(lambda activity: "a report" if activity.activity_type == "report" else None)
    assert play.result == 2


def test_every_name_of_ours_that_the_page_mentions_exists() -> None:
    ours = re.sub(r"```python theirs\n.*?```", "", PAGE.read_text(), flags=re.DOTALL)
    names = set(re.findall(r"workflow\.([a-z_]+[a-z])\b", ours))
    assert {name for name in names if not hasattr(workflow, name)} == set()
