"""Schedules, as their client sees them: made, looked at, paused, changed, deleted.

Each is a workflow of dalsegno's own, so that all of this is a start, updates and queries of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from inspect import isawaitable
from itertools import islice
from typing import Any

from dalsegno import given
from dalsegno.client.engine import BrokerEngine
from dalsegno.client.errors import ScheduleNotFoundError
from dalsegno.client.handle import WorkflowHandle
from dalsegno.data_converter import DataConverter
from dalsegno.errors import (
    ApplicationError,
    CommandRejectedError,
    WorkflowClosedError,
    WorkflowNotFoundError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
)
from dalsegno.interceptors.client import NOT_INTERCEPTED
from dalsegno.interceptors.schedules import (
    BackfillScheduleInput,
    DeleteScheduleInput,
    DescribeScheduleInput,
    PauseScheduleInput,
    TriggerScheduleInput,
    UnpauseScheduleInput,
    UpdateScheduleInput,
)
from dalsegno.payload import RawValue
from dalsegno.policies import QueryRejectCondition
from dalsegno.schedules.action import shown_action, stored_action
from dalsegno.schedules.book import (
    CHANGED,
    SCHEDULE,
    ScheduleBook,
    WrittenSchedule,
    require_backfills,
    require_possible,
    schedule_workflow_id,
)
from dalsegno.schedules.policies import ScheduleOverlapPolicy
from dalsegno.schedules.schedule import (
    Schedule,
    ScheduleBackfill,
    ScheduleInfo,
)
from dalsegno.schedules.times import compiled

NEXT_TIMES = 10
UPDATES_MAX = 20
"""How often an update is made anew because somebody else was faster."""
PLAIN = DataConverter.default
"""What a schedule is told and tells is plain JSON, whatever converter its workflows have."""


@dataclass(frozen=True, slots=True)
class ScheduleDescription:
    id: str
    schedule: Schedule
    """A copy, to be changed as you like; see `ScheduleHandle.update`."""
    info: ScheduleInfo


@dataclass(frozen=True, slots=True)
class ScheduleListDescription:
    """`schedule` and `info` are None where the schedule could not answer, as one that is suspended."""

    id: str
    schedule: Schedule | None
    info: ScheduleInfo | None


@dataclass(frozen=True, slots=True)
class ScheduleUpdateInput:
    description: ScheduleDescription


@dataclass(frozen=True, slots=True)
class ScheduleUpdate:
    schedule: Schedule


class ScheduleHandle:
    """What can be asked of one schedule. All methods raise ScheduleNotFoundError where there is none of that
    ID, otherwise as those of a WorkflowHandle; `timeout` (seconds) is for the answer.
    """

    def __init__(self, engine: BrokerEngine, id: str) -> None:  # noqa: A002 - as in the Temporal SDK
        workflow_id = schedule_workflow_id(id)
        self.id = workflow_id.removeprefix(f"{SCHEDULE}.")
        self._engine = engine
        self._converter = engine.converter
        self._workflow: WorkflowHandle[Any] = WorkflowHandle(
            replace(engine, converter=PLAIN, outbound=NOT_INTERCEPTED),
            workflow_id,
            run_id=None,
            pinned=True,
            result_type=Any,
        )

    async def describe(self, *, timeout: float | None = None) -> ScheduleDescription:
        async def send(said: DescribeScheduleInput) -> ScheduleDescription:
            return await self._of(said.id)._describe(timeout)

        said = DescribeScheduleInput(self.id, send)
        description: ScheduleDescription = await self._engine.outbound.describe_schedule(said)
        return description

    async def pause(self, *, note: str | None = None, timeout: float | None = None) -> None:
        """Start nothing because it is time. Times that pass meanwhile are not made up for."""

        async def send(said: PauseScheduleInput) -> None:
            why = _note(said.note, "Paused via Python SDK")
            await self._of(said.id)._tell("pause", why, timeout=timeout)

        await self._engine.outbound.pause_schedule(PauseScheduleInput(self.id, note, send))

    async def unpause(self, *, note: str | None = None, timeout: float | None = None) -> None:
        async def send(said: UnpauseScheduleInput) -> None:
            why = _note(said.note, "Unpaused via Python SDK")
            await self._of(said.id)._tell("unpause", why, timeout=timeout)

        await self._engine.outbound.unpause_schedule(UnpauseScheduleInput(self.id, note, send))

    async def trigger(
        self, *, overlap: ScheduleOverlapPolicy | None = None, timeout: float | None = None
    ) -> None:
        """Start a workflow now, also if the schedule is paused. `overlap` takes the place of its policy."""

        async def send(said: TriggerScheduleInput) -> None:
            overlap = said.overlap
            how = None if overlap is None else given.choice("overlap", overlap, ScheduleOverlapPolicy)
            await self._of(said.id)._tell("trigger", how, timeout=timeout)

        await self._engine.outbound.trigger_schedule(TriggerScheduleInput(self.id, overlap, send))

    async def backfill(self, *backfill: ScheduleBackfill, timeout: float | None = None) -> None:
        """Go through times that are over as if they were now, also if the schedule is paused. Raises TypeError
        or ValueError for times that cannot be."""

        async def send(said: BackfillScheduleInput) -> None:
            if not said.backfills:
                raise ValueError("A backfill needs a ScheduleBackfill: from when, to when.")
            await self._of(said.id)._tell("backfill", require_backfills(said.backfills), timeout=timeout)

        await self._engine.outbound.backfill_schedule(BackfillScheduleInput(self.id, backfill, send))

    async def update(
        self,
        updater: Callable[[ScheduleUpdateInput], ScheduleUpdate | Awaitable[ScheduleUpdate | None] | None],
        *,
        timeout: float | None = None,
    ) -> None:
        """Change the schedule: `updater` is given its description, and returns the schedule as it is to be, or
        None to leave it. It is called again when somebody else has changed the schedule meanwhile.

        What waits and what runs stays; times are those of the new `spec` from now on.
        """

        async def send(said: UpdateScheduleInput) -> None:
            await self._of(said.id)._update(said.updater, timeout)

        await self._engine.outbound.update_schedule(UpdateScheduleInput(self.id, updater, send))

    async def delete(self, *, timeout: float | None = None) -> None:
        """Nothing is started by it any more. What it has started goes on."""

        async def send(said: DeleteScheduleInput) -> None:
            await self._of(said.id)._delete(timeout)

        await self._engine.outbound.delete_schedule(DeleteScheduleInput(self.id, send))

    # --- what an interceptor may have changed ----------------------------------------------------------------

    def _of(self, id: str) -> ScheduleHandle:  # noqa: A002 - as in the Temporal SDK
        return self if id == self.id else ScheduleHandle(self._engine, id)

    async def _describe(self, timeout: float | None) -> ScheduleDescription:
        return _described(self.id, await self._book(timeout), self._converter)

    async def _update(self, updater: Callable[[ScheduleUpdateInput], Any], timeout: float | None) -> None:
        for _ in range(UPDATES_MAX):
            book = await self._book(timeout)
            answer = updater(ScheduleUpdateInput(_described(self.id, book, self._converter)))
            update = await answer if isawaitable(answer) else answer
            if update is None:
                return
            if not isinstance(update, ScheduleUpdate):
                raise given.wrong_type("What the updater returns", update, "a ScheduleUpdate, or None")
            try:
                written = written_of(update.schedule, self._converter)
                await self._tell("update", written, book.revision, timeout=timeout)
            except WorkflowUpdateFailedError as error:
                if not (isinstance(error.cause, ApplicationError) and error.cause.type == CHANGED):
                    raise
            else:
                return
        raise CommandRejectedError(
            f"Schedule {self.id!r} was not updated: others have changed it {UPDATES_MAX} times meanwhile."
        )

    async def _delete(self, timeout: float | None) -> None:
        try:
            await self._workflow.terminate("The schedule was deleted.", timeout=timeout)
        except (WorkflowClosedError, WorkflowNotFoundError) as error:
            raise self._missing() from error

    async def _book(self, timeout: float | None) -> ScheduleBook:
        try:
            raw = await self._workflow.query(
                "describe",
                result_type=RawValue,
                reject_condition=QueryRejectCondition.NOT_OPEN,
                timeout=timeout,
            )
        except (WorkflowQueryRejectedError, WorkflowNotFoundError) as error:
            raise self._missing() from error
        book: ScheduleBook = PLAIN.from_payload(raw.payload, ScheduleBook)
        return book

    async def _tell(self, update: str, *arguments: Any, timeout: float | None) -> None:
        payloads = [PLAIN.to_payload(argument) for argument in arguments]
        try:
            await self._workflow.execute_update(update, *payloads, timeout=timeout)
        except (WorkflowClosedError, WorkflowNotFoundError) as error:
            raise self._missing() from error

    def _missing(self) -> ScheduleNotFoundError:
        return ScheduleNotFoundError(f"There is no schedule {self.id!r}.")

    def __repr__(self) -> str:
        return f"<ScheduleHandle id={self.id!r}>"


def written_of(schedule: Schedule, converter: DataConverter) -> WrittenSchedule:
    """Raises TypeError and ValueError, which name what cannot be, PayloadError for arguments and notes."""
    if not isinstance(schedule, Schedule):
        raise given.wrong_type("The schedule", schedule, "a Schedule")
    return require_possible(
        WrittenSchedule(
            action=stored_action(schedule.action, converter),
            spec=schedule.spec,
            policy=schedule.policy,
            state=schedule.state,
        )
    )


def _described(schedule_id: str, book: ScheduleBook, converter: DataConverter) -> ScheduleDescription:
    written, state = book.written, book.written.state
    now = datetime.now(UTC)
    count = min(NEXT_TIMES, state.remaining_actions) if state.limited_actions else NEXT_TIMES
    times = islice(compiled(written.spec).after(now, schedule_id), count)
    return ScheduleDescription(
        schedule_id,
        Schedule(shown_action(written.action, converter), written.spec, written.policy, state),
        ScheduleInfo(
            num_actions=book.started,
            num_actions_missed_catchup_window=book.missed,
            num_actions_skipped_overlap=book.skipped,
            running_actions=[] if book.running is None else [book.running],
            recent_actions=book.recent,
            next_action_times=[time.actual for time in times],
            created_at=book.created_at or now,
            last_updated_at=book.updated_at,
        ),
    )


def _note(note: str | None, default: str) -> str:
    return default if note is None else given.text("note", note)
