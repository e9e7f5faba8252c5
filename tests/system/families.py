"""Parents and children, for the tests of child workflows, on any stack."""

from __future__ import annotations

import asyncio
from typing import Any

from dalsegno import ApplicationError, ChildWorkflowError, WorkflowAlreadyStartedError, workflow
from dalsegno.workflow import ChildWorkflowCancellationType, ParentClosePolicy


@workflow.defn
class Shipment:
    """Ends as it is told to by a signal, or at once by its argument."""

    def __init__(self) -> None:
        self.word: str | None = None
        self.heard: list[str] = []

    @workflow.run
    async def run(self, how: str) -> list[str]:
        if how == "fail":
            raise ApplicationError("no stock", type="OutOfStock")
        if how == "wait":
            try:
                await workflow.wait_condition(lambda: self.word is not None)
            except asyncio.CancelledError:
                if self.word == "stubborn":
                    return ["stubborn"]
                raise
        parent, root = workflow.info().parent, workflow.info().root
        return [how, *self.heard, parent.workflow_id if parent else "", root.workflow_id if root else ""]

    @workflow.signal
    def hear(self, word: str) -> None:
        self.heard.append(word)

    @workflow.signal
    def end(self, word: str) -> None:
        self.word = word


@workflow.defn
class Order:
    """Its parent, in as many ways as there are."""

    def __init__(self) -> None:
        self.may_end = False

    @workflow.signal
    def end(self) -> None:
        self.may_end = True

    @workflow.run
    async def run(self, what: str, child_id: str) -> Any:
        return await getattr(self, what)(child_id)

    async def execute(self, child_id: str) -> Any:
        return await workflow.execute_child_workflow(Shipment.run, "at once", id=child_id)

    async def fail(self, child_id: str) -> Any:
        return await workflow.execute_child_workflow(Shipment.run, "fail", id=child_id)

    async def taken(self, child_id: str) -> Any:
        try:
            await workflow.start_child_workflow(Shipment.run, "wait", id=child_id)
        except WorkflowAlreadyStartedError as error:
            return [error.workflow_id, error.run_id]

    async def talk(self, child_id: str) -> Any:
        child = await workflow.start_child_workflow(Shipment.run, "wait", id=child_id)
        await child.signal(Shipment.hear, "one")
        await child.signal("hear", args=["two"])
        await child.signal(Shipment.end, "end")
        return [child.first_execution_run_id, *await child]

    async def cancel(self, child_id: str) -> Any:
        child = await workflow.start_child_workflow(Shipment.run, "wait", id=child_id)
        child.cancel()
        try:
            await child
        except ChildWorkflowError as error:
            return [type(error.cause).__name__, error.workflow_id, error.workflow_type]

    async def wait_for_all(self, child_id: str) -> Any:
        children = [
            workflow.execute_child_workflow(Shipment.run, f"n{number}", id=f"{child_id}-{number}")
            for number in range(20)
        ]
        return sorted([result[0] for result in await asyncio.gather(*children)])

    async def leave(self, child_id: str) -> Any:
        for policy in ParentClosePolicy:
            await workflow.start_child_workflow(
                Shipment.run, "wait", id=f"{child_id}-{policy}", parent_close_policy=policy
            )
        await workflow.wait_condition(lambda: self.may_end)

    async def leave_at_once(self, child_id: str) -> Any:
        for policy in ParentClosePolicy:
            starting = workflow.start_child_workflow(
                Shipment.run, "wait", id=f"{child_id}-{policy}", parent_close_policy=policy
            )
            asyncio.create_task(starting)  # noqa: RUF006 - it is to be left alone
        await asyncio.sleep(0)

    async def try_cancel(self, child_id: str) -> Any:
        return await workflow.execute_child_workflow(
            Shipment.run, "wait", id=child_id, cancellation_type=ChildWorkflowCancellationType.TRY_CANCEL
        )

    async def speak_to(self, other_id: str) -> Any:
        other = workflow.get_external_workflow_handle_for(Shipment.run, other_id)
        await other.signal(Shipment.hear, "from outside")
        await other.signal(Shipment.end, "end")
        return await other.result()

    async def stop(self, other_id: str) -> Any:
        other = workflow.get_external_workflow_handle(other_id)
        await other.cancel(reason="not needed")
        return await other.result()

    async def result_of(self, other_id: str) -> Any:
        return await workflow.get_external_workflow_handle_for(Shipment.run, other_id).result()

    async def speak_to_itself(self, _: str) -> Any:
        await workflow.get_external_workflow_handle(workflow.info().workflow_id).signal(Order.end)
        await workflow.wait_condition(lambda: self.may_end)
        return "ended"
