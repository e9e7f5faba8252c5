"""An activity that ends its worker's process, harmless ones beside it, and one that goes on until it is let."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from dalsegno import ActivityError, RetryPolicy, activity, workflow

EXIT_CODE = 33
HARMLESS_SECONDS = 0.5
SOON = RetryPolicy(initial_interval=0.2, backoff_coefficient=1)


def book(line: str) -> None:
    """Beside the ledger of the stack."""
    with Path(os.environ["ORDERS_LEDGER"]).with_name("begun").open("a") as file:
        file.write(line + "\n")


def is_let() -> bool:
    return Path(os.environ["SYSTEM_TRAP"]).exists()


@activity.defn
async def poison() -> None:
    book(f"poison {activity.info().attempt}")
    await asyncio.sleep(HARMLESS_SECONDS / 2)
    os._exit(EXIT_CODE)


@activity.defn
async def harmless(number: int) -> int:
    """The attempt that ended."""
    book(f"harmless {number}")
    await asyncio.sleep(HARMLESS_SECONDS)
    return activity.info().attempt


@activity.defn
async def until_let() -> int:
    """The attempt that ended."""
    book("until_let")
    while not is_let():  # noqa: ASYNC110 - the test lets it
        await asyncio.sleep(0.05)
    return activity.info().attempt


@workflow.defn
class Poisoned:
    """Ten harmless activities, a deadly one in their midst: their attempts, and how the deadly one ended."""

    @workflow.run
    async def run(self) -> tuple[list[int], str]:
        async def deadly() -> str:
            policy = RetryPolicy(non_retryable_error_types=["WorkerLost"])
            try:
                await workflow.execute_activity(poison, retry_policy=policy)
            except ActivityError as error:
                return type(error.__cause__).__name__
            return "it lived"

        async def one(number: int) -> int:
            return await workflow.execute_activity(harmless, number, retry_policy=SOON)

        first = [asyncio.ensure_future(one(number)) for number in range(5)]
        how = asyncio.ensure_future(deadly())
        rest = [asyncio.ensure_future(one(number)) for number in range(5, 10)]
        attempts = [await each for each in (*first, *rest)]
        return attempts, await how


@workflow.defn
class Patient:
    @workflow.run
    async def run(self) -> int:
        return await workflow.execute_activity(until_let, retry_policy=SOON)
