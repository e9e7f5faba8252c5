"""The worker of docs/protocol.md, which knows a broker and JSON, does what a host of ours asks of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.protocol.test_walkthrough import PROGRAMS
from tests.servers import wait_until
from tests.system.bare import Bare
from tests.system.conftest import SERVERS, StackFactory
from tests.system.exports import TASK_QUEUE
from tests.system.stack import Stack

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgres]

EARLY, LATE = 1.5, None
"""What `Exports` makes of its heartbeat timeout."""


@pytest.fixture(scope="module")
def stack(stack_on: StackFactory) -> Iterator[Stack]:
    flags = ["--json-task-queue", TASK_QUEUE]
    with stack_on(SERVERS, modules=["tests.system.exports"], workers=0, host_flags=flags) as stack:
        yield stack


@pytest.fixture
def bare(stack: Stack) -> Iterator[Bare]:
    with Bare(stack.broker) as bare:
        yield bare


@contextmanager
def worker(stack: Stack) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAMS["early"]], env=os.environ | {"AMQP_URL": stack.broker}
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def pending(bare: Bare, workflow_id: str) -> dict[str, Any]:
    described = bare.ask("workflow.describe", {"workflow_id": workflow_id})["description"]
    (activity,) = described["pending_activities"]
    told: dict[str, Any] = activity
    return told


def result(bare: Bare, message_id: str) -> dict[str, Any]:
    return bare.reply(message_id, "result")


@pytest.mark.parametrize("kind", [EARLY, LATE])
def test_it_does_early_and_late_work(stack: Stack, bare: Bare, kind: float | None) -> None:
    with worker(stack):
        begun = bare.start("Exports", f"done-{kind}", 3, 0.01, kind)
        assert result(bare, begun)["result"] == "3 pages"


@pytest.mark.parametrize("kind", [EARLY, LATE])
def test_it_stops_what_is_cancelled_and_serves_on(stack: Stack, bare: Bare, kind: float | None) -> None:
    with worker(stack):
        name = f"cancelled-{kind}"
        begun = bare.start("Exports", name, 100_000, 0.01, kind)
        wait_until(lambda: pending(bare, name)["state"] == "started", 30, "it says that it works")
        assert "error" not in bare.ask("workflow.cancel", {"workflow_id": name})
        assert result(bare, begun)["status"] == "canceled"
        assert result(bare, bare.start("Exports", f"after-{name}", 1, 0.01, kind))["result"] == "1 pages"


def test_what_its_death_has_cut_off_is_done_by_the_next(stack: Stack, bare: Bare) -> None:
    with worker(stack) as first:
        begun = bare.start("Exports", "progress", 300, 0.02, EARLY)
        wait_until(lambda: bool(pending(bare, "progress").get("last_heartbeat_at")), 30, "a heartbeat")
        first.kill()
        first.wait()
    wait_until(lambda: pending(bare, "progress")["attempt"] == 2, 30, "the next attempt")
    with worker(stack):
        assert result(bare, begun)["result"] == "300 pages"
