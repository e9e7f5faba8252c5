"""W3 for the engine: three sequential activities that echo 100 bytes, in a worker process of their own."""

from __future__ import annotations

from dalsegno import activity, workflow


@activity.defn
async def echo(payload: str) -> str:
    return payload


@workflow.defn
class W3:
    @workflow.run
    async def run(self, payload: str) -> str:
        for _ in range(3):
            payload = await workflow.execute_activity(echo, payload, start_to_close_timeout=60)
        return payload
