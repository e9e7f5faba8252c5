"""A client as a process of its own, to be killed: it starts a workflow and waits for its result.

Started again with the same arguments it asks the same, with the same message ID.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from dalsegno.broker.url import open_broker
from dalsegno.client import Client
from tests.crash.programs import RECORD_VARIABLE, Chain
from tests.crash.recorder import Recorder

LENGTH = 3


def main(arguments: Sequence[str]) -> int:
    broker, workflow_id, message_id = arguments
    asyncio.run(_call(broker, workflow_id, message_id))
    return 0


async def _call(broker: str, workflow_id: str, message_id: str) -> None:
    recorder = Recorder(Path(os.environ[RECORD_VARIABLE]))
    async with Client(open_broker(broker), timeout=60.0) as client:
        recorder.note("caller", "invoke", workflow_id=workflow_id)
        handle = await client.start(Chain.run, LENGTH, id=workflow_id, message_id=message_id)
        result = await handle.result()
        recorder.note("caller", "ok", workflow_id=workflow_id, result=result)
