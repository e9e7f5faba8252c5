"""`dalsegno why`: the flags; what it does stands in `why`."""

from __future__ import annotations

from typing import Annotated

import typer

from dalsegno.cli import options


def why(
    context: typer.Context,
    workflow_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="The workflow ID.", show_default=False)
    ] = None,
    run_id: options.RunID = None,
    every: Annotated[bool, typer.Option("--all", help="Of each open workflow, in place of an ID.")] = False,
    group: Annotated[
        bool, typer.Option("--group", help="With --all: how many wait for the same, the worst first.")
    ] = False,
    query: Annotated[
        str | None,
        typer.Option(
            "--filter", "-q", metavar="FILTER", help="With --all: only those that fit; see docs/filters.md."
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="With --all: how many are looked at, at most.")
    ] = 1000,
    broker: options.Broker = options.DEFAULT_BROKER,
    database: options.StoredIn = None,
    timeout: options.Timeout = 10.0,
    data_converter: options.DataConverter = None,
    as_json: options.AsJson = False,
) -> None:
    """Why a workflow does not move, and the command that helps.

    The exit code is 0 if it goes on by itself, or with what it waits for, or has ended;
    5 if it is stuck: nobody does what it waits for.

    Examples:
      dalsegno why o-1
      dalsegno why --all --group -q 'Type = "Order"'
    """
    from dalsegno.cli import why
    from dalsegno.data_converter import DataConverter
    from dalsegno.errors import ConfigurationError

    source, converter = options.source(context), DataConverter.default
    if data_converter is not None:  # it takes what loads code
        from dalsegno.cli import code

        converter = code.data_converter(data_converter)
    if every == (workflow_id is not None):
        raise ConfigurationError("Say which: an ID, or --all for each open workflow.")
    if workflow_id is None:
        if run_id is not None:
            raise ConfigurationError("--run-id is for one workflow: give its ID.")
        why.explain_all(
            source, timeout, query or "", limit=limit, by_group=group, converter=converter, as_json=as_json
        )
    elif group or query is not None:
        raise ConfigurationError("--group and --filter are for --all.")
    else:
        why.explain(source, timeout, workflow_id, run_id, converter=converter, as_json=as_json)
