"""`dalsegno workflow update ...`: an update, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from dalsegno.cli.asking import ask, values
from dalsegno.cli.output import print_json
from dalsegno.client import Client, NoAnswerError
from dalsegno.data_converter import DataConverter
from dalsegno.policies import WorkflowUpdateStage


def update(
    broker: str,
    timeout: float,
    workflow_id: str,
    run_id: str | None,
    name: str,
    inputs: Sequence[str],
    update_id: str | None,
    wait: str,
    *,
    converter: DataConverter,
) -> None:
    """What its handler returned; its ID, where that is not waited for. All within `timeout` seconds."""
    arguments, stage = values(inputs), WorkflowUpdateStage(wait)

    async def send(client: Client) -> Any:
        workflow = client.get_workflow_handle(workflow_id, run_id)
        async with _within(timeout, f"Update {name!r} of workflow {workflow_id!r}"):
            handle = await workflow.start_update(name, *arguments, id=update_id, wait_for_stage=stage)
            if stage is WorkflowUpdateStage.ACCEPTED:
                return {"workflow_id": workflow_id, "run_id": handle.workflow_run_id, "update_id": handle.id}
            return await handle.result()

    print_json(ask(broker, timeout, send, converter))


def update_result(
    broker: str,
    timeout: float,
    workflow_id: str,
    run_id: str | None,
    update_id: str,
    *,
    converter: DataConverter,
) -> None:
    async def wait(client: Client) -> Any:
        handle = client.get_workflow_handle(workflow_id, run_id).get_update_handle(update_id)
        return await handle.result(timeout=timeout)

    print_json(ask(broker, timeout, wait, converter))


@asynccontextmanager
async def _within(seconds: float, what: str) -> AsyncIterator[None]:
    """Raises NoAnswerError, in words."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        if isinstance(error, NoAnswerError):
            raise
        raise NoAnswerError(
            f"{what} has not come so far within {seconds:g} s. It goes on all the same."
        ) from None
