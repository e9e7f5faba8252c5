"""A workflow that is undone, in one part when it is told to; and one that promises something."""

from __future__ import annotations

from datetime import timedelta

from dalsegno import ApplicationError, activity, workflow


@activity.defn
async def book(part: str) -> str:
    return f"ticket for {part}"


@activity.defn
async def unbook(part: str, ticket: str | None) -> str:
    return f"{part}: {ticket}"


@workflow.defn
class Journey:
    def __init__(self) -> None:
        self.may_go_on = False

    @workflow.run
    async def run(self) -> None:
        async with workflow.saga("journey") as saga:
            await saga.do(book, "train", undo=unbook, start_to_close_timeout=60)
            await saga.do(book, "hotel", undo=self.when_told, start_to_close_timeout=60)
            raise ApplicationError("no time")

    async def when_told(self) -> None:
        await workflow.wait_condition(lambda: self.may_go_on)

    @workflow.signal
    def go_on(self) -> None:
        self.may_go_on = True


@workflow.defn
class Promised:
    """Says how its promise was kept, and whether anybody was told meanwhile."""

    def __init__(self) -> None:
        self.is_kept = False
        self.told: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        kept = workflow.deadline("kept", 0.001, on_overdue=lambda: self.told.append("overdue"))
        later = workflow.deadline("later", timedelta(days=9))
        await workflow.wait_condition(lambda: self.is_kept and bool(self.told))
        kept.met()
        later.met()
        return [*self.told, kept.status, later.status]

    @workflow.signal
    def keep(self) -> None:
        self.is_kept = True
