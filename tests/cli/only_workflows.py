"""A module without activities."""

from __future__ import annotations

from dalsegno import workflow


@workflow.defn
class Alone:
    @workflow.run
    async def run(self) -> str:
        return "alone"
