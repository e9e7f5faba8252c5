"""What a client makes of an update that is only admitted at first: its workflow's code could not be run."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dalsegno import WorkflowUpdateFailedError
from dalsegno.broker.protocol.messages import AwaitUpdate, Reply, ReplyError, UpdateWorkflow
from dalsegno.client import Client
from dalsegno.errors import ApplicationError
from dalsegno.failure import Failure
from dalsegno.policies import WorkflowUpdateStage
from tests.client.fake_host import FakeHost

ADMITTED = Reply(kind="answer", workflow_id="w", run_id="r", update_id="u", update_stage="admitted")
REFUSED = Reply(
    kind="answer",
    failure=Failure(message="an item has a name", type="Nameless"),
    error=ReplyError(code="update_rejected", message="the update 'add' was refused: an item has a name"),
)


async def test_one_that_is_refused_later_is_told_as_that(client: Client, host: FakeHost) -> None:
    """To ask for it would be in vain: what is refused leaves nothing."""
    host.scripts[UpdateWorkflow] = lambda _: [ADMITTED, REFUSED]
    with pytest.raises(WorkflowUpdateFailedError, match="an item has a name") as refused:
        await client.get_workflow_handle("w").execute_update("add", "", id="u")
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "Nameless"
    assert host.of(AwaitUpdate) == []


async def test_one_that_is_completed_when_it_is_handled_need_not_be_asked_for(
    client: Client, host: FakeHost
) -> None:
    """It was kept while its workflow could not be run, and is answered a second time."""
    host.scripts[UpdateWorkflow] = lambda _: [ADMITTED, replace(ADMITTED, update_stage="completed")]
    assert await client.get_workflow_handle("w").execute_update("add", "pen", id="u") is None
    assert host.of(AwaitUpdate) == []


async def test_one_whose_partition_moves_is_asked_for(client: Client, host: FakeHost) -> None:
    moved = Reply(kind="answer", error=ReplyError(code="moved", message="ask again"))
    told = Reply(kind="update", workflow_id="w", run_id="r", update_id="u", update_stage="accepted")
    host.scripts[UpdateWorkflow] = lambda _: [ADMITTED, moved]
    host.scripts[AwaitUpdate] = lambda _: [told]
    stage = WorkflowUpdateStage.ACCEPTED
    handle = await client.get_workflow_handle("w").start_update("add", "", id="u", wait_for_stage=stage)
    assert handle.workflow_run_id == "r"
    assert [asked.run_id for asked in host.of(AwaitUpdate)] == ["r"]
