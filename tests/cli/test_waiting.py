"""What who waits for a result is told meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from dalsegno.broker.protocol.messages import Description
from dalsegno.broker.protocol.replies import OpenIncident
from dalsegno.cli import waiting
from dalsegno.policies import WorkflowStatus


class Handle:
    id = "order-1"
    suspended_reason = None

    def __init__(self, *seen: Description) -> None:
        self._seen = list(seen)

    async def describe(self, *, timeout: float | None = None) -> Description:
        return self._seen.pop(0)


def described(run_id: str, *numbers: int) -> Description:
    return Description(
        workflow_id="order-1",
        run_id=run_id,
        workflow_type="Order",
        task_queue="default",
        status=WorkflowStatus.RUNNING,
        sequence=1,
        started_at=0,
        incidents=tuple(
            OpenIncident(
                number=number,
                activity_id="1",
                activity_type="charge",
                task_queue="default",
                attempts=3,
                opened_at=0,
            )
            for number in numbers
        ),
    )


async def test_each_incident_is_told_once_also_of_the_run_that_follows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    handle: Any = Handle(described("run-1", 1), described("run-1", 1, 2), described("run-2", 1))
    watch = waiting._Watch(handle)
    told = []
    for _ in range(3):
        assert await watch._look()
        watch._tell()
        told.append([line.partition(", charge")[0] for line in capsys.readouterr().err.splitlines()])
    assert told == [[f"order-1 waits for a person: incident {number}"] for number in (1, 2, 1)]
