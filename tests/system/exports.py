"""Workflows that are cancelled while their work is done: by a worker of ours, or by that of docs/protocol.md,
which knows JSON and AMQP alone."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from dalsegno import RetryPolicy, activity, workflow
from dalsegno.workflow import ActivityCancellationType

TASK_QUEUE = "exports"


@workflow.defn
class Exports:
    """`heartbeat_seconds` makes it early work; its worker is waited for when it is cancelled."""

    @workflow.run
    async def run(self, pages: int, seconds: float, heartbeat_seconds: float | None) -> str:
        result: str = await workflow.execute_activity(
            "export",
            args=[pages, seconds],
            task_queue=TASK_QUEUE,
            start_to_close_timeout=60,
            heartbeat_timeout=heartbeat_seconds,
            retry_policy=RetryPolicy(initial_interval=0.2, maximum_attempts=3),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        return result


CHARGE_SECONDS = 0.5


def account() -> Path:
    """Where charges are booked, beside the ledger of the stack."""
    return Path(os.environ["ORDERS_LEDGER"]).with_name("charges")


def book(line: str) -> None:
    with account().open("a") as file:
        file.write(line + "\n")


@activity.defn
def charge(what: str) -> str:
    """Cannot be stopped, and is over before it announces itself."""
    book(f"begun {what}")
    time.sleep(CHARGE_SECONDS)
    book(f"made {what}")
    return what


@workflow.defn
class Saga:
    """Makes a charge that takes its time, and refunds what it knows was made."""

    def __init__(self) -> None:
        self.refunded: list[str] = []

    @workflow.run
    async def run(self) -> None:
        made: list[str] = []
        try:
            for number in range(3):
                receipt = await workflow.execute_activity(
                    charge,
                    f"{workflow.info().workflow_id} {number}",
                    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                )
                made.append(receipt)
        except asyncio.CancelledError:
            self.refunded = made
            raise

    @workflow.query
    def knows_of(self) -> list[str]:
        return self.refunded
