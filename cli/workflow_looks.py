"""`dalsegno workflow describe`, `list`, `count` and `history`: the flags of what only looks, at what hosts tell
or at what is stored; what they do stands in `workflows`."""

from __future__ import annotations

from typing import Annotated

import typer

from dalsegno.cli import options
from dalsegno.policies import WorkflowStatus


def describe(
    context: typer.Context,
    workflow_id: options.WorkflowID,
    run_id: options.RunID = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    database: options.StoredIn = None,
    timeout: options.Timeout = 10.0,
    data_converter: options.DataConverter = None,
    as_json: options.AsJson = False,
) -> None:
    """Status, activities, timers, and what it waits for."""
    from dalsegno.cli import code, workflows

    converter = code.data_converter(data_converter)
    workflows.describe(
        options.source(context), timeout, workflow_id, run_id, converter=converter, as_json=as_json
    )


def list_(
    context: typer.Context,
    status: Annotated[
        list[WorkflowStatus],
        typer.Option(metavar="STATUS", help=f"{', '.join(WorkflowStatus)}; repeat it for several."),
    ] = [],  # noqa: B006 - typer copies it
    workflow_type: Annotated[
        list[str], typer.Option("--type", metavar="TYPE", help="Only this type; repeat it for several.")
    ] = [],  # noqa: B006
    query: Annotated[
        str | None,
        typer.Option("--filter", "-q", metavar="FILTER", help="Only those that fit; see docs/filters.md."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="NUMBER", help="How many at most.")] = 50,
    broker: options.Broker = options.DEFAULT_BROKER,
    database: options.StoredIn = None,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Runs, newest first.

    Examples:
      dalsegno workflow list --status suspended
      dalsegno workflow list -q 'Type = "Order" and StartTime > -1d and not Status = completed'
    """
    from dalsegno.cli import workflows

    workflows.list_workflows(
        options.source(context),
        timeout,
        status=status,
        workflow_type=workflow_type,
        query=query,
        limit=limit,
        as_json=as_json,
    )


def count(
    context: typer.Context,
    query: Annotated[
        str,
        typer.Argument(
            metavar="[FILTER]", help="Only those that fit; see docs/filters.md.", show_default=False
        ),
    ] = "",
    broker: options.Broker = options.DEFAULT_BROKER,
    database: options.StoredIn = None,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """How many runs there are, or that fit.

    Examples:
      dalsegno workflow count 'StartTime > -1h'
      dalsegno workflow count 'Status = failed group by Type'
    """
    from dalsegno.cli import workflows

    workflows.count_workflows(options.source(context), timeout, query, as_json=as_json)


def history(
    context: typer.Context,
    workflow_id: options.WorkflowID,
    run_id: options.RunID = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    broker: options.Broker = options.DEFAULT_BROKER,
    database: options.StoredIn = None,
    timeout: options.WaitTimeout = 10.0,
    data_converter: options.DataConverter = None,
    as_json: options.AsJson = False,
) -> None:
    """What happened to a workflow; with --json every event in full."""
    from dalsegno.cli import code, workflows

    workflows.history(
        options.source(context),
        timeout,
        workflow_id,
        run_id,
        follow=follow,
        wait_seconds=options.seconds_to_wait(context),
        converter=code.data_converter(data_converter),
        as_json=as_json,
    )
