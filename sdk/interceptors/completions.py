"""What a client says of activities that go on outside of their workers. `id_or_token` names the one: by the
task token that its worker was given, or by IDs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class AsyncActivityIDReference:
    """Without a workflow ID it is a standalone activity; without a run ID that of whichever run is current."""

    workflow_id: str | None
    run_id: str | None
    activity_id: str


@dataclass
class HeartbeatAsyncActivityInput:
    id_or_token: AsyncActivityIDReference | bytes
    details: Sequence[Any]
    _send: Callable[[Any], Awaitable[None]] = field(repr=False)


@dataclass
class CompleteAsyncActivityInput:
    id_or_token: AsyncActivityIDReference | bytes
    result: Any
    _send: Callable[[Any], Awaitable[None]] = field(repr=False)


@dataclass
class FailAsyncActivityInput:
    id_or_token: AsyncActivityIDReference | bytes
    error: Exception
    _send: Callable[[Any], Awaitable[None]] = field(repr=False)


@dataclass
class ReportCancellationAsyncActivityInput:
    id_or_token: AsyncActivityIDReference | bytes
    details: Sequence[Any]
    _send: Callable[[Any], Awaitable[None]] = field(repr=False)
