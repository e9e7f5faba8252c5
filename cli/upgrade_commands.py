"""`dalsegno upgrade ...`: what other code would do to the runs that are open."""

from __future__ import annotations

from typing import Annotated

import typer

from dalsegno.cli import options

app = typer.Typer(
    name="upgrade", help="What other code would do to the workflows that are open.", no_args_is_help=True
)


@app.callback()
def upgrade() -> None:
    """What other code would do to the workflows that are open."""


@app.command()
def check(
    modules: options.Modules,
    database: options.Database = options.DEFAULT_DATABASE,
    data_converter: options.DataConverter = None,
    workflow_type: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="Only workflows of this type; repeat it for several."),
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, metavar="NUMBER", help="Only so many of each type, the newest.")
    ] = None,
    elsewhere: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="An activity that workers of other modules have; repeat it."),
    ] = None,
    run_seconds: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="After which a run's code is said to loop for ever.")
    ] = 30.0,
    as_json: options.AsJson = False,
) -> None:
    """Rehearse a deployment: run the code of these modules against every open
    workflow, as their hosts would.

    It only reads, hosts may go on meanwhile, and nothing is sent. A workflow
    fits if its code, run again, wants what it wanted before, can restore its
    state, and has the activities that it waits for.

    Exit codes: 0 all fit; 1 some do not; 2 something must be mended (a module,
    URL, tables); 3 the database is not there just now.

    Example: dalsegno upgrade check shop.orders --database postgresql://...
    """
    from dalsegno.cli.logs import configure
    from dalsegno.cli.upgrade import rehearse_all

    configure("error")
    rehearse_all(
        modules,
        database=database,
        data_converter=data_converter,
        workflow_types=workflow_type or (),
        sample=sample,
        elsewhere=elsewhere or (),
        run_seconds=run_seconds,
        as_json=as_json,
    )
