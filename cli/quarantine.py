"""`dalsegno workflow quarantine ...`: signals that the code could not take, and what is done about them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

import typer

from dalsegno.cli import options

app = typer.Typer(
    help="Signals that do not fit their handlers, or at which the code killed its host: look at them, try them "
    "again, edit or drop them.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

Number = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="Its number.", show_default=False)]


@app.command(name="list")
def list_(
    workflow_id: options.WorkflowID,
    run_id: options.RunID = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    data_converter: options.DataConverter = None,
    as_json: options.AsJson = False,
) -> None:
    """What is in a workflow's quarantine, and why."""
    from dalsegno.cli.output import moment, print_json, say, table

    found = _all(broker, timeout, workflow_id, run_id, data_converter)
    if as_json:
        print_json([_as_map(signal) for signal in found])
    elif not found:
        say(f"Nothing is in the quarantine of {workflow_id}.")
    else:
        rows = [
            [str(signal.number), signal.name, moment(signal.set_aside_at), signal.reason] for signal in found
        ]
        table(["number", "signal", "since (UTC)", "reason"], rows)


@app.command()
def show(
    workflow_id: options.WorkflowID,
    number: Number,
    run_id: options.RunID = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    data_converter: options.DataConverter = None,
) -> None:
    """One of them, with its arguments, as JSON."""
    from dalsegno.cli.output import print_json
    from dalsegno.errors import ConfigurationError

    for signal in _all(broker, timeout, workflow_id, run_id, data_converter):
        if signal.number == number:
            print_json(_as_map(signal))
            return
    raise ConfigurationError(f"Nothing is in the quarantine of {workflow_id} under the number {number}.")


@app.command()
def retry(
    workflow_id: options.WorkflowID,
    number: Number,
    run_id: options.RunID = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Give one to its handler again, such as after a deployment."""
    _do(
        broker,
        timeout,
        workflow_id,
        run_id,
        lambda handle: handle.retry_quarantined(number),
        f"given signal {number} again",
        as_json=as_json,
    )


@app.command()
def edit(
    workflow_id: options.WorkflowID,
    number: Number,
    inputs: options.Inputs = [],  # noqa: B006 - typer copies it
    run_id: options.RunID = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    data_converter: options.DataConverter = None,
    as_json: options.AsJson = False,
) -> None:
    """Give one other arguments, all of them; `retry` then gives it to its handler."""
    from dalsegno.cli.asking import values

    arguments = values(inputs)
    _do(
        broker,
        timeout,
        workflow_id,
        run_id,
        lambda handle: handle.edit_quarantined(number, *arguments),
        f"has signal {number} with other arguments in its quarantine",
        data_converter=data_converter,
        as_json=as_json,
    )


@app.command()
def drop(
    workflow_id: options.WorkflowID,
    number: Number,
    run_id: options.RunID = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Forget one."""
    _do(
        broker,
        timeout,
        workflow_id,
        run_id,
        lambda handle: handle.drop_quarantined(number),
        f"will not be given signal {number}",
        as_json=as_json,
    )


def _all(
    broker: str, timeout: float, workflow_id: str, run_id: str | None, data_converter: str | None
) -> Sequence[Any]:
    from dalsegno.cli import code
    from dalsegno.cli.asking import ask

    return ask(
        broker,
        timeout,
        lambda client: client.get_workflow_handle(workflow_id, run_id).quarantine(),
        code.data_converter(data_converter),
    )


def _do(
    broker: str,
    timeout: float,
    workflow_id: str,
    run_id: str | None,
    act: Callable[[Any], Awaitable[None]],
    done: str,
    *,
    as_json: bool,
    data_converter: str | None = None,
) -> None:
    from dalsegno.cli import code, workflows

    converter = code.data_converter(data_converter)
    workflows.command(broker, timeout, workflow_id, run_id, act, done, converter=converter, as_json=as_json)


def _as_map(signal: Any) -> dict[str, Any]:
    return {
        "number": signal.number,
        "name": signal.name,
        "set_aside_at": signal.set_aside_at,
        "reason": signal.reason,
        "args": None if signal.args is None else list(signal.args),
    }
