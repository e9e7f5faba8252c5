"""`dalsegno workflow export`, `import` and `testcase`: their flags; what they do stands in `histories`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dalsegno.cli import options

Redact = Annotated[
    list[str],
    typer.Option(
        "--redact",
        metavar="all|FIELD",
        help="Replace the values of payloads by others of their type and shape: all, or those of fields of "
        "this name; repeat it for several.",
    ),
]


def export(
    workflow_id: options.WorkflowID,
    run_id: options.RunID = None,
    database: options.Database = options.DEFAULT_DATABASE,
    redact: Redact = [],  # noqa: B006 - typer copies it
    data_converter: options.DataConverter = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there, not to stdout.")
    ] = None,
) -> None:
    """Write what is stored of a run, open or closed, as one file.

    It only reads the database, and hosts may go on meanwhile. Payloads are as
    they are stored: what is encrypted stays so. Tokens of activities are left
    out.

    Example: dalsegno workflow export o-17 > o-17.json
    """
    from dalsegno.cli.histories import export as do

    do(
        workflow_id,
        run_id,
        database=database,
        redact=redact,
        data_converter=data_converter,
        output=output,
    )


def import_(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="What `export` has written; - is stdin.", show_default=False)
    ],
    database: options.Database = options.DEFAULT_DATABASE,
) -> None:
    """Bring an exported run into this database, to be looked at.

    It comes as a run that has ended: no host goes on with it, and nothing is
    sent. It is refused where its workflow ID is there already.
    """
    from dalsegno.cli.histories import import_ as do

    do(file, database=database)


def testcase(
    workflow_id: options.WorkflowID,
    modules: options.Modules,
    run_id: options.RunID = None,
    database: options.Database = options.DEFAULT_DATABASE,
    redact: Redact = [],  # noqa: B006 - typer copies it
    data_converter: options.DataConverter = None,
    interceptor: options.Interceptors = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Where to write it.", file_okay=False, exists=True
        ),
    ] = Path(),
) -> None:
    """Write a test for pytest that fails as a workflow has: one that is
    suspended, or has failed. Its history is put beside it.

    MODULES have the code of the workflow, which the test imports.

    Example: dalsegno workflow testcase o-17 shop.orders -o tests --redact all
    """
    from dalsegno.cli.histories import testcase as do

    do(
        workflow_id,
        modules,
        run_id,
        database=database,
        redact=redact,
        data_converter=data_converter,
        interceptors=interceptor,
        folder=output,
    )
