"""`dalsegno incidents ...`: activities whose attempts are exhausted, and what becomes of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dalsegno.cli import options

if TYPE_CHECKING:
    from dalsegno.client import Client

app = typer.Typer(
    help="Activities that failed and wait for a person: look at them, try them again, complete or fail them.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

Number = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="Its number.", show_default=False)]


@app.command(name="list")
def list_(
    workflow_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Of this workflow alone.", show_default=False)
    ] = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    data_converter: options.DataConverter = None,
    as_json: options.AsJson = False,
) -> None:
    """What waits for a person, in all workflows or in one."""
    from dalsegno.cli.output import moment, print_json, say, table

    found = _all(broker, timeout, workflow_id, data_converter)
    if as_json:
        print_json([_as_map(workflow, incident) for workflow, incident in found])
    elif not found:
        say("No incident is open." if workflow_id is None else f"No incident of {workflow_id} is open.")
    else:
        rows = [
            [
                workflow,
                str(incident.number),
                incident.activity_type,
                str(incident.attempts),
                moment(incident.opened_at),
                _reason(incident),
            ]
            for workflow, incident in found
        ]
        table(["workflow", "number", "activity", "attempts", "since (UTC)", "last failure"], rows)


@app.command()
def show(
    workflow_id: options.WorkflowID,
    number: Number,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    data_converter: options.DataConverter = None,
) -> None:
    """One of them, with the activity's arguments and its last failure, as JSON."""
    from dalsegno.cli.output import print_json
    from dalsegno.errors import ConfigurationError

    for workflow, incident in _all(broker, timeout, workflow_id, data_converter):
        if incident.number == number:
            print_json(_as_map(workflow, incident))
            return
    raise ConfigurationError(
        f"Among the (first 100) open incidents of {workflow_id} there is none of the number {number}."
    )


@app.command()
def retry(
    workflow_id: Annotated[str | None, typer.Argument(metavar="[ID]", show_default=False)] = None,
    number: Annotated[int | None, typer.Argument(metavar="[NUMBER]", min=1, show_default=False)] = None,
    query: Annotated[
        str | None,
        typer.Option(
            "--query",
            "-q",
            metavar="FILTER",
            help="All of the workflows that fit, in place of ID and NUMBER; see docs/filters.md.",
        ),
    ] = None,
    run_id: options.RunID = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Have the activity tried again, from its first attempt, such as when what it needs is there again.

    Example: dalsegno incidents retry --query 'Type = "Order"'
    """
    from dalsegno.errors import ConfigurationError

    if query is not None and (workflow_id is not None or run_id is not None):
        raise ConfigurationError("Give either an ID and a NUMBER, or --query: not both.")
    if query is not None:
        _retry_all(broker, timeout, query, as_json=as_json)
        return
    if workflow_id is None or number is None:
        raise ConfigurationError("Say which: an ID and a NUMBER, or --query FILTER for all that fit.")
    _do(
        broker,
        timeout,
        workflow_id,
        run_id,
        lambda handle: handle.retry_incident(number),
        f"has the activity of incident {number} tried again",
        as_json=as_json,
    )


@app.command()
def complete(
    workflow_id: options.WorkflowID,
    number: Number,
    result: Annotated[
        str, typer.Option("--result", metavar="JSON", help="Its result, as JSON or @file.")
    ] = "null",
    run_id: options.RunID = None,
    data_converter: options.DataConverter = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Complete the activity with a result, as if it had done its work. What undoes a step is skipped so.

    Example: dalsegno incidents complete o-1 1 --result '"paid by phone"'
    """
    from dalsegno.cli.asking import value

    told = value(result, option="--result")
    _do(
        broker,
        timeout,
        workflow_id,
        run_id,
        lambda handle: handle.complete_incident(number, told),
        f"goes on with this result for incident {number}",
        as_json=as_json,
        data_converter=data_converter,
    )


@app.command()
def fail(
    workflow_id: options.WorkflowID,
    number: Number,
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="TEXT", help="The failure's message; its last failure if not given."),
    ] = None,
    type_: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="What the workflow knows the failure by.")
    ] = None,
    run_id: options.RunID = None,
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    data_converter: options.DataConverter = None,
    as_json: options.AsJson = False,
) -> None:
    """Give the activity up: its workflow is told that it has failed.

    Example: dalsegno incidents fail o-1 1 --reason "written off"
    """
    from dalsegno.errors import ApplicationError, ConfigurationError

    if reason is None and type_ is not None:
        raise ConfigurationError("--type is that of a failure of your own: give its --reason, too.")
    error = None if reason is None else ApplicationError(reason, type=type_)
    _do(
        broker,
        timeout,
        workflow_id,
        run_id,
        lambda handle: handle.fail_incident(number, error),
        f"has been told that the activity of incident {number} has failed",
        as_json=as_json,
        data_converter=data_converter,
    )


def _all(
    broker: str, timeout: float, workflow_id: str | None, data_converter: str | None
) -> Sequence[tuple[str, Any]]:
    from dalsegno.cli import code
    from dalsegno.cli.asking import ask

    async def found(client: Client) -> list[tuple[str, Any]]:
        if workflow_id is not None:
            handle = client.get_workflow_handle(workflow_id)
            return [(workflow_id, incident) for incident in await handle.incidents()]
        return [(one.workflow_id, one.incident) async for one in client.list_incidents()]

    return ask(broker, timeout, found, code.data_converter(data_converter))


def _retry_all(broker: str, timeout: float, query: str, *, as_json: bool) -> None:
    """Raises CommandRejectedError where some were refused; the others are tried again."""
    from dalsegno.cli.asking import ask
    from dalsegno.cli.output import print_json, say
    from dalsegno.errors import CommandRejectedError

    async def retry(client: Client) -> tuple[int, int]:
        again = refused = 0
        async for one in client.retry_incidents(query):
            number, what = one.incident.number, one.incident.activity_type
            again, refused = again + (one.refused is None), refused + (one.refused is not None)
            if as_json:
                print_json({"workflow_id": one.workflow_id, "number": number, "refused": one.refused})
            elif one.refused is None:
                say(f"{one.workflow_id}: has the activity of incident {number} ({what}) tried again")
            else:
                say(f"{one.workflow_id}: incident {number} ({what}) was refused: {one.refused}")
        return again, refused

    again, refused = ask(broker, timeout, retry)
    if refused:
        raise CommandRejectedError(f"{refused} of {again + refused} incidents were refused.")
    if not as_json and not again:
        say("No incident of a workflow that fits is open.")


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


def _reason(incident: Any) -> str:
    failure = incident.last_failure
    if failure is None:
        return ""
    return f"{failure.type}: {failure.message}" if failure.type else str(failure.message)


def _as_map(workflow_id: str, incident: Any) -> dict[str, Any]:
    return {
        "workflow_id": workflow_id,
        "number": incident.number,
        "activity_id": incident.activity_id,
        "activity_type": incident.activity_type,
        "task_queue": incident.task_queue,
        "attempts": incident.attempts,
        "opened_at": incident.opened_at,
        "last_failure": incident.last_failure,
        "args": None if incident.args is None else list(incident.args),
    }
