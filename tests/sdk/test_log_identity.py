"""Loggers of a user's own say whose code speaks, and what was said before is not said again."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from dalsegno import activity, workflow
from dalsegno.log_identity import KEYS, IdentityFilter, add_identity, log_identity
from dalsegno.testing import WorkflowEnvironment

standard = logging.getLogger("shop")
structured = structlog.get_logger("shop")


@activity.defn
async def charge(cents: int) -> None:
    standard.warning("charged %d", cents)
    structured.warning("charged", cents=cents)


@activity.defn
def charge_in_a_thread(cents: int) -> None:
    standard.warning("charged %d", cents)


@workflow.defn
class Sale:
    @workflow.run
    async def run(self, cents: int) -> None:
        standard.warning("sold for %d", cents)
        structured.warning("sold", cents=cents)
        await workflow.execute_activity(charge, cents)
        await workflow.execute_activity(charge_in_a_thread, cents)

    @workflow.query
    def cents(self) -> int:
        standard.warning("asked")
        return 1


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler = Kept()
    handler.addFilter(IdentityFilter())
    standard.addHandler(handler)
    yield handler
    standard.removeHandler(handler)


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    before, said = structlog.get_config(), list[dict[str, Any]]()

    def keep(logger: object, name: str, line: Any) -> Any:
        if line.get("event") in ("sold", "charged"):
            said.append(dict(line))
        raise structlog.DropEvent

    structlog.configure(processors=[add_identity, keep])
    yield said
    structlog.configure(**before)


async def test_a_line_has_the_identity_of_the_code_that_says_it(
    kept: Kept, lines: list[dict[str, Any]]
) -> None:
    async with (
        await WorkflowEnvironment.start_time_skipping() as env,
        env.worker(workflows=[Sale], activities=[charge, charge_in_a_thread]),
    ):
        handle = await env.client.start_workflow(Sale.run, 5, id="s-1")
        await handle.result()
        run_id = handle.run_id
        await handle.query(Sale.cents)  # of a run that has ended: its code runs again
    told = [(record.getMessage(), *(getattr(record, key) for key in KEYS)) for record in kept.records]
    run = ("s-1", run_id, "Sale")
    assert told == [
        ("sold for 5", *run, "", "", ""),
        ("charged 5", *run, "1", "charge", 1),
        ("charged 5", *run, "2", "charge_in_a_thread", 1),
        ("asked", *run, "", "", ""),
    ]
    assert [(line["event"], line["workflow_id"], line.get("activity_type")) for line in lines] == [
        ("sold", "s-1", None),
        ("charged", "s-1", "charge"),
    ]


def test_outside_of_workflows_and_activities_there_is_nothing_to_say(kept: Kept) -> None:
    standard.warning("elsewhere")
    [record] = kept.records
    assert log_identity() == {}
    assert {getattr(record, key) for key in KEYS} == {""}
    assert add_identity(None, "info", {"event": "x", "run_id": "mine"}) == {"event": "x", "run_id": "mine"}
