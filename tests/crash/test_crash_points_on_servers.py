"""Some of the named points, on RabbitMQ and PostgreSQL with two hosts. `script/crash` has them all."""

from __future__ import annotations

import os
import secrets

import pytest

from tests.crash.points import BY_NAME
from tests.crash.runner import plan
from tests.crash.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.postgres, pytest.mark.timeout(120)]

STAGE = "servers"
SEED = os.environ.get("CRASH_SEED") or secrets.token_hex(4)
NAMES = [
    "delivered",
    "decided",
    "before-commit",
    "commit-unanswered",
    "committed",
    "half-published",
    "confirm-unread",
    "all-confirmed",
    "timer-fired",
    "snapshot-committed",
    "lease-taken",
    "consuming",
    "handing-over",
    "channel-closed",
    "run-opened",
    "gone-on",
    "child-unrecorded",
    "child-ended",
    "update-unanswered",
    "local-work-done",
    "dead-lettered",
    "side-effect-done",
    "result-confirmed",
    "start-confirmed",
]


@pytest.mark.parametrize("name", NAMES)
async def test_everything_ends_once_whoever_dies_at(stage: Stage, name: str) -> None:
    print(f"CRASH_SEED={SEED}")
    kill, chance = plan(SEED, 0, BY_NAME[name])
    assert await stage.kill(kill, chance) == [], f"{kill}"
