"""W3 for the engine: three activities that echo 100 bytes, one after the other, in a worker or in the host."""

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


@workflow.defn
class W3Local:
    @workflow.run
    async def run(self, payload: str) -> str:
        for _ in range(3):
            payload = await workflow.execute_local_activity(echo, payload, start_to_close_timeout=60)
        return payload
