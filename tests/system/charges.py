"""Orders whose charge waits for a person once its attempts are exhausted. While a file is there, the bank is
closed."""

from __future__ import annotations

from pathlib import Path

from dalsegno import ApplicationError, RetryPolicy, activity, workflow

ONCE = RetryPolicy(maximum_attempts=1)


@activity.defn
def charge(closed: str) -> int:
    if Path(closed).exists():
        raise ApplicationError("the bank is closed", type="Closed")
    return 30


@activity.defn
async def give_back(closed: str, charged: int | None) -> None:
    raise ApplicationError("no such account", type="NoAccount")


@activity.defn
async def deliver(closed: str) -> None:
    raise ApplicationError("no such street", non_retryable=True)


@workflow.defn
class Charged:
    @workflow.run
    async def run(self, closed: str) -> int:
        return await workflow.execute_activity(charge, closed, retry_policy=ONCE, on_exhausted="pause")


@workflow.defn
class Delivered:
    """What was charged cannot be given back: a person sees to it."""

    @workflow.run
    async def run(self, closed: str) -> None:
        async with workflow.saga() as saga:
            undoing = workflow.ActivityOptions(retry_policy=ONCE, on_exhausted="pause")
            await saga.do(charge, closed, undo=give_back, undo_options=undoing, retry_policy=ONCE)
            await workflow.execute_activity(deliver, closed)
