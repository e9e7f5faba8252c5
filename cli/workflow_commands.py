"""`dalsegno workflow ...`."""

from __future__ import annotations

from typing import Annotated

import typer

from dalsegno.cli import options

app = typer.Typer(
    help="Start workflows, look at them, and tell them things.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

Reason = Annotated[str, typer.Option("--reason", help="For the history, and for people.")]
MessageID = Annotated[
    str | None,
    typer.Option(help="Makes it idempotent: the same command with the same ID is done once."),
]


@app.command()
def start(
    workflow_type: Annotated[str, typer.Argument(metavar="TYPE", help="The workflow's type name.")],
    workflow_id: Annotated[str, typer.Option("--id", help="The workflow ID, yours to choose.")],
    inputs: options.Inputs = [],  # noqa: B006 - typer copies it
    task_queue: Annotated[str, typer.Option(help="Where its activities go.")] = "default",
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the result and print it.")] = False,
    conflict_policy: Annotated[
        str | None,
        typer.Option(help="If that ID is running: fail, use_existing or terminate_existing."),
    ] = None,
    reuse_policy: Annotated[
        str | None,
        typer.Option(
            help="If that ID has ended: allow_duplicate, allow_duplicate_failed_only or reject_duplicate."
        ),
    ] = None,
    execution_timeout: Annotated[
        float | None, typer.Option(help="Seconds after which the run is ended as timed out.")
    ] = None,
    message_id: MessageID = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Start a workflow.

    A type that no host has is recorded and suspended, and runs when a host has the code: that is no error.

    Example: dalsegno workflow start Order --id o-1 --input '{"order_id": "o-1"}' --wait
    """
    from dalsegno.cli import asking

    asking.start(
        broker,
        timeout,
        workflow_type,
        workflow_id,
        inputs,
        wait=wait,
        options={
            "task_queue": task_queue,
            "conflict_policy": conflict_policy,
            "reuse_policy": reuse_policy,
            "execution_timeout": execution_timeout,
            "message_id": message_id,
        },
        as_json=as_json,
    )


@app.command()
def result(
    workflow_id: options.WorkflowID,
    run_id: options.RunID = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds to wait; for ever if not given.")] = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    as_json: options.AsJson = False,
) -> None:
    """Wait for a workflow to end and print its result as JSON."""
    from dalsegno.cli import asking

    asking.result(broker, timeout, workflow_id, run_id, as_json=as_json)


@app.command()
def describe(
    workflow_id: options.WorkflowID,
    run_id: options.RunID = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Status, activities, timers, and what it waits for."""
    from dalsegno.cli import asking

    asking.describe(broker, timeout, workflow_id, run_id, as_json=as_json)


@app.command(name="list")
def list_(
    status: Annotated[
        str | None,
        typer.Option(help="running, suspended, completed, failed, canceled, terminated or timed_out"),
    ] = None,
    workflow_type: Annotated[str | None, typer.Option("--type", help="Only this type.")] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 50,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Runs, newest first."""
    from dalsegno.cli import asking

    asking.list_workflows(
        broker, timeout, status=status, workflow_type=workflow_type, limit=limit, as_json=as_json
    )


@app.command()
def history(
    workflow_id: options.WorkflowID,
    run_id: options.RunID = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """What happened to a workflow, one line per activation."""
    from dalsegno.cli import asking

    asking.history(broker, timeout, workflow_id, run_id, as_json=as_json)


@app.command()
def query(
    workflow_id: options.WorkflowID,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The query's name.")],
    inputs: options.Inputs = [],  # noqa: B006 - typer copies it
    run_id: options.RunID = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
) -> None:
    """Ask a workflow's code, running or ended; prints JSON."""
    from dalsegno.cli import asking

    asking.query(broker, timeout, workflow_id, run_id, name, inputs)


@app.command()
def signal(
    workflow_id: options.WorkflowID,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The signal's name.")],
    inputs: options.Inputs = [],  # noqa: B006 - typer copies it
    run_id: options.RunID = None,
    message_id: MessageID = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Send a signal; returns when it is durable."""
    from dalsegno.cli import asking

    arguments = asking.values(inputs)
    asking.command(
        broker,
        timeout,
        workflow_id,
        run_id,
        lambda handle: handle.signal(name, *arguments, message_id=message_id),
        f"signal {name} is recorded",
        as_json=as_json,
    )


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
    from dalsegno.cli import asking

    asking.command(
        broker,
        timeout,
        workflow_id,
        run_id,
        lambda handle: handle.cancel(reason),
        "asked to cancel",
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
    from dalsegno.cli import asking

    asking.command(
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
    from dalsegno.cli import asking

    asking.command(
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
    from dalsegno.cli import asking

    asking.command(
        broker,
        timeout,
        workflow_id,
        run_id,
        lambda handle: handle.resume(),
        "resumed",
        as_json=as_json,
    )
