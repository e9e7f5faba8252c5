"""The part of a client that makes schedules and finds them again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from dalsegno import given
from dalsegno._continue_as_new import encoded_memo
from dalsegno.broker.protocol.messages import Reply
from dalsegno.client.conversation import Conversation
from dalsegno.client.engine import BrokerEngine
from dalsegno.client.errors import ScheduleAlreadyRunningError, ScheduleNotFoundError
from dalsegno.client.looking import Looking
from dalsegno.client.schedules import PLAIN, ScheduleHandle, ScheduleListDescription, written_of
from dalsegno.client.start_options import start_message
from dalsegno.errors import CommandRejectedError, WorkflowAlreadyStartedError
from dalsegno.interceptors.headers import encoded
from dalsegno.interceptors.schedules import CreateScheduleInput, ListSchedulesInput
from dalsegno.schedules.book import SCHEDULE, ScheduleBook, require_backfills, schedule_workflow_id
from dalsegno.schedules.schedule import Schedule, ScheduleBackfill
from dalsegno.search_attributes import TypedSearchAttributes


class Scheduling(Looking):
    """Each schedule is a workflow; what is not said here is done by its handle."""

    def __init__(self, engine: BrokerEngine) -> None:
        super().__init__(engine)
        self._engine = engine

    async def create_schedule(
        self,
        id: str,  # noqa: A002 - as in the Temporal SDK
        schedule: Schedule,
        *,
        trigger_immediately: bool = False,
        backfill: Sequence[ScheduleBackfill] = (),
        memo: Mapping[str, Any] | None = None,
        search_attributes: TypedSearchAttributes | None = None,
        timeout: float | None = None,
    ) -> ScheduleHandle:
        """Have workflows started at times (docs/schedules.md); returns when that is durable.

        `trigger_immediately`: one of them now; `backfill`: those of times that are over; by its
        `search_attributes` the schedule itself is found (`list_schedules`). Raises
        ScheduleAlreadyRunningError where there is a schedule with this ID; TypeError or ValueError, which say
        what and where, for one that cannot be.
        """

        async def send(said: CreateScheduleInput) -> ScheduleHandle:
            return await self._create(said, timeout)

        said = CreateScheduleInput(
            id, schedule, trigger_immediately, backfill, memo, search_attributes, {}, send
        )
        handle: ScheduleHandle = await self._engine.outbound.create_schedule(said)
        return handle

    async def _create(self, said: CreateScheduleInput, timeout: float | None) -> ScheduleHandle:
        engine, id, memo = self._engine, said.id, said.memo  # noqa: A001 - as in the Temporal SDK
        handle = self.get_schedule_handle(id)
        written = written_of(said.schedule, engine.converter)
        if said.headers:
            of_action = engine.converter.of_workflow(written.action.id)
            written.action.headers |= encoded(said.headers, of_action)
        book = ScheduleBook(
            written=written,
            trigger=given.flag("trigger_immediately", said.trigger_immediately),
            backfills=require_backfills(said.backfill),
        )
        workflow_id = schedule_workflow_id(id)
        notes = None if memo is None else encoded_memo(memo, engine.converter.of_workflow(workflow_id))
        message = start_message(
            SCHEDULE,
            [PLAIN.to_payload(book)],
            {"id": workflow_id, "memo": notes, "search_attributes": said.search_attributes},
            ("accepted",),
            PLAIN,
        )
        try:
            with Conversation(engine.links, PLAIN) as conversation:
                await conversation.ask(
                    Reply,
                    message,
                    message_id=str(uuid4()),
                    timeout=engine.timeout if timeout is None else timeout,
                    kind="accepted",
                )
        except WorkflowAlreadyStartedError as error:
            raise ScheduleAlreadyRunningError(
                f"There is a schedule {handle.id!r} already.",
                workflow_id=error.workflow_id,
                run_id=error.run_id,
            ) from error
        return handle

    def get_schedule_handle(self, id: str) -> ScheduleHandle:  # noqa: A002 - as in the Temporal SDK
        """A handle to a schedule that may or may not exist: nothing is asked yet."""
        return ScheduleHandle(self._engine, id)

    async def list_schedules(
        self, query: str | None = None, *, page_size: int = 100
    ) -> AsyncIterator[ScheduleListDescription]:
        """Schedules, newest first: `async for one in await client.list_schedules()`. Each is asked as it is
        looked at. `query` is a filter (docs/filters.md) on the workflows that schedules are."""

        def send(said: ListSchedulesInput) -> AsyncIterator[ScheduleListDescription]:
            return self._listed(said.query, said.page_size)

        return self._engine.outbound.list_schedules(ListSchedulesInput(query, page_size, send))

    async def _listed(self, query: str | None, page_size: int) -> AsyncIterator[ScheduleListDescription]:
        where = f'Type = "{SCHEDULE}" and Status in (running, suspended)'
        condition = where if query is None else f"{where} and ({query})"
        async for run in self._runs(condition, page_size=page_size):
            schedule_id = run.workflow_id.removeprefix(f"{SCHEDULE}.")
            try:
                found = await self.get_schedule_handle(schedule_id)._describe(None)
            except ScheduleNotFoundError:
                continue  # it was deleted meanwhile
            except CommandRejectedError:
                yield ScheduleListDescription(schedule_id, None, None)
            else:
                yield ScheduleListDescription(schedule_id, found.schedule, found.info)
