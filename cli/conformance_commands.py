"""`dalsegno conformance ...`: whether a worker in another language keeps the wire protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dalsegno.cli import options

if TYPE_CHECKING:
    from dalsegno.conformance import Judgement

app = typer.Typer(name="conformance", help="Whether others keep the wire protocol.", no_args_is_help=True)


@app.callback()
def conformance() -> None:
    """Whether others keep the wire protocol."""


@app.command()
def worker(
    broker: options.Broker = options.DEFAULT_BROKER,
    task_queue: options.TaskQueue = "default",
    content_type: Annotated[
        Literal["json", "cbor"], typer.Option(help="json or cbor: how tasks are written.", metavar="FORMAT")
    ] = "json",
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="POINT", help="Ask this point alone; repeat it for several.", show_default=False),
    ] = None,
    patience: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="How long to wait for what is to come.")
    ] = 30.0,
    as_json: options.AsJson = False,
) -> None:
    """Drive a worker, in whatever language, through what docs/protocol-worker.md asks of it.

    Start the worker with the activities that the protocol names under
    "Conformance", as the only one on the task queue, on a virtual host that no
    host serves: the trial plays the host. What a worker must do and does not
    is a failure; what it should do, a warning.

    Exit codes: 0 it keeps the protocol; 1 it fails a point; 2 something must be
    mended (URL, no worker, a host is there); 3 the broker is not there just now.

    Example: dalsegno conformance worker --task-queue payments
    """
    from dalsegno.cli.failures import FAILED
    from dalsegno.cli.output import print_json, say
    from dalsegno.cli.trials import selected, tried

    def show(verdict: Judgement) -> None:
        point = verdict.point
        if as_json:
            level = point.level.value
            met = verdict.trouble is None
            print_json({"point": point.name, "level": level, "met": met, "trouble": verdict.trouble})
            return
        word = "FAILS  " if verdict.fails else "warning" if verdict.trouble else "ok     "
        say(f"{word}  {point.name} ({point.level.value}): {point.claim}")
        if verdict.trouble:
            say(f"         {verdict.trouble} See {point.section}.")

    verdicts = tried(
        broker,
        task_queue,
        content_type=f"application/{content_type}",
        points=selected(only),
        patience=patience,
        on_verdict=show,
    )
    fails = sum(verdict.fails for verdict in verdicts)
    warnings = sum(verdict.trouble is not None for verdict in verdicts) - fails
    if not as_json:
        met = len(verdicts) - fails - warnings
        say(f"{len(verdicts)} points: {met} met, {fails} failed, {warnings} warnings.")
    if fails:
        raise typer.Exit(FAILED)
