"""What a start may say beside the workflow and its arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Required, TypedDict

from dalsegno import given
from dalsegno.broker.protocol.messages import SignalWithStart, StartWorkflow, UpdateWithStart
from dalsegno.data_converter import DataConverter
from dalsegno.policies import (
    Duration,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
    WorkflowUpdateStage,
)
from dalsegno.targets import Target, encode_arguments, name_of


class StartOptions(TypedDict, total=False):
    """Keyword arguments of `Client.start` and `Client.execute`; only `id` must be given."""

    id: Required[str]
    """The workflow ID: 1 to 255 bytes of printable text, yours to choose; one open run has it at a time."""
    task_queue: str
    """Where the workflow's activities go unless they say otherwise ("default")."""
    id_conflict_policy: WorkflowIDConflictPolicy
    """What happens when a run with this ID is open (FAIL)."""
    id_reuse_policy: WorkflowIDReusePolicy
    """What happens when a run with this ID has ended (ALLOW_DUPLICATE)."""
    execution_timeout: Duration | None
    """The run is ended as timed out after this time (seconds or timedelta; no limit)."""
    memo: Mapping[str, Any]
    """Values to be shown with the workflow; the engine does not look at them."""
    message_id: str
    """Makes the start idempotent: another with the same workflow ID and message ID is the same start."""
    timeout: float
    """Seconds for the engine to accept the start (the client's timeout)."""
    start_signal: Target | None
    """A signal that comes with the start, both or none: by its handler or name. An open run with this ID is
    left in place and sent the signal, unless `id_conflict_policy` says otherwise."""
    start_signal_args: Sequence[Any]
    """The signal's arguments."""
    connection: Any
    """Of your own database transaction, on the database of dalsegno's tables: the start is written there, and
    happens if you commit. One of psycopg, or a connection or session of SQLAlchemy; async ones, too."""
    schema: str
    """With `connection`: the schema of dalsegno's tables, where it is not on the connection's search path."""


class StartOptionsAndArgs(StartOptions, total=False):
    """The options, with the arguments among them."""

    args: Sequence[Any]
    """The arguments, in place of giving them one by one."""


def start_message(
    workflow: Target,
    arguments: Sequence[Any],
    options: StartOptionsAndArgs,
    replies: tuple[Literal["accepted", "result"], ...],
    converter: DataConverter,
) -> StartWorkflow:
    """Raises TypeError and ValueError, which name the option, PayloadError for arguments and notes."""
    check_options(arguments, options)
    said = _said(workflow, arguments, options, replies, converter)
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
) -> UpdateWithStart:
    """As `start_message`."""
    workflow, arguments, options = operation
    return UpdateWithStart(
        **_said(workflow, arguments, options, (), converter),
        update_name=name_of(update),
        update_args=encode_arguments(update, update_arguments, converter),
        update_id=update_id,
        wait_for=wait_for.value,
    )


def _said(
    workflow: Target,
    arguments: Sequence[Any],
    options: StartOptionsAndArgs,
    replies: tuple[Literal["accepted", "result"], ...],
    converter: DataConverter,
) -> dict[str, Any]:
    """The fields of a start."""
    name = name_of(workflow)
    timeout = options.get("execution_timeout")
    conflict = options.get("id_conflict_policy", WorkflowIDConflictPolicy.FAIL)
    reuse = options.get("id_reuse_policy", WorkflowIDReusePolicy.ALLOW_DUPLICATE)
    values = arguments or given.arguments("args", options.get("args", ()))
    notes = given.mapping("memo", options.get("memo", {}))
    return {
        "workflow_id": given.plain("id", options["id"]),
        "workflow_type": name,
        "task_queue": given.plain("task_queue", options.get("task_queue", "default")),
        "args": encode_arguments(workflow, values, converter),
        "replies": replies,
        "tell_suspended": "result" in replies,
        "conflict_policy": given.choice("id_conflict_policy", conflict, WorkflowIDConflictPolicy),
        "reuse_policy": given.choice("id_reuse_policy", reuse, WorkflowIDReusePolicy),
        "execution_timeout": None
        if timeout is None
        else given.microseconds("execution_timeout", timeout, positive=True),
        "memo": {given.text("A key of memo", key): converter.to_payload(value) for key, value in notes.items()},
    }


def check_options(arguments: Sequence[Any], options: StartOptionsAndArgs) -> None:
    """Raises TypeError, which names the option."""
    for name in options.keys() - StartOptionsAndArgs.__annotations__.keys():
        raise TypeError(f"A start has no option {name!r}.")
    if "id" not in options:
        raise TypeError("A start needs an id: the workflow ID, which names the workflow from now on.")
    if "schema" in options and options.get("connection") is None:
        raise TypeError("A start has a schema only with a connection, in whose transaction it is written.")
    if options.get("start_signal_args") and options.get("start_signal") is None:
        raise TypeError("start_signal_args are the arguments of a start_signal: name it, too.")
    if arguments and given.arguments("args", options.get("args", ())):
        raise TypeError("Give a workflow's arguments one by one or as args=[...], not both.")
