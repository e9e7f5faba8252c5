"""What workflow code may know of its run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dalsegno._children import ParentInfo, RootInfo
from dalsegno._own_attributes import search_attributes_now
from dalsegno._runtime import HistoryMeasure, current_runtime
from dalsegno.payload import Payload, PayloadConverter
from dalsegno.policies import RetryPolicy
from dalsegno.priority import OF_LEVEL, Priority
from dalsegno.search_attributes import TypedSearchAttributes

HISTORY_LENGTH = 4_096
HISTORY_BYTES = 4 * 1024 * 1024
"""Beyond either it is suggested to set a sign, or to go on as another run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """The run that this code belongs to."""

    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    start_time: datetime
    """When its code began, or was to: after a start delay or back-off."""
    execution_timeout: timedelta | None
    """Of all runs that follow each other by themselves."""
    parent: ParentInfo | None = None
    root: RootInfo | None = None
    """None for a run without a parent."""
    run_timeout: timedelta | None = None
    retry_policy: RetryPolicy | None = None
    attempt: int = 1
    """Of a workflow that is tried again after it has failed."""
    first_execution_run_id: str = ""
    """The first of the runs that follow each other by themselves."""
    continued_run_id: str | None = None
    """The run before, which went on as this, or failed and is tried again."""
    workflow_start_time: datetime | None = None
    """When this run was opened."""
    priority: Priority = OF_LEVEL[None]
    """How urgent its activities are, and what it starts, if nothing else is said of them."""
    namespace: str = "default"
    cron_schedule: str | None = None
    task_timeout: timedelta = timedelta(seconds=10)
    """What Temporal has, and means nothing here."""

    @property
    def headers(self) -> Mapping[str, Payload]:
        """As whoever started the running workflow has sent them, for interceptors."""
        return current_runtime("info").headers

    @property
    def typed_search_attributes(self) -> TypedSearchAttributes:
        """Those that the running workflow has now: as it was started with them, and has set them since."""
        return search_attributes_now()

    def get_current_history_length(self) -> int:
        """What has happened to the run since its beginning, or its last sign: all that its code would be given
        again."""
        return _history().length

    def get_current_history_size(self) -> int:
        """Bytes of the values in that."""
        return _history().size

    def is_continue_as_new_suggested(self) -> bool:
        """There is much of it: it is time for `workflow.checkpoint` or `workflow.continue_as_new`."""
        return (
            self.get_current_history_length() >= HISTORY_LENGTH
            or self.get_current_history_size() >= HISTORY_BYTES
        )


def _history() -> HistoryMeasure:
    return current_runtime("info").history


def get_last_failure() -> BaseException | None:
    """What the run before failed by, where the workflow is tried again; or the last one by the same schedule,
    if it failed."""
    runtime = current_runtime("get_last_failure")
    failure = runtime.last_failure
    return None if failure is None else runtime.converter.from_failure(failure)


def has_last_completion_result() -> bool:
    """Whether the run before, by the same schedule, has given a result."""
    return current_runtime("has_last_completion_result").last_result is not None


def get_last_completion_result(type_hint: Any = Any) -> Any:
    """That result; None if there is none."""
    runtime = current_runtime("get_last_completion_result")
    payload = runtime.last_result
    return None if payload is None else runtime.converter.from_payload(payload, type_hint)


def payload_converter() -> PayloadConverter:
    """The host's, for code that is given a Payload as it is."""
    return current_runtime("payload_converter").converter.payload_converter
