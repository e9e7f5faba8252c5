"""What is shown of a run, also under the names that the Temporal SDK has for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _ShownRun(Protocol):
    @property
    def workflow_id(self) -> str: ...

    @property
    def started_at(self) -> int: ...

    @property
    def closed_at(self) -> int | None: ...


def moment_of(microseconds: int) -> datetime:
    """Since 1970, UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


class NamedAsTemporal:
    """A run that is shown; times as datetimes."""

    __slots__ = ()

    @property
    def id(self: _ShownRun) -> str:
        """The workflow ID."""
        return self.workflow_id

    @property
    def start_time(self: _ShownRun) -> datetime:
        """When it was opened, UTC."""
        return moment_of(self.started_at)

    @property
    def close_time(self: _ShownRun) -> datetime | None:
        """When it ended, UTC."""
        return None if self.closed_at is None else moment_of(self.closed_at)
