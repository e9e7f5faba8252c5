"""`dalsegno schedule ...`: each command's question and its answer for people or machines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from dalsegno.cli.asking import ask, values
from dalsegno.cli.output import as_json as as_text
from dalsegno.cli.output import print_json, say, table
from dalsegno.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleBackfill,
    ScheduleCalendarSpec,
    ScheduleHandle,
    ScheduleInfo,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from dalsegno.data_converter import DataConverter
from dalsegno.errors import ConfigurationError
from dalsegno.priority import Priority
from dalsegno.schedules.cron import read_span, read_spans

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What the flags say; None and no entries are nothing said."""

    workflow: str | None
    workflow_id: str | None
    inputs: Sequence[str]
    task_queue: str | None
    execution_timeout: float | None
    priority: Priority | None
    cron: Sequence[str]
    interval: Sequence[str]
    calendar: Sequence[str]
    skip: Sequence[str]
    time_zone: str | None
    start_at: datetime | None
    end_at: datetime | None
    jitter: str | None
    overlap: ScheduleOverlapPolicy | None
    catchup_window: str | None
    pause_on_failure: bool | None
    paused: bool | None
    note: str | None
    remaining: int | None

    def made(self, schedule: Schedule) -> Schedule:
        """Written into `schedule`, which is returned."""
        action, spec, policy, state = schedule.action, schedule.spec, schedule.policy, schedule.state
        action.workflow = self.workflow or action.workflow
        action.id = self.workflow_id or action.id
        if self.inputs:
            action.args = values(self.inputs)
        action.task_queue = self.task_queue or action.task_queue
        if self.execution_timeout is not None:
            action.execution_timeout = self.execution_timeout
        action.priority = self.priority or action.priority
        if self.cron or self.interval or self.calendar:
            spec.cron_expressions = list(self.cron)
            spec.intervals = [ScheduleIntervalSpec(*read_spans("--interval", text)) for text in self.interval]
            spec.calendars = _calendars("--calendar", self.calendar)
        if self.skip:
            spec.skip = _calendars("--skip", self.skip)
        spec.time_zone_name = spec.time_zone_name if self.time_zone is None else self.time_zone
        spec.start_at, spec.end_at = self.start_at or spec.start_at, self.end_at or spec.end_at
        spec.jitter = spec.jitter if self.jitter is None else read_span("--jitter", self.jitter)
        policy.overlap = self.overlap or policy.overlap
        if self.catchup_window is not None:
            policy.catchup_window = read_span("--catchup-window", self.catchup_window)
        if self.pause_on_failure is not None:
            policy.pause_on_failure = self.pause_on_failure
        if self.paused is not None:
            state.paused = self.paused
        state.note = state.note if self.note is None else self.note
        if self.remaining is not None:
            state.limited_actions, state.remaining_actions = True, self.remaining
        return schedule


def _calendars(flag: str, texts: Sequence[str]) -> list[ScheduleCalendarSpec]:
    found = []
    for text in values(texts, option=flag):
        try:
            found.append(msgspec.convert(text, ScheduleCalendarSpec))
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"{flag} is no calendar: {error}.") from error
    return found


def create(
    broker: str, timeout: float, schedule_id: str, changes: Changes, *, trigger: bool, converter: DataConverter
) -> None:
    async def question(client: Client) -> None:
        action = ScheduleActionStartWorkflow(changes.workflow or "", id=schedule_id)
        schedule = changes.made(Schedule(action, ScheduleSpec()))
        await client.create_schedule(schedule_id, schedule, trigger_immediately=trigger)
        say(f"Schedule {schedule_id} is there.")

    with _refusing():
        ask(broker, timeout, question, converter)


def update(
    broker: str, timeout: float, schedule_id: str, changes: Changes, *, converter: DataConverter
) -> None:
    def changed(seen: ScheduleUpdateInput) -> ScheduleUpdate:
        return ScheduleUpdate(changes.made(seen.description.schedule))

    async def question(client: Client) -> None:
        await client.get_schedule_handle(schedule_id).update(changed)
        say(f"Schedule {schedule_id} is changed.")

    with _refusing():
        ask(broker, timeout, question, converter)


def show_all(broker: str, timeout: float, query: str | None, limit: int, *, as_json: bool) -> None:
    async def question(client: Client) -> list[tuple[str, Schedule | None, ScheduleInfo | None]]:
        found = []
        async for one in await client.list_schedules(query, page_size=min(limit, 100)):
            found.append((one.id, one.schedule, one.info))
            if len(found) == limit:
                break
        return found

    found = ask(broker, timeout, question)
    if as_json:
        for schedule_id, schedule, info in found:
            print_json(_as_plain(schedule_id, schedule, info))
        return
    rows = [_row(*one) for one in found]
    table(["ID", "starts", "state", "next (UTC)", "last (UTC)", "note"], rows)


def _row(schedule_id: str, schedule: Schedule | None, info: ScheduleInfo | None) -> list[str | None]:
    if schedule is None or info is None:
        return [schedule_id, None, "suspended", None, None, None]
    next_time = info.next_action_times[0] if info.next_action_times else None
    last = info.recent_actions[-1].started_at if info.recent_actions else None
    state = "paused" if schedule.state.paused else "running"
    return [schedule_id, str(schedule.action.workflow), state, _at(next_time), _at(last), schedule.state.note]


