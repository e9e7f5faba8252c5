"""`dalsegno workflow ...`: the flags of each command; what they do stands in `workflows`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from dalsegno.cli import history_commands, options, workflow_looks
from dalsegno.errors import ConfigurationError
from dalsegno.policies import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

app = typer.Typer(
    help="Start workflows, look at them, and tell them things.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="For the history, and for people.")]
MessageID = Annotated[
    str | None, typer.Option(metavar="ID", help="Done once, however often it is sent with this ID.")
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name.", show_default=False)]


class UpdateWait(StrEnum):
    ACCEPTED = "accepted"
    COMPLETED = "completed"


@app.command()
def start(
    context: typer.Context,
    workflow_type: Annotated[
        str, typer.Argument(metavar="TYPE", help="The workflow's type name.", show_default=False)
    ],
    workflow_id: Annotated[str, typer.Option("--id", metavar="ID", help="The workflow ID, yours to choose.")],
    inputs: options.Inputs = [],  # noqa: B006 - typer copies it
    search_attributes: Annotated[
        list[str],
        typer.Option(
            "--search-attribute", metavar="NAME=VALUE", help="By which it can be found; repeat it for several."
        ),
    ] = [],  # noqa: B006 - typer copies it
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the result and print it.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show its history as it happens, then the result.")
    ] = False,
    task_queue: Annotated[str, typer.Option(metavar="NAME", help="Where its activities go.")] = "default",
    conflict_policy: Annotated[
        WorkflowIDConflictPolicy | None,
        typer.Option(
            metavar="POLICY", help="If that ID is running: fail (default), use_existing, terminate_existing."
        ),
    ] = None,
    reuse_policy: Annotated[
        WorkflowIDReusePolicy | None,
        typer.Option(
            metavar="POLICY",
            help="If that ID has ended: allow_duplicate (default), allow_duplicate_failed_only, "
            "reject_duplicate.",
        ),
    ] = None,
    execution_timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="After which the run is ended as timed out.")
    ] = None,
    priority: options.PriorityLevel = None,
    signal: Annotated[
        str | None,
        typer.Option(
            "--signal",
            metavar="NAME",
            help="Send this signal with the start: to the open run, if there is one, or to the new one.",
        ),
    ] = None,
    signal_input: Annotated[
        list[str], typer.Option("--signal-input", metavar="JSON", help="An argument of the signal, as --input.")
    ] = [],  # noqa: B006 - typer copies it
    message_id: MessageID = None,
    data_converter: options.DataConverter = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.WaitTimeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Start a workflow; returns when the start is durable.

    A type that no host has is recorded and suspended, and runs when a host
    has the code: that is no error.

    Examples:
      dalsegno workflow start Order --id o-1 --input '{"item": "book"}'
      dalsegno workflow start Order --id o-2 --input @order.json --follow
      dalsegno workflow start Order --id o-3 --search-attribute Customer=c-7
      dalsegno workflow start Cart --id cart-7 --signal add --signal-input '"book"'
    """
    from dalsegno.cli import code, workflows

    workflows.start(
        broker,
        timeout,
        workflow_type,
        workflow_id,
        inputs,
        search_attributes=search_attributes,
        wait=wait,
        follow=follow,
        wait_seconds=options.seconds_to_wait(context),
        options={
            "task_queue": task_queue,
            "id_conflict_policy": conflict_policy,
            "id_reuse_policy": reuse_policy,
            "execution_timeout": execution_timeout,
            "priority": options.priority(priority),
            "message_id": message_id,
            "start_signal": signal,
        },
        signal_inputs=signal_input,
        converter=code.data_converter(data_converter),
        as_json=as_json,
    )


@app.command()
def result(
    context: typer.Context,
    workflow_id: options.WorkflowID,
    run_id: options.RunID = None,
    timeout: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="How long to wait; for ever if not given.")
    ] = None,
    data_converter: options.DataConverter = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    database: options.StoredIn = None,
    as_json: options.AsJson = False,
) -> None:
    """Wait for a workflow to end and print its result as JSON.

    If it did not complete, the reason is told and the exit code is 1. If it is
    suspended, that is said, and the waiting goes on: code may come that runs it.
    """
    from dalsegno.cli import code, workflows

    converter = code.data_converter(data_converter)
    workflows.result(
        options.source(context), timeout, workflow_id, run_id, converter=converter, as_json=as_json
    )


app.command()(workflow_looks.describe)
app.command("list")(workflow_looks.list_)
app.command()(workflow_looks.count)
app.command()(workflow_looks.history)
app.command()(history_commands.export)
app.command("import")(history_commands.import_)
app.command()(history_commands.testcase)


