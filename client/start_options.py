"""What a start may say beside the workflow and its arguments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Literal, Required, TypedDict, cast

from dalsegno import given
from dalsegno.broker.protocol.messages import SignalWithStart, StartWorkflow, UpdateWithStart, WorkflowRetries
from dalsegno.converter import result_hint
from dalsegno.data_converter import DataConverter
from dalsegno.elsewhere import no_option
from dalsegno.interceptors.client import StartWorkflowInput, UpdateWithStartStartWorkflowInput
from dalsegno.interceptors.headers import encoded
from dalsegno.payload import Payload
from dalsegno.policies import (
    MAXIMUM_INTERVAL_FACTOR,
    Duration,
    RetryPolicy,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
    WorkflowUpdateStage,
    to_microseconds,
)
from dalsegno.priority import Priority, given_level
from dalsegno.search_attributes import TypedSearchAttributes, stored_attributes
from dalsegno.targets import UNSET, Target, encode_arguments, name_of, one_by_one_or_args, result_type_of

NO_HEADERS: Final[Mapping[str, Payload]] = {}


class StartOptions(TypedDict, total=False):
    """Keyword arguments of `Client.start` and `Client.execute`; only `id` must be given."""

    id: Required[str]
    """The workflow ID: 1 to 255 bytes of printable text, yours to choose; one open run has it at a time."""
    task_queue: str
    """Where the workflow's activities go unless they say otherwise ("default")."""
    id_conflict_policy: WorkflowIDConflictPolicy
    """What happens when a run with this ID is open (FAIL)."""
    id_reuse_policy: WorkflowIDReusePolicy
    """What happens when a run with this ID has ended (ALLOW_DUPLICATE); or TERMINATE_IF_RUNNING."""
    execution_timeout: Duration | None
    """The workflow is ended as timed out after this time (seconds or timedelta; no limit), whatever runs follow
    each other in it."""
    run_timeout: Duration | None
    """One run is ended as timed out after this time (no limit). With a `retry_policy` it is tried again."""
    retry_policy: RetryPolicy | None
    """A run that fails is followed by another with the same arguments (none does), after the policy's delay."""
    start_delay: Duration | None
    """The workflow's code begins so much later; an update with the start has it begin at once, and so has
    another start with a signal or an update that is left to this run."""
    memo: Mapping[str, Any] | None
    """Values to be shown with the workflow; the engine does not look at them."""
    priority: Priority | None
    """How urgent the workflow's activities are, and what it starts (3, the ordinary)."""
    result_type: Any
    """What the result is to be restored as; default: the annotation of the run method."""
    search_attributes: TypedSearchAttributes | None
    """By which the run can be found; its namespace must have declared them (docs/search-attributes.md)."""
    message_id: str
    """Makes the start idempotent: another with the same workflow ID and message ID is the same start."""
    timeout: float
    """Seconds for the engine to accept the start (the client's timeout)."""
    start_signal: Target | None
    """A signal that comes with the start, both or none: by its handler or name. An open run with this ID is
    left in place and sent the signal, unless `id_conflict_policy` says otherwise."""
    start_signal_args: Sequence[Any]
    """The signal's arguments."""
    task_timeout: Duration | None
    static_summary: str | None
    static_details: str | None
    request_eager_start: bool
    versioning_override: Any
    """What Temporal has, and means nothing here."""
    connection: Any
    """Of your own database transaction, on the database of dalsegno's tables: the start is written there, and
    happens if you commit. One of psycopg, or a connection or session of SQLAlchemy; async ones, too."""
    schema: str
    """With `connection`: the schema of dalsegno's tables, where it is not on the connection's search path."""


class StartOptionsAndArgs(StartOptions, total=False):
    """The options, with the arguments among them."""

    arg: Any
    args: Sequence[Any]
    """The argument, or the arguments, in place of giving them one by one."""


