"""What a schedule does when it is time: it starts a workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dalsegno import given
from dalsegno.data_converter import DataConverter
from dalsegno.given import Duration
from dalsegno.name_rules import NAME_BYTES_MAX
from dalsegno.payload import Payload
from dalsegno.targets import UNSET, Target, encode_arguments, name_of, one_by_one_or_args

TIME_BYTES_MAX = len("-2027-01-01T00:00:00.000000Z")


@dataclass(slots=True, kw_only=True)
class StoredAction:
    """The action as the schedule's own workflow has it: nobody but the workflow that is started looks into its
    arguments."""

    workflow: str
    id: str
    task_queue: str = "default"
    args: list[Payload] = field(default_factory=list)
    memo: dict[str, Payload] = field(default_factory=dict)
    execution_timeout: timedelta | None = None

    def workflow_id(self, nominal: datetime) -> str:
        """Of the workflow that is started for a time: one has this ID, whatever crashes."""
        return f"{self.id}-{nominal.replace(tzinfo=None).isoformat()}Z"


class ScheduleActionStartWorkflow:
    """Starts `workflow` (its run method, class or name) with these arguments. `id` is the beginning of the
    workflow IDs: the time for which each is started stands behind it, as in `report-2027-01-01T09:00:00Z`.

    Of a schedule that is described, `workflow` is the name, and `args` and `memo` hold Payloads: the client
    does not know what to restore them as. Arguments are written anew by setting `args`.
    """

    __slots__ = ("args", "execution_timeout", "id", "memo", "task_queue", "workflow")

    def __init__(
        self,
        workflow: Target,
        /,
        *arguments: Any,
        arg: Any = UNSET,
        args: Sequence[Any] = (),
        id: str,  # noqa: A002 - the option's name
        task_queue: str = "default",
        execution_timeout: Duration | None = None,
        memo: Mapping[str, Any] | None = None,
    ) -> None:
        """Raises TypeError for arguments that are given both ways."""
        self.workflow = workflow
        self.args: Sequence[Any] = list(one_by_one_or_args("A workflow", arguments, args, arg))
        self.id = id
        self.task_queue = task_queue
        self.execution_timeout = execution_timeout
        self.memo = memo

    def __repr__(self) -> str:
        return f"<ScheduleActionStartWorkflow {given.shown(self.workflow)} id={given.shown(self.id)}>"


def stored_action(action: ScheduleActionStartWorkflow, converter: DataConverter) -> StoredAction:
    """Raises TypeError and ValueError, which name the field, PayloadError for arguments and notes."""
    if not isinstance(action, ScheduleActionStartWorkflow):
        raise given.wrong_type("The action", action, "a ScheduleActionStartWorkflow")
    values = given.arguments("args", action.args)
    # What was described is written back as it is.
    described = any(isinstance(value, Payload) for value in values)
    target = name_of(action.workflow) if described else action.workflow
    timeout = action.execution_timeout
    notes = given.mapping("memo", action.memo or {})
    return require_startable(
        StoredAction(
            workflow=name_of(action.workflow),
            id=given.name("The action's id", action.id),
            task_queue=given.task_queue("task_queue", action.task_queue),
            args=list(encode_arguments(target, values, converter)),
            memo={
                given.text("A key of memo", key): converter.to_payload(value) for key, value in notes.items()
            },
            execution_timeout=None
            if timeout is None
            else timedelta(microseconds=given.microseconds("execution_timeout", timeout, positive=True)),
        )
    )


def require_startable(action: StoredAction) -> StoredAction:
    """The same, if workflows can be started so. Raises ValueError."""
    given.name("The action's workflow", action.workflow)
    given.name("The action's id", action.id)
    given.task_queue("The action's task_queue", action.task_queue)
    if len(action.id.encode()) > NAME_BYTES_MAX - TIME_BYTES_MAX:
        raise ValueError(
            f"The action's id {given.shown(action.id)} is too long: the time is put behind it, so that it may "
            f"have {NAME_BYTES_MAX - TIME_BYTES_MAX} bytes."
        )
    if action.execution_timeout is not None:
        given.microseconds("The action's execution_timeout", action.execution_timeout, positive=True)
    return action


def shown_action(stored: StoredAction) -> ScheduleActionStartWorkflow:
    return ScheduleActionStartWorkflow(
        stored.workflow,
        args=stored.args,
        id=stored.id,
        task_queue=stored.task_queue,
        execution_timeout=stored.execution_timeout,
        memo=stored.memo or None,
    )
