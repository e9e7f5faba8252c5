"""What a schedule does when it is time: it starts a workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from dalsegno import given
from dalsegno.data_converter import DataConverter
from dalsegno.errors import PayloadError
from dalsegno.given import Duration
from dalsegno.interceptors.headers import encoded
from dalsegno.name_rules import NAME_BYTES_MAX
from dalsegno.payload import Payload
from dalsegno.policies import RetryPolicy, to_microseconds
from dalsegno.priority import Priority, given_level
from dalsegno.search_attributes import (
    AttributeValue,
    TypedSearchAttributes,
    shown_attributes,
    stored_attributes,
    why_too_much,
)
from dalsegno.targets import UNSET, Target, encode_arguments, name_of, one_by_one_or_args

TIME_BYTES_MAX = len("-2027-01-01T00:00:00.000000Z")


@dataclass(slots=True, kw_only=True)
class StoredRetryPolicy:
    """A RetryPolicy."""

    initial_interval: timedelta
    backoff_coefficient: float = 2.0
    maximum_interval: timedelta | None = None
    maximum_attempts: int = 0
    non_retryable_error_types: list[str] = field(default_factory=list)

    @property
    def policy(self) -> RetryPolicy:
        """Raises TypeError or ValueError for what cannot be one."""
        return RetryPolicy(
            initial_interval=self.initial_interval,
            backoff_coefficient=self.backoff_coefficient,
            maximum_interval=self.maximum_interval,
            maximum_attempts=self.maximum_attempts,
            non_retryable_error_types=self.non_retryable_error_types,
        )


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
    run_timeout: timedelta | None = None
    retry_policy: StoredRetryPolicy | None = None
    search_attributes: dict[str, AttributeValue] = field(default_factory=dict)
    priority: int | None = None
    headers: dict[str, Payload] = field(default_factory=dict)

    def workflow_id(self, nominal: datetime) -> str:
        """Of the workflow that is started for a time: one has this ID, whatever crashes."""
        return f"{self.id}-{nominal.replace(tzinfo=None).isoformat()}Z"


class ScheduleActionStartWorkflow:
    """Starts `workflow` (its run method, class or name) with these arguments. `id` is the beginning of the
    workflow IDs: the time for which each is started stands behind it, as in `report-2027-01-01T09:00:00Z`.

    Of a schedule that is described, `workflow` is the name, and `args` and `memo` hold Payloads: the client
    does not know what to restore them as. Arguments are written anew by setting `args`.
    """

    __slots__ = (
        *("args", "execution_timeout", "headers", "id", "memo", "priority", "retry_policy", "run_timeout"),
        *("task_queue", "typed_search_attributes", "workflow"),
    )

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
        run_timeout: Duration | None = None,
        retry_policy: RetryPolicy | None = None,
        memo: Mapping[str, Any] | None = None,
        typed_search_attributes: TypedSearchAttributes | None = None,
        priority: Priority | None = None,
        headers: Mapping[str, Payload] | None = None,
        task_timeout: Duration | None = None,
        static_summary: str | None = None,
        static_details: str | None = None,
    ) -> None:
        """What Temporal has beside that (the last three) is taken, and means nothing here. Raises TypeError for
        arguments that are given both ways."""
        self.workflow = workflow
        self.args: Sequence[Any] = list(one_by_one_or_args("A workflow", arguments, args, arg))
        self.id = id
        self.task_queue = task_queue
        self.execution_timeout = execution_timeout
        self.run_timeout = run_timeout
        self.retry_policy = retry_policy
        self.memo = memo
        self.typed_search_attributes = typed_search_attributes
        self.priority = priority
        self.headers = headers

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
    notes = given.mapping("memo", action.memo or {})
    converter = converter.of_workflow(action.id).in_whole()
    return require_startable(
        StoredAction(
            workflow=name_of(action.workflow),
            id=given.name("The action's id", action.id),
            task_queue=given.task_queue("task_queue", action.task_queue),
            args=list(encode_arguments(target, values, converter)),
            memo={
                given.text("A key of memo", key): converter.to_payload(value) for key, value in notes.items()
            },
            execution_timeout=_span("execution_timeout", action.execution_timeout),
            run_timeout=_span("run_timeout", action.run_timeout),
            retry_policy=_retries(action.retry_policy),
            search_attributes=stored_attributes("typed_search_attributes", action.typed_search_attributes),
            priority=given_level(action.priority),
            headers=encoded(action.headers or {}, converter),
        )
    )


def _span(name: str, duration: Duration | None) -> timedelta | None:
    if duration is None:
        return None
    return timedelta(microseconds=given.microseconds(name, duration, positive=True))


def _retries(policy: RetryPolicy | None) -> StoredRetryPolicy | None:
    if policy is None:
        return None
    if not isinstance(policy, RetryPolicy):
        raise given.wrong_type("retry_policy", policy, "a RetryPolicy or None")
    most = policy.maximum_interval
    return StoredRetryPolicy(
        initial_interval=timedelta(microseconds=to_microseconds(policy.initial_interval)),
        backoff_coefficient=policy.backoff_coefficient,
        maximum_interval=None if most is None else timedelta(microseconds=to_microseconds(most)),
        maximum_attempts=policy.maximum_attempts,
        non_retryable_error_types=list(policy.error_types),
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
    for name, span in (("execution_timeout", action.execution_timeout), ("run_timeout", action.run_timeout)):
        if span is not None:
            given.microseconds(f"The action's {name}", span, positive=True)
    Priority(action.priority)
    if action.retry_policy is not None:
        action.retry_policy.policy  # noqa: B018 - raises for what it cannot be
    shown_attributes(action.search_attributes)  # raises for names that no attribute has
    if (why := why_too_much(action.search_attributes)) is not None:
        raise ValueError(f"The action's search attributes: {why}.")
    return action


def shown_action(
    stored: StoredAction, converter: DataConverter = DataConverter.default
) -> ScheduleActionStartWorkflow:
    attributes, retries = stored.search_attributes, stored.retry_policy
    decoded = partial(_decoded, converter.of_workflow(stored.id))
    return ScheduleActionStartWorkflow(
        stored.workflow,
        args=list(map(decoded, stored.args)),
        id=stored.id,
        task_queue=stored.task_queue,
        execution_timeout=stored.execution_timeout,
        run_timeout=stored.run_timeout,
        retry_policy=None if retries is None else retries.policy,
        memo={key: decoded(note) for key, note in stored.memo.items()} or None,
        typed_search_attributes=shown_attributes(attributes) if attributes else None,
        priority=None if stored.priority is None else Priority(stored.priority),
        headers={name: decoded(value) for name, value in stored.headers.items()} or None,
    )


def _decoded(converter: DataConverter, payload: Payload) -> Payload:
    """Without what a codec has done to it; as it is, where that cannot be."""
    try:
        decoded: Payload = converter.from_payload(payload, Payload)
    except PayloadError:
        return payload
    return decoded