def describe(broker: str, timeout: float, schedule_id: str, *, converter: DataConverter, as_json: bool) -> None:
    told = ask(broker, timeout, lambda client: client.get_schedule_handle(schedule_id).describe(), converter)
    if as_json:
        print_json(_as_plain(told.id, told.schedule, told.info))
        return
    facts = [*_written(told.schedule), *_done(told.info)]
    table([], [("schedule ID", told.id), *((name, value) for name, value in facts if value)])


def _written(schedule: Schedule) -> Iterator[tuple[str, Any]]:
    action, spec, policy, state = schedule.action, schedule.spec, schedule.policy, schedule.state
    yield "starts", f"{action.workflow} {' '.join(map(as_text, action.args))}".rstrip()
    yield "as", f"{action.id}-<time>"
    yield "task queue", action.task_queue
    yield "priority", _level(action)
    yield "cron", "; ".join(spec.cron_expressions)
    yield (
        "intervals",
        "; ".join(
            f"every {one.every}{f', offset {one.offset}' if one.offset else ''}" for one in spec.intervals
        ),
    )
    yield "calendars", "; ".join(one.comment or _short(one) for one in spec.calendars)
    yield "skipped", "; ".join(one.comment or _short(one) for one in spec.skip)
    yield "time zone", spec.time_zone_name or "UTC"
    yield "from (UTC)", _at(spec.start_at)
    yield "until (UTC)", _at(spec.end_at)
    yield "jitter", spec.jitter
    yield "overlap", policy.overlap
    yield "catch-up window", policy.catchup_window
    yield "pauses on failure", "yes" if policy.pause_on_failure else None
    yield "state", "paused" if state.paused else "running"
    yield "note", state.note
    yield "remaining", str(state.remaining_actions) if state.limited_actions else None


def _done(info: ScheduleInfo) -> Iterator[tuple[str, Any]]:
    yield "started", info.num_actions
    yield "missed", info.num_actions_missed_catchup_window
    yield "skipped, as the last one ran", info.num_actions_skipped_overlap
    yield "running", "; ".join(one.workflow_id for one in info.running_actions)
    yield "last (UTC)", "; ".join(_at(one.started_at) or "" for one in info.recent_actions[-3:])
    yield "next (UTC)", "; ".join(_at(time) or "" for time in info.next_action_times[:3])
    yield "made (UTC)", _at(info.created_at)
    yield "changed (UTC)", _at(info.last_updated_at)


def _short(calendar: ScheduleCalendarSpec) -> str:
    """What differs from each midnight."""
    plain, usual = msgspec.to_builtins(calendar), msgspec.to_builtins(ScheduleCalendarSpec())
    return as_text({name: value for name, value in plain.items() if value != usual[name]})


def _at(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _level(action: ScheduleActionStartWorkflow) -> int | None:
    return None if action.priority is None else action.priority.priority_key


def _as_plain(schedule_id: str, schedule: Schedule | None, info: ScheduleInfo | None) -> dict[str, Any]:
    plain: dict[str, Any] = {"schedule_id": schedule_id, "action": None, "info": msgspec.to_builtins(info)}
    if schedule is not None:
        action, timeout = schedule.action, schedule.action.execution_timeout
        plain["action"] = {
            "workflow": action.workflow,
            "args": action.args,
            "id": action.id,
            "task_queue": action.task_queue,
            "execution_timeout": timeout.total_seconds() if isinstance(timeout, timedelta) else timeout,
            **({"priority": level} if (level := _level(action)) is not None else {}),
            "memo": action.memo or {},
        }
        plain["spec"] = msgspec.to_builtins(schedule.spec)
        plain["policy"] = msgspec.to_builtins(schedule.policy)
        plain["state"] = msgspec.to_builtins(schedule.state)
    return plain


def pause(broker: str, timeout: float, schedule_id: str, note: str | None) -> None:
    _tell(broker, timeout, schedule_id, lambda handle: handle.pause(note=note or "Paused"), "is paused")


def unpause(broker: str, timeout: float, schedule_id: str, note: str | None) -> None:
    _tell(broker, timeout, schedule_id, lambda handle: handle.unpause(note=note or "Unpaused"), "goes on")


def trigger(broker: str, timeout: float, schedule_id: str, overlap: ScheduleOverlapPolicy | None) -> None:
    _tell(broker, timeout, schedule_id, lambda handle: handle.trigger(overlap=overlap), "was triggered")


def backfill(
    broker: str,
    timeout: float,
    schedule_id: str,
    start_at: datetime,
    end_at: datetime,
    overlap: ScheduleOverlapPolicy | None,
) -> None:
    asked = ScheduleBackfill(start_at, end_at, overlap)
    _tell(broker, timeout, schedule_id, lambda handle: handle.backfill(asked), "goes through those times")


def delete(broker: str, timeout: float, schedule_id: str) -> None:
    _tell(broker, timeout, schedule_id, lambda handle: handle.delete(), "is deleted")


def _tell(
    broker: str,
    timeout: float,
    schedule_id: str,
    what: Callable[[ScheduleHandle], Awaitable[None]],
    done: str,
) -> None:
    async def question(client: Client) -> None:
        await what(client.get_schedule_handle(schedule_id))
        say(f"Schedule {schedule_id} {done}.")

    with _refusing():
        ask(broker, timeout, question)


@contextmanager
def _refusing() -> Iterator[None]:
    """What is wrong with a schedule was written on the command line."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(str(error)) from error