def start_message(
    workflow: Target,
    arguments: Sequence[Any],
    options: StartOptionsAndArgs,
    replies: tuple[Literal["accepted", "result"], ...],
    converter: DataConverter,
    headers: Mapping[str, Payload] = NO_HEADERS,
) -> StartWorkflow:
    """Raises TypeError and ValueError, which name the option, PayloadError for arguments and notes."""
    check_options(arguments, options)
    converter = converter.of_workflow(given.plain("id", options["id"]))
    said = _said(workflow, arguments, options, replies, converter, headers)
    signal = options.get("start_signal")
    if signal is None:
        return StartWorkflow(**said)
    if "id_conflict_policy" not in options:
        del said["conflict_policy"]
    return SignalWithStart(
        **said,
        signal_name=name_of(signal),
        signal_args=encode_arguments(
            signal, given.arguments("start_signal_args", options.get("start_signal_args", ())), converter
        ),
    )


def update_with_start_message(
    operation: tuple[Target, Sequence[Any], StartOptionsAndArgs],
    update: Target,
    update_arguments: Sequence[Any],
    *,
    update_id: str,
    wait_for: WorkflowUpdateStage,
    converter: DataConverter,
    headers: tuple[Mapping[str, Payload], Mapping[str, Payload]] = (NO_HEADERS, NO_HEADERS),
) -> UpdateWithStart:
    """As `start_message`. `headers` of the start, and of the update."""
    workflow, arguments, options = operation
    converter = converter.of_workflow(given.plain("id", options["id"]))
    return UpdateWithStart(
        **_said(workflow, arguments, options, (), converter, headers[0]),
        update_name=name_of(update),
        update_args=encode_arguments(update, update_arguments, converter),
        update_id=update_id,
        wait_for=wait_for.value,
        update_headers=encoded(headers[1], converter),
    )


def _said(
    workflow: Target,
    arguments: Sequence[Any],
    options: StartOptionsAndArgs,
    replies: tuple[Literal["accepted", "result"], ...],
    converter: DataConverter,
    headers: Mapping[str, Payload],
) -> dict[str, Any]:
    """The fields of a start."""
    name = name_of(workflow)
    conflict, reuse = _policies(options)
    values = _values(arguments, options)
    memo = options.get("memo")
    notes = {} if memo is None else given.mapping("memo", memo)
    return {
        "workflow_id": given.plain("id", options["id"]),
        "workflow_type": name,
        "task_queue": given.plain("task_queue", options.get("task_queue", "default")),
        "args": encode_arguments(workflow, values, converter),
        "replies": replies,
        "tell_suspended": "result" in replies,
        "conflict_policy": conflict,
        "reuse_policy": reuse,
        **{name: _span(name, options) for name in ("execution_timeout", "run_timeout", "start_delay")},
        "retry_policy": _retries(options.get("retry_policy")),
        "priority": given_level(options.get("priority")),
        "search_attributes": stored_attributes("search_attributes", options.get("search_attributes")),
        "memo": {
            given.text("A key of memo", key): converter.to_whole_payload(value) for key, value in notes.items()
        },
        "headers": encoded(headers, converter),
    }


_IN_INPUTS = ("id", "arg", "args", "start_signal", "start_signal_args")


def start_input(
    workflow: Target,
    arguments: Sequence[Any],
    options: StartOptionsAndArgs,
    send: Callable[[StartWorkflowInput], Awaitable[Any]],
) -> StartWorkflowInput:
    """As interceptors see a start. Raises TypeError, which names the option."""
    check_options(arguments, options)
    signal = options.get("start_signal")
    return StartWorkflowInput(
        workflow=name_of(workflow),
        args=_values(arguments, options),
        id=options["id"],
        options={name: value for name, value in options.items() if name not in _IN_INPUTS},
        headers={},
        start_signal=None if signal is None else name_of(signal),
        start_signal_args=options.get("start_signal_args", ()),
        _send=send,
    )


def update_start_input(
    workflow: Target, arguments: Sequence[Any], options: StartOptionsAndArgs
) -> UpdateWithStartStartWorkflowInput:
    """As `start_input`, of one that an update comes with."""
    return UpdateWithStartStartWorkflowInput(
        workflow=name_of(workflow),
        args=_values(arguments, options),
        id=options["id"],
        options={name: value for name, value in options.items() if name not in _IN_INPUTS},
        headers={},
    )


