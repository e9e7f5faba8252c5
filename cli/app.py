"""The commands of `dalsegno`. Each imports what it needs when it runs, so that help comes at once."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from dalsegno.cli import options
from dalsegno.cli.logs import configure
from dalsegno.cli.workflow_commands import app as workflow_app

HELP = """
Durable workflows on RabbitMQ and PostgreSQL, or on files of this machine.

To try it: [bold]dalsegno dev orders[/bold] runs a host and a worker for the module orders on files in
.dalsegno; in another terminal of the same folder,
[bold]dalsegno workflow start Order --id o-1 --input '{...}' --wait[/bold].

In production: [bold]dalsegno init[/bold] once, then as many [bold]dalsegno host[/bold] and
[bold]dalsegno worker[/bold] as you like, with DALSEGNO_BROKER and DALSEGNO_DATABASE set.

Exit codes: 0 done; 1 refused, or the workflow did not complete; 2 something must be mended (usage, URL,
password, tables, code); 3 something is not there just now (broker, database, answer).
"""

app = typer.Typer(
    name="dalsegno",
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(workflow_app, name="workflow")


@app.command()
def init(
    broker: options.Broker = options.DEFAULT_BROKER,
    database: options.Database = options.DEFAULT_DATABASE,
    partitions: Annotated[int, typer.Option(help="How far hosts can scale out; fixed for a namespace.")] = 16,
) -> None:
    """Create or upgrade a namespace: tables, exchanges, queues. Doing it again changes nothing."""
    from dalsegno.cli.namespace import initialise
    from dalsegno.cli.output import say

    namespace = initialise(broker, database, partitions)
    say(f"The namespace is there, with {namespace.partitions} partitions.")


@app.command()
def host(
    modules: options.Modules,
    broker: options.Broker = options.DEFAULT_BROKER,
    database: options.Database = options.DEFAULT_DATABASE,
    processes: Annotated[int, typer.Option(help="Host processes, each of which uses one core.")] = 1,
    lease_ttl: Annotated[
        float, typer.Option(help="Seconds after which a dead host's partitions go to others.")
    ] = 10.0,
    history_limit: Annotated[
        int, typer.Option(help="Journal rows that a run keeps behind its snapshot, for people.")
    ] = 10_000,
    json_task_queue: Annotated[
        list[str] | None, typer.Option(help="A task queue whose workers read JSON; repeatable.")
    ] = None,
    log_level: options.LogLevel = "info",
    log_format: options.LogFormat = "auto",
    idle_seconds: Annotated[
        float, typer.Option(hidden=True, help="After this time an idle workflow leaves memory; for tests.")
    ] = 10.0,
    child: Annotated[tuple[str, str, int] | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run workflows: a parent process that watches one host process per core.

    The parent kills and restarts a process whose workflow code does not yield. SIGTERM hands everything over
    to the other hosts and stops.
    """
    from dalsegno.actors.supervisor.child import Launch
    from dalsegno.actors.supervisor.settings import HostSettings
    from dalsegno.cli import serving

    configure(log_level, log_format)  # type: ignore[arg-type]  # checked by `run`
    settings = HostSettings(
        lease_ttl_seconds=lease_ttl,
        history_limit=history_limit,
        idle_seconds=idle_seconds,
        json_task_queues=frozenset(json_task_queue or ()),
    )
    if child is not None:
        serving.serve_host(modules, broker=broker, database=database, settings=settings, launch=Launch(*child))
        return
    serving.check_processes(processes, broker=broker, database=database)
    flags = ["--lease-ttl", str(lease_ttl), "--history-limit", str(history_limit)]
    flags += ["--idle-seconds", str(idle_seconds)]
    flags += [part for queue in json_task_queue or () for part in ("--json-task-queue", queue)]
    flags += ["--log-level", log_level, "--log-format", log_format]
    spec = serving.host_spec(modules, broker=broker, database=database, processes=processes, flags=flags)
    raise typer.Exit(serving.supervise([spec], database=database))


@app.command()
def worker(
    modules: options.Modules,
    broker: options.Broker = options.DEFAULT_BROKER,
    task_queue: Annotated[str, typer.Option(envvar="DALSEGNO_TASK_QUEUE")] = "default",
    concurrency: Annotated[int, typer.Option(help="Activities at one time.")] = 100,
    drain_seconds: Annotated[
        float, typer.Option(help="How long running activities may go on after SIGTERM.")
    ] = 20.0,
    log_level: options.LogLevel = "info",
    log_format: options.LogFormat = "auto",
) -> None:
    """Run activities of a task queue."""
    from dalsegno.cli import serving

    configure(log_level, log_format)  # type: ignore[arg-type]  # checked by `run`
    serving.serve_worker(
        modules, broker=broker, task_queue=task_queue, concurrency=concurrency, drain_seconds=drain_seconds
    )


@app.command()
def dev(
    modules: options.Modules,
    folder: Annotated[str, typer.Option("--dir", help="Where the files go.")] = options.FOLDER,
    task_queue: Annotated[str, typer.Option(envvar="DALSEGNO_TASK_QUEUE")] = "default",
    log_level: options.LogLevel = "warning",
    log_format: options.LogFormat = "auto",
) -> None:
    """A host and a worker on files of this machine, with nothing to install."""
    from dalsegno.cli import serving
    from dalsegno.cli.namespace import initialise
    from dalsegno.cli.output import say

    configure(log_level, log_format)  # type: ignore[arg-type]  # checked by `run`
    broker, database = f"embedded:{folder}/broker.db", f"sqlite:///{folder}/dalsegno.db"
    initialise(broker, database, 16)
    say(f"dalsegno runs {', '.join(modules)} on files in {folder}. Stop it with Ctrl-C.")
    say("In another terminal, in this folder:")
    say("    dalsegno workflow start TYPE --id ID --input JSON --wait")
    say("    dalsegno workflow list")
    logs = ["--log-level", log_level, "--log-format", log_format]
    specs = [
        serving.host_spec(modules, broker=broker, database=database, processes=1, flags=logs),
        serving.worker_spec(modules, broker=broker, flags=["--task-queue", task_queue, *logs]),
    ]
    raise typer.Exit(serving.supervise(specs, database=database))


@app.command()
def ping(
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Whether a host answers."""
    from dalsegno.cli import asking

    asking.ping(broker, timeout, as_json=as_json)


@app.command()
def hosts(
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """The live hosts and what they own."""
    from dalsegno.cli import asking

    asking.hosts(broker, timeout, as_json=as_json)


@app.command()
def partitions(
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Who owns which partition, and in which epoch."""
    from dalsegno.cli import asking

    asking.partitions(broker, timeout, as_json=as_json)


def run(arguments: list[str] | None = None) -> int:
    """Run one command line; the exit code."""
    command = typer.main.get_command(app)
    outcome: list[Any] = []

    def body() -> None:
        try:
            outcome.append(command.main(args=arguments, prog_name="dalsegno", standalone_mode=False))
        except typer.Exit as stop:
            outcome.append(stop.exit_code)
        except typer.Abort:
            outcome.append(130)
        except TyperException as error:
            error.show(sys.stderr)
            outcome.append(error.exit_code)

    from dalsegno.cli.failures import guarded

    exit_code = guarded(body)
    return exit_code or (outcome[0] if outcome and isinstance(outcome[0], int) else 0)