@app.command()
def query(
    workflow_id: options.WorkflowID,
    name: Name,
    inputs: options.Inputs = [],  # noqa: B006 - typer copies it
    run_id: options.RunID = None,
    data_converter: options.DataConverter = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    database: Annotated[str | None, typer.Option("--database", hidden=True)] = None,
    timeout: options.Timeout = 10.0,
) -> None:
    """Ask a workflow's code, running or ended; prints JSON.

    Example: dalsegno workflow query o-1 order_status
    """
    from dalsegno.cli import code, workflows

    if database is not None:
        raise ConfigurationError(
            "A query is answered by the workflow's code, which only hosts have: ask without --database."
        )
    converter = code.data_converter(data_converter)
    workflows.query(broker, timeout, workflow_id, run_id, name, inputs, converter=converter)


@app.command()
def signal(
    workflow_id: options.WorkflowID,
    name: Name,
    inputs: options.Inputs = [],  # noqa: B006 - typer copies it
    run_id: options.RunID = None,
    message_id: MessageID = None,
    data_converter: options.DataConverter = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Send a signal; returns when it is durable.

    Example: dalsegno workflow signal o-1 approve --input '{"approved": true}'
    """
    from dalsegno.cli import code, workflows
    from dalsegno.cli.asking import values

    arguments = values(inputs)
    workflows.command(
        broker,
        timeout,
        workflow_id,
        run_id,
        lambda handle: handle.signal(name, *arguments, message_id=message_id),
        "signalled",
        converter=code.data_converter(data_converter),
        as_json=as_json,
    )


@app.command()
def update(
    workflow_id: options.WorkflowID,
    name: Name,
    inputs: options.Inputs = [],  # noqa: B006 - typer copies it
    update_id: Annotated[
        str | None, typer.Option("--update-id", help="Known by it: sent again, it is handled once.")
    ] = None,
    wait: Annotated[
        UpdateWait, typer.Option("--wait", help="Until it is accepted, or until its handler is through.")
    ] = UpdateWait.COMPLETED,
    run_id: options.RunID = None,
    data_converter: options.DataConverter = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
) -> None:
    """Send an update and print what its handler returns, as JSON.

    Example: dalsegno workflow update o-1 add_item --input '"pen"'
    """
    from dalsegno.cli import code, updates

    converter = code.data_converter(data_converter)
    updates.update(
        broker, timeout, workflow_id, run_id, name, inputs, update_id, wait.value, converter=converter
    )


@app.command("update-result")
def update_result(
    workflow_id: options.WorkflowID,
    update_id: Annotated[str, typer.Argument(help="The update's ID.")],
    run_id: options.RunID = None,
    data_converter: options.DataConverter = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
) -> None:
    """Wait for an update that was sent before, and print what its handler returned, as JSON.

    Example: dalsegno workflow update-result o-1 add-7
    """
    from dalsegno.cli import code, updates

    converter = code.data_converter(data_converter)
    updates.update_result(broker, timeout, workflow_id, run_id, update_id, converter=converter)


@app.command()
def cancel(
    workflow_id: options.WorkflowID,
    reason: Reason = "",
    run_id: options.RunID = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Ask a workflow to stop; its code may clean up first."""
    from dalsegno.cli import workflows

    workflows.command(
        broker,
        timeout,
        workflow_id,
        run_id,
        lambda handle: handle.cancel(reason),
        "asked to stop",
        as_json=as_json,
    )


@app.command()
def terminate(
    workflow_id: options.WorkflowID,
    reason: Reason = "",
    run_id: options.RunID = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """End a workflow at once; its code has no say."""
    from dalsegno.cli import workflows

    workflows.command(
        broker,
        timeout,
        workflow_id,
        run_id,
        lambda handle: handle.terminate(reason),
        "terminated",
        as_json=as_json,
    )


@app.command()
def suspend(
    workflow_id: options.WorkflowID,
    reason: Reason = "",
    run_id: options.RunID = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Stop running a workflow's code; what is sent to it is recorded."""
    from dalsegno.cli import workflows

    workflows.command(
        broker,
        timeout,
        workflow_id,
        run_id,
        lambda handle: handle.suspend(reason),
        "suspended",
        as_json=as_json,
    )


@app.command()
def resume(
    workflow_id: options.WorkflowID,
    run_id: options.RunID = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Run a suspended workflow's code again."""
    from dalsegno.cli import workflows

    workflows.command(
        broker,
        timeout,
        workflow_id,
        run_id,
        workflows.resume,
        "resumed",
        as_json=as_json,
    )