def start_by_input(
    said: StartWorkflowInput | UpdateWithStartStartWorkflowInput,
    workflow: Target,
    options: StartOptionsAndArgs,
) -> tuple[Target, Sequence[Any], StartOptionsAndArgs]:
    """The way back: `workflow` and `options` are as they were given, and what is still called so is that."""
    anew: dict[str, Any] = {**said.options, "id": said.id}
    if isinstance(said, StartWorkflowInput) and said.start_signal is not None:
        signal = options.get("start_signal")
        is_same = signal is not None and name_of(signal) == said.start_signal
        anew["start_signal"] = signal if is_same else said.start_signal
        anew["start_signal_args"] = said.start_signal_args
    target = workflow if name_of(workflow) == said.workflow else said.workflow
    return target, said.args, cast(StartOptionsAndArgs, anew)


def check_options(arguments: Sequence[Any], options: StartOptionsAndArgs) -> None:
    """Raises TypeError, which names the option."""
    for name in options.keys() - StartOptionsAndArgs.__annotations__.keys():
        raise no_option("A start", name)
    if "id" not in options:
        raise TypeError("A start needs an id: the workflow ID, which names the workflow from now on.")
    if "schema" in options and options.get("connection") is None:
        raise TypeError("A start has a schema only with a connection, in whose transaction it is written.")
    if options.get("start_signal_args") and options.get("start_signal") is None:
        raise TypeError("start_signal_args are the arguments of a start_signal: name it, too.")
    _values(arguments, options)


def result_type_said(workflow: Target, options: StartOptions, converter: DataConverter) -> Any:
    """What a result is to be restored as. Raises TypeError for what none can be."""
    said = options.get("result_type")
    return result_type_of(workflow) if said is None else result_hint(said, converter)


def _values(arguments: Sequence[Any], options: StartOptionsAndArgs) -> Sequence[Any]:
    return one_by_one_or_args("A workflow", arguments, options.get("args", ()), options.get("arg", UNSET))


def _span(
    name: Literal["execution_timeout", "run_timeout", "start_delay"], options: StartOptions
) -> int | None:
    duration = options.get(name)
    return None if duration is None else given.microseconds(name, duration, positive=True)


def _retries(policy: Any) -> WorkflowRetries | None:
    if policy is None:
        return None
    if not isinstance(policy, RetryPolicy):
        raise given.wrong_type("retry_policy", policy, "a RetryPolicy")
    initial, maximum = to_microseconds(policy.initial_interval), policy.maximum_interval
    most = initial * MAXIMUM_INTERVAL_FACTOR if maximum is None else to_microseconds(maximum)
    return WorkflowRetries(
        initial_interval=initial,
        backoff_coefficient=policy.backoff_coefficient,
        maximum_interval=min(most, given.MICROSECONDS_MAX),
        maximum_attempts=policy.maximum_attempts,
        non_retryable_error_types=policy.error_types,
    )


def _policies(options: StartOptions) -> tuple[WorkflowIDConflictPolicy, WorkflowIDReusePolicy]:
    conflict = given.choice(
        "id_conflict_policy",
        options.get("id_conflict_policy", WorkflowIDConflictPolicy.FAIL),
        WorkflowIDConflictPolicy,
    )
    reuse = given.choice(
        "id_reuse_policy",
        options.get("id_reuse_policy", WorkflowIDReusePolicy.ALLOW_DUPLICATE),
        WorkflowIDReusePolicy,
    )
    if reuse is not WorkflowIDReusePolicy.TERMINATE_IF_RUNNING:
        return conflict, reuse
    if "id_conflict_policy" in options:
        raise ValueError("id_reuse_policy TERMINATE_IF_RUNNING says it all: give no id_conflict_policy.")
    return WorkflowIDConflictPolicy.TERMINATE_EXISTING, WorkflowIDReusePolicy.ALLOW_DUPLICATE
