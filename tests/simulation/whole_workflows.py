"""The user code that is simulated where the whole language may be spoken. As in `workflows`, what each comes to
depends on its arguments and on what it is sent alone."""

from __future__ import annotations

import asyncio

from dalsegno import ApplicationError, workflow
from tests.simulation.workflows import act


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


WHOLE_WORKFLOWS: tuple[type, ...] = (Desk,)
