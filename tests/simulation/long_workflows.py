"""The user code that is simulated where runs are tried again and run out of time, activities wait for a person,
and deadlines are set. As in `workflows`, what each comes to depends on its arguments alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from dalsegno import ApplicationError, workflow
from dalsegno.policies import RetryPolicy
from tests.simulation.long_leaves import NAMED
from tests.simulation.whole_workflows import Program
from tests.simulation.workflows import ATTEMPT, LONG_SECONDS, Tree, act

TRIES_OF_WORK = RetryPolicy(initial_interval=0.2, maximum_attempts=2)
SOON = timedelta(seconds=1)
IN_THE_END = timedelta(seconds=LONG_SECONDS)


def tries(attempts: int) -> RetryPolicy:
    """Of runs. 0: for ever."""
    return RetryPolicy(
        initial_interval=0.2,
        maximum_interval=2.0,
        maximum_attempts=attempts,
        non_retryable_error_types=[NAMED],
    )


@workflow.defn
class Retried:
    """It fails that often, and then says how often it was tried."""

    @workflow.run
    async def run(self, fails: int, how: str) -> int:
        attempt = await act("add", workflow.info().attempt, 0)
        if attempt > fails:
            return int(attempt)
        match how:
            case "raise":
                raise ApplicationError("not yet", type="NotYet")
            case "for good":
                raise ApplicationError("for good", non_retryable=True)
            case "named":
                raise ApplicationError("as its policy has it", type=NAMED)
        await asyncio.sleep(LONG_SECONDS)
        raise AssertionError("it runs out of time before")


@workflow.defn
class Missing:
    """It misses its deadline and fails, unless that is met when it is overdue."""

    def __init__(self) -> None:
        self.is_saved = False

    @workflow.run
    async def run(self, may_be_saved: bool) -> str:
        def save() -> None:
            if may_be_saved:
                deadline.met()
                self.is_saved = True

        deadline = workflow.deadline("to be missed", SOON / 2, on_overdue=save, if_overdue="fail")
        await workflow.wait_condition(lambda: self.is_saved)
        return "saved"


@workflow.defn
class LongProgram(Program):
    """Trees of everything, and of `long_leaves`."""

    @workflow.run
    async def run(  # type: ignore[override]
        self, trees: list[Tree], results: list[Any] | None = None, pokes: int = 0
    ) -> Any:
        return await super().run(trees, results, pokes)

    async def do(self, tree: Tree) -> Any:
        kind, *rest = tree
        match kind:
            case "retried child":
                fails, attempts, how = rest
                return await workflow.execute_child_workflow(
                    "Retried", args=[fails, how], retry_policy=tries(attempts)
                )
            case "timed child":
                which, attempts = rest
                limit: Any = {f"{which}_timeout": SOON}
                return await workflow.execute_child_workflow(
                    "Retried", args=[attempts, "hang"], retry_policy=tries(attempts), **limit
                )
            case "incident":
                return await workflow.execute_activity(
                    "repair",
                    args=[*rest],
                    start_to_close_timeout=ATTEMPT,
                    retry_policy=TRIES_OF_WORK,
                    on_exhausted="pause",
                )
            case "deadline":
                return await self._deadline(*rest)
            case "missing child":
                return await workflow.execute_child_workflow("Missing", rest[0])
        return await super().do(tree)

    async def _deadline(self, is_late: bool, name: str) -> list[str]:
        told: list[str] = []
        due = SOON if is_late else IN_THE_END
        deadline = workflow.deadline(name, due, warn_before=due / 2, on_overdue=lambda: told.append("overdue"))
        await asyncio.sleep(3 if is_late else 0.5)
        deadline.met()
        return [*told, deadline.status.value]


LONG_WORKFLOWS: tuple[type, ...] = (LongProgram, Retried, Missing)
