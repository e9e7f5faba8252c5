"""`dalsegno activity ...`: says how an activity ends that goes on outside of its worker, or that hangs."""

from __future__ import annotations

from typing import Annotated

import typer

from dalsegno.cli import options

app = typer.Typer(
    help="Say how activities end that go on outside of their workers.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

ActivityID = Annotated[
    str,
    typer.Argument(metavar="ACTIVITY_ID", help="As `workflow describe` shows it.", show_default=False),
]


@app.command()
def complete(
    workflow_id: options.WorkflowID,
    activity_id: ActivityID,
    result: Annotated[
        str, typer.Option("--result", metavar="JSON", help="Its result, as JSON or @file.")
    ] = "null",
    run_id: options.RunID = None,
    data_converter: options.DataConverter = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
) -> None:
    """Complete an activity with a result. A worker that still works on it is asked to stop.

    Example: dalsegno activity complete o-1 approval --result '"granted"'
    """
    from dalsegno.cli import code
    from dalsegno.cli.activities import Named, tell
    from dalsegno.cli.asking import value

    told, named = value(result, option="--result"), Named(workflow_id, run_id, activity_id)
    tell(broker, timeout, named, lambda handle: handle.complete(told), code.data_converter(data_converter))


@app.command()
def fail(
    workflow_id: options.WorkflowID,
    activity_id: ActivityID,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="The failure's message.")],
    type_: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="What retry policies know the failure by.")
    ] = None,
    non_retryable: Annotated[
        bool, typer.Option("--non-retryable", help="Do not try it again, whatever its policy says.")
    ] = False,
    run_id: options.RunID = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    data_converter: options.DataConverter = None,
) -> None:
    """Fail the attempt that is under way; it is tried again by its retry policy.

    Example: dalsegno activity fail o-1 approval --reason "nobody is there" --non-retryable
    """
    from dalsegno.cli import code
    from dalsegno.cli.activities import Named, tell
    from dalsegno.errors import ApplicationError

    error = ApplicationError(reason, type=type_, non_retryable=non_retryable)

    named = Named(workflow_id, run_id, activity_id)
    tell(broker, timeout, named, lambda handle: handle.fail(error), code.data_converter(data_converter))


@app.command("report-cancellation")
def report_cancellation(
    workflow_id: options.WorkflowID,
    activity_id: ActivityID,
    run_id: options.RunID = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
) -> None:
    """Say that an activity has stopped because it was asked to.

    Example: dalsegno activity report-cancellation o-1 approval
    """
    from dalsegno.cli.activities import Named, tell

    named = Named(workflow_id, run_id, activity_id)
    tell(broker, timeout, named, lambda handle: handle.report_cancellation())
