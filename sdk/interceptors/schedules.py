"""What a client asks about schedules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dalsegno.payload import Payload


@dataclass
class CreateScheduleInput:
    """`headers` are those of all that the schedule starts."""

    id: str
    schedule: Any
    trigger_immediately: bool
    backfill: Sequence[Any]
    memo: Mapping[str, Any] | None
    search_attributes: Any
    headers: Mapping[str, Payload]
    _send: Callable[[Any], Awaitable[Any]] = field(repr=False)


@dataclass
class ListSchedulesInput:
    query: str | None
    page_size: int
    _send: Callable[[Any], AsyncIterator[Any]] = field(repr=False)


@dataclass
class DescribeScheduleInput:
    id: str
    _send: Callable[[Any], Awaitable[Any]] = field(repr=False)


@dataclass
class PauseScheduleInput:
    id: str
    note: str | None
    _send: Callable[[Any], Awaitable[None]] = field(repr=False)


@dataclass
class UnpauseScheduleInput:
    id: str
    note: str | None
    _send: Callable[[Any], Awaitable[None]] = field(repr=False)


@dataclass
class TriggerScheduleInput:
    id: str
    overlap: Any
    """None: by the schedule's policy."""
    _send: Callable[[Any], Awaitable[None]] = field(repr=False)


@dataclass
class BackfillScheduleInput:
    id: str
    backfills: Sequence[Any]
    _send: Callable[[Any], Awaitable[None]] = field(repr=False)


@dataclass
class UpdateScheduleInput:
    """One for a call of `update`, however often its updater is called."""

    id: str
    updater: Callable[[Any], Any]
    _send: Callable[[Any], Awaitable[None]] = field(repr=False)


@dataclass
class DeleteScheduleInput:
    id: str
    _send: Callable[[Any], Awaitable[None]] = field(repr=False)
