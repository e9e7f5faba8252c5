"""A workflow that ends at once, and one that starts many of it and awaits them all; one that takes signals and
updates."""

from __future__ import annotations

import asyncio

from dalsegno import workflow


@workflow.defn
class Leaf:
    @workflow.run
    async def run(self, payload: str) -> str:
        return payload


@workflow.defn
class Family:
    @workflow.run
    async def run(self, payload: str, children: int) -> int:
        ended = await asyncio.gather(
            *(workflow.execute_child_workflow(Leaf.run, payload) for _ in range(children))
        )
        return len(ended)


@workflow.defn
class Counter:
    def __init__(self) -> None:
        self.count = 0

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.count < 0)

    @workflow.signal
    def told(self, by: int) -> None:
        self.count += by

    @workflow.update
    def add(self, by: int) -> int:
        self.count += by
        return self.count
