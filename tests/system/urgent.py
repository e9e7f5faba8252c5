"""Workflows whose work is more urgent than that of others, and activities that say how urgent they are."""

from __future__ import annotations

import asyncio

from dalsegno import Priority, activity, workflow

QUEUE = "work"


@activity.defn
async def urgency() -> int | None:
    return activity.info().priority.priority_key


@workflow.defn
class Work:
    """Runs the activity `work` for each of the names, all at once."""

    @workflow.run
    async def run(self, names: list[str]) -> list[str]:
        works = (workflow.execute_activity("work", name, result_type=str) for name in names)
        return list(await asyncio.gather(*works))


@workflow.defn
class Inherits:
    """What it is told of its own urgency, its activities, a child, and the run that follows."""

    @workflow.run
    async def run(self, depth: int, told: list[int | None]) -> list[int | None]:
        told = [*told, workflow.info().priority.priority_key, await workflow.execute_activity(urgency)]
        if depth == 0:
            return told
        if depth == 1:
            workflow.continue_as_new(args=[0, told])
        told.append(await workflow.execute_activity(urgency, priority=Priority(5)))
        told.append(await workflow.execute_activity(urgency, priority=Priority(priority_key=3)))
        told += await workflow.execute_child_workflow(Inherits.run, args=[0, []])
        told += await workflow.execute_child_workflow(Inherits.run, args=[0, []], priority=Priority(4))
        return workflow.continue_as_new(args=[1, told])
