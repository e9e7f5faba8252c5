"""The user code that is simulated where the whole language may be spoken. As in `workflows`, what each comes to
depends on its arguments and on what it is sent alone."""

from __future__ import annotations

import asyncio
from typing import Any

from dalsegno import ActivityError, ApplicationError, ChildWorkflowError, workflow
from dalsegno.workflow import ChildWorkflowCancellationType, ParentClosePolicy
from tests.simulation.activities import FOR_GOOD
from tests.simulation.workflows import ATTEMPT, PATIENT, RandomTree, Tree, act

LEFT_SECONDS = 15
"""So long a program waits to be cancelled, if nobody does it."""


@workflow.defn
class Desk:
    """Items come as signals and as updates, and each is filed once: that is the result."""

    def __init__(self) -> None:
        self.items: list[int] = []
        self.finished = False

    @workflow.run
    async def run(self) -> list[int]:
        await workflow.wait_condition(lambda: self.finished and workflow.all_handlers_finished())
        return sorted(self.items)

    @workflow.signal
    def note(self, item: int) -> None:
        self.items.append(item)

    @workflow.signal
    def finish(self) -> None:
        self.finished = True

    @workflow.update
    def put(self, item: int) -> int:
        self.items.append(item)
        return item

    @put.validator
    def positive(self, item: int) -> None:
        if item < 0:
            raise ValueError("it is negative")

    @workflow.update
    async def work(self, item: int) -> int:
        """It takes an activity, and a while."""
        self.items.append(await act("add", item, 0))
        await asyncio.sleep(0.05)
        return item

    @workflow.update
    async def fail(self, item: int) -> None:
        await asyncio.sleep(0)
        self.items.append(item)
        raise ApplicationError("on purpose", type="OnPurpose")


@workflow.defn
class Program(RandomTree):
    """Trees of everything, one in each run of a chain; `whole_oracle` says what comes out of them."""

    @workflow.run
    async def run(  # type: ignore[override]
        self, trees: list[Tree], results: list[Any] | None = None, pokes: int = 0
    ) -> Any:
        self.signals += pokes
        results = [*(results or ()), await self.do(trees[0])]
        if len(trees) > 1:
            workflow.continue_as_new(trees[1:], results, self.signals)
        return results

    @workflow.update
    def nudge(self) -> int:
        self.signals += 1
        return self.signals

    async def do(self, tree: Tree) -> Any:
        kind, *rest = tree
        match kind:
            case "catch":
                try:
                    return await self.do(rest[0])
                except (ActivityError, ApplicationError, ChildWorkflowError) as error:
                    return f"caught {type(error).__name__}"
            case "local":
                return await workflow.execute_local_activity(
                    "flaky", rest[0], start_to_close_timeout=ATTEMPT, retry_policy=PATIENT
                )
            case "child":
                return await self._child(*rest)
            case "left":
                await self._start([rest[1]], parent_close_policy=ParentClosePolicy(rest[0]))
                return "left"
            case "cancelled child":
                return await self._cancelled_child(ChildWorkflowCancellationType(rest[0]))
            case "until cancelled":
                await asyncio.sleep(LEFT_SECONDS)
                return "not cancelled"
            case "saga":
                return await self._saga(*rest)
        return await super().do(tree)

    async def _child(self, trees: list[Tree], pokes: int) -> Any:
        if not pokes:
            return await workflow.execute_child_workflow(workflow.info().workflow_type, trees)
        child = await self._start(trees)
        for _ in range(pokes):
            try:
                await child.signal("poke")
            except ApplicationError:
                break  # it has ended
        return await child

    async def _start(self, trees: list[Tree], **options: Any) -> workflow.ChildWorkflowHandle[Any]:
        return await workflow.start_child_workflow(workflow.info().workflow_type, trees, **options)

    async def _cancelled_child(self, how: ChildWorkflowCancellationType) -> str:
        child = await self._start([["until cancelled"]], cancellation_type=how)
        child.cancel()
        try:
            await child
        except ChildWorkflowError:
            return "cancelled"
        return "cancelled"

    async def _saga(self, name: str, steps: int, fails: bool) -> str:
        """Each step, and what undoes it, is an entry in a book of its own."""
        book = f"{workflow.info().run_id} {name}"
        options: Any = {"start_to_close_timeout": ATTEMPT, "retry_policy": PATIENT}
        try:
            async with workflow.saga() as saga:
                for step in range(1, steps + 1):
                    undo = ("enter", [book, -step])
                    await saga.do("enter", args=[book, step], undo=undo, undo_options=options, **options)
                if fails:
                    await act("flaky", FOR_GOOD)
        except ActivityError:
            return f"undone {steps}"
        return f"done {steps}"


WHOLE_WORKFLOWS: tuple[type, ...] = (Desk, Program)
