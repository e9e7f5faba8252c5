"""`dalsegno upgrade ...`: what other code would do to the runs that are open, and in what it is other code."""

from __future__ import annotations

from pathlib import Path
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
    interceptor: options.Interceptors = None,
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
    histories: Annotated[
        list[Path] | None,
        typer.Option(
            "--history",
            metavar="FILE",
            help="Instead of what is open in a database: a run that `workflow export` has written; repeat it.",
        ),
    ] = None,
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
        interceptors=interceptor,
        workflow_types=workflow_type or (),
        sample=sample,
        elsewhere=elsewhere or (),
        run_seconds=run_seconds,
        histories=histories or (),
        as_json=as_json,
    )


SIDE = "[FOLDER:]MODULE[,MODULE...], or a file that `upgrade inventory` has written."


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help=SIDE, show_default=False)],
    new: Annotated[str, typer.Argument(metavar="NEW", help=SIDE, show_default=False)],
    database: Annotated[
        str | None,
        typer.Option(
            envvar="DALSEGNO_DATABASE",
            metavar="URL",
            help="Say which open workflows use what is gone.",
            show_default=False,
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Compare what two versions of the code define: types, signatures, states and
    their migrations, activities.

    It reads definitions, and imports modules for it; what code does, and in
    which order, `upgrade check` finds. A folder without modules (../deployed/)
    has those of the other side.

    Exit codes: 0 nothing breaks; 1 something does; 2 something must be mended;
    3 the database is not there just now.

    Example: dalsegno upgrade diff ../deployed:shop.orders shop.orders
    """
    from dalsegno.cli.upgrade_diff import diff as do

    do(old, new, database=database, as_json=as_json)


@app.command()
def inventory(
    modules: options.Modules,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there, not to stdout.")
    ] = None,
) -> None:
    """Write what modules define as JSON, to be compared with later code.

    Example: dalsegno upgrade inventory shop.orders > deployed.json
    """
    from dalsegno.cli.upgrade_diff import inventory as do

    do(modules, output=output)
