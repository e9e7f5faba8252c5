"""The commands of `dalsegno`. Each imports what it needs when it runs, so that help comes at once."""

from __future__ import annotations

import sys
from copy import copy
from typing import Annotated, Any

import typer

from dalsegno.actors.supervisor.settings import (
    LEASE_TTL_SECONDS_MAX,
    LEASE_TTL_SECONDS_MIN,
    SEEN_RETENTION_SECONDS,
)
from dalsegno.broker.held_bytes import HELD_BYTES
from dalsegno.cli import options
from dalsegno.cli.activity_commands import app as activity_app
from dalsegno.cli.conformance_commands import app as conformance_app
from dalsegno.cli.failures import command_line
from dalsegno.cli.incidents import app as incidents_app
from dalsegno.cli.namespace_commands import app as namespace_app
from dalsegno.cli.payload_commands import app as payload_app
from dalsegno.cli.quarantine import app as quarantine_app
from dalsegno.cli.schedule_commands import app as schedule_app
from dalsegno.cli.upgrade_commands import app as upgrade_app
from dalsegno.cli.verify_command import verify
from dalsegno.cli.why_command import why
from dalsegno.cli.workflow_commands import app as workflow_app

HELP = """
Durable workflows on RabbitMQ and PostgreSQL, or on files of this machine.

[bold]To try it[/bold], with workflows and activities in orders.py:
  dalsegno dev orders
and in another terminal of the same folder:
  dalsegno workflow start Order --id o-1 --input '{"item": "book"}' --follow

[bold]In production[/bold], with DALSEGNO_BROKER and DALSEGNO_DATABASE set:
  dalsegno init              once, and after each upgrade
  dalsegno host orders       as many as you like: runs workflows
  dalsegno worker orders     as many as you like: runs activities

[bold]Exit codes[/bold]
  0  done
  1  refused, or the workflow did not complete
  2  something must be mended: usage, URL, password, tables, code
  3  something is not there just now: broker, database, answer
  5  of [bold]why[/bold]: it is stuck
"""

app = typer.Typer(
    name="dalsegno",
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
workflow_app.add_typer(quarantine_app, name="quarantine")
app.add_typer(workflow_app, name="workflow")
app.add_typer(activity_app, name="activity")
app.add_typer(incidents_app, name="incidents")
app.add_typer(namespace_app, name="namespace")
app.add_typer(schedule_app, name="schedule")
app.add_typer(upgrade_app, name="upgrade")
app.add_typer(payload_app, name="payloads")
app.add_typer(conformance_app, name="conformance")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"dalsegno {version('dalsegno')}")
        raise typer.Exit


@app.callback()
def _main(
    _: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None: ...


@app.command()
def init(
    broker: options.Broker = options.DEFAULT_BROKER,
    database: options.Database = options.DEFAULT_DATABASE,
    partitions: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER", help="How far hosts can scale out: 16 if not given, and fixed once it is there."
        ),
    ] = None,
    accept_restored_database: Annotated[
        bool,
        typer.Option(
            "--accept-restored-database",
            help="Go on with a database that is older than its broker, as it is (docs/operating.md).",
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Upgrade the tables also under live hosts that will be refused at their next start."
        ),
    ] = False,
) -> None:
    """Create or upgrade a namespace: tables, exchanges, queues.

    Doing it again changes nothing. Do it after each upgrade of dalsegno, when all hosts
    are of the new version (docs/operating.md, "Upgrading").
    """
    from dalsegno.cli.logs import configure
    from dalsegno.cli.namespace import initialise
    from dalsegno.cli.output import say
    from dalsegno.cli.upgrading import sentences

    configure("error")
    accepted = {"accept_restored": accept_restored_database, "force": force}
    for sentence in sentences(initialise(broker, database, partitions, **accepted)):
        say(sentence)


@app.command()
def host(
    modules: options.Modules,
    broker: options.Broker = options.DEFAULT_BROKER,
    database: options.Database = options.DEFAULT_DATABASE,
    processes: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="Host processes; each can use one core.")
    ] = 1,
    lease_ttl: Annotated[
        float,
        typer.Option(
            min=LEASE_TTL_SECONDS_MIN,
            max=LEASE_TTL_SECONDS_MAX,
            metavar="SECONDS",
            help="After which a host that vanished has lost its work.",
        ),
    ] = 10.0,
    history_limit: Annotated[
        int, typer.Option(min=0, metavar="ROWS", help="History that a run keeps for people, behind a snapshot.")
    ] = 10_000,
    step_limit: Annotated[
        int,
        typer.Option(min=1, metavar="NUMBER", help="Activities and timers that a workflow may want at once."),
    ] = 10_000,
    seen_retention: options.SeenRetention = SEEN_RETENTION_SECONDS,
    held_bytes: options.HeldBytes = HELD_BYTES,
    json_task_queue: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A task queue whose workers read JSON; repeat it for several. All hosts need the same.",
        ),
    ] = None,
    data_converter: options.DataConverter = None,
    interceptor: options.Interceptors = None,
    patch_activation: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:FUNCTION",
            help="Whether a patch counts for a run that comes to it (docs/changing-code.md).",
            show_default=False,
        ),
    ] = None,
    start_seconds: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="How long a process may need to import the modules.")
    ] = 600.0,
    log_level: options.LogLevel = "info",
    log_format: options.LogFormat = "auto",
    idle_seconds: Annotated[
        float, typer.Option(hidden=True, help="After this time an idle workflow leaves memory; for tests.")
    ] = 10.0,
    child: Annotated[tuple[str, str, int] | None, typer.Option(hidden=True)] = None,
    tell_news: Annotated[bool, typer.Option("--tell-news", hidden=True)] = False,
) -> None:
    """Run workflows: a parent process that watches one host process per core.

    All hosts of a namespace need the same modules: which host runs a workflow
    follows from its ID, not from its type.

    Each host prints a line that begins with [bold]ready:[/bold] when it consumes its
    share of the partitions, and waits for broker and database if they are not
    there yet. The parent starts a process anew that died, or whose workflow
    code does not yield.

    SIGTERM or Ctrl-C hands everything over to the other hosts and ends
    within ten seconds; a second one ends at once.

    Example: dalsegno host shop.orders --processes 2
    """
    from dalsegno.actors.supervisor.parent.child import Launch
    from dalsegno.actors.supervisor.settings import HostSettings
    from dalsegno.cli import serving
    from dalsegno.cli.logs import configure_service

    configure_service(log_level, log_format, tells_news=tell_news)
    settings = HostSettings(
        lease_ttl_seconds=lease_ttl,
        history_limit=history_limit,
        step_limit=step_limit,
        seen_retention_seconds=seen_retention,
        held_bytes=held_bytes,
        idle_seconds=idle_seconds,
        json_task_queues=frozenset(json_task_queue or ()),
    )
    if child is not None:
        serving.serve_host(
            modules,
            broker=broker,
            database=database,
            data_converter=data_converter,
            interceptors=interceptor,
            patch_activation=patch_activation,
            settings=settings,
            launch=Launch(*child),
        )
        return
    serving.check_processes(processes, broker=broker, database=database)
    flags = ["--lease-ttl", str(lease_ttl), "--history-limit", str(history_limit)]
    flags += ["--step-limit", str(step_limit), "--held-bytes", str(held_bytes)]
    flags += ["--seen-retention", str(seen_retention), "--idle-seconds", str(idle_seconds)]
    flags += [part for queue in json_task_queue or () for part in ("--json-task-queue", queue)]
    flags += ["--log-level", log_level, "--log-format", log_format]
    flags += serving.converter_flags(data_converter, interceptor)
    flags += [] if patch_activation is None else ["--patch-activation", patch_activation]
    spec = serving.host_spec(modules, broker=broker, database=database, processes=processes, flags=flags)
    raise typer.Exit(serving.supervise([spec], database=database, start_seconds=start_seconds))


@app.command()
def worker(
    modules: options.Modules,
    broker: options.Broker = options.DEFAULT_BROKER,
    task_queue: options.TaskQueue = "default",
    concurrency: Annotated[int, typer.Option(min=1, metavar="NUMBER", help="Activities at one time.")] = 100,
    drain_seconds: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long activities may go on after SIGTERM.")
    ] = 20.0,
    data_converter: options.DataConverter = None,
    interceptor: options.Interceptors = None,
    held_bytes: options.HeldBytes = HELD_BYTES,
    log_level: options.LogLevel = "info",
    log_format: options.LogFormat = "auto",
    child_of: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run activities of a task queue.

    It prints a line that begins with [bold]ready:[/bold] when it takes tasks, and
    waits for the broker if it is not there yet. SIGTERM or Ctrl-C lets
    running activities finish; a second one ends at once.

    Example: dalsegno worker shop.orders --task-queue billing --concurrency 20
    """
    from dalsegno.cli import serving
    from dalsegno.cli.logs import configure_service

    configure_service(log_level, log_format)
    serving.serve_worker(
        modules,
        broker=broker,
        task_queue=task_queue,
        data_converter=data_converter,
        interceptors=interceptor,
        concurrency=concurrency,
        drain_seconds=drain_seconds,
        held_bytes=held_bytes,
        parent_pid=child_of,
    )


@app.command()
def dev(
    modules: options.Modules,
    folder: Annotated[
        str, typer.Option("--dir", metavar="FOLDER", help="Where its files go.")
    ] = options.FOLDER,
    task_queue: options.TaskQueue = "default",
    data_converter: options.DataConverter = None,
    interceptor: options.Interceptors = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Begin anew with each change of a Python file in this folder.")
    ] = False,
    log_level: options.LogLevel = "warning",
    log_format: options.LogFormat = "auto",
) -> None:
    """A host and a worker on files of this machine, with nothing to install.

    A second one on the same files waits for the first to end. With [bold]--reload[/bold],
    workflows that are open go on with the new code; code that cannot be
    imported is told, and the code before goes on.

    Example: dalsegno dev shop.orders --reload
    """
    from dalsegno.cli import serving
    from dalsegno.cli.development import develop
    from dalsegno.cli.logs import configure_service

    configure_service(log_level, log_format)
    flags = ["--log-level", log_level, "--log-format", log_format]
    flags += serving.converter_flags(data_converter, interceptor)
    raise typer.Exit(
        develop(
            modules,
            folder=folder,
            task_queue=task_queue,
            data_converter=data_converter,
            interceptors=interceptor,
            flags=flags,
            reload=reload,
        )
    )


@app.command(hidden=True)
def check(
    modules: options.Modules,
    data_converter: options.DataConverter = None,
    interceptor: options.Interceptors = None,
) -> None:
    """Import modules and say what is wrong with them: what `dev --reload` runs before it begins anew."""
    from dalsegno.cli import code
    from dalsegno.cli.logs import configure

    configure("error")
    code.workflows_in(code.load(modules, warn=False))
    code.data_converter(data_converter)
    code.interceptors(interceptor)


@app.command()
def ping(
    broker: options.Broker = options.DEFAULT_BROKER,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Whether a host answers."""
    from dalsegno.cli import cluster

    cluster.ping(broker, timeout, as_json=as_json)


@app.command()
def hosts(
    context: typer.Context,
    broker: options.Broker = options.DEFAULT_BROKER,
    database: options.StoredIn = None,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """The live hosts and what they own."""
    from dalsegno.cli import cluster

    cluster.hosts(options.source(context), timeout, as_json=as_json)


@app.command()
def partitions(
    context: typer.Context,
    broker: options.Broker = options.DEFAULT_BROKER,
    database: options.StoredIn = None,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Who owns which partition, and in which epoch."""
    from dalsegno.cli import cluster

    cluster.partitions(options.source(context), timeout, as_json=as_json)


@app.command()
def deadlines(
    context: typer.Context,
    at_risk: Annotated[
        bool, typer.Option("--at-risk", help="Those alone that are at risk now, or overdue.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, metavar="NUMBER", help="How many at most.")] = 50,
    broker: options.Broker = options.DEFAULT_BROKER,
    database: options.StoredIn = None,
    timeout: options.Timeout = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Open deadlines of workflows, in the order in which they are at risk.

    Example: dalsegno deadlines --at-risk
    """
    from dalsegno.cli.deadlines import list_

    list_(options.source(context), timeout, at_risk=at_risk, limit=limit, as_json=as_json)


app.command()(why)
app.command()(verify)


def run(arguments: list[str] | None = None) -> int:
    """Run one command line; the exit code."""
    command = typer.main.get_command(_needed(sys.argv[1:] if arguments is None else arguments))
    _show_flags_without_values(command)
    return command_line(command, arguments)


def _needed(arguments: list[str]) -> typer.Typer:
    """The command, or the group of commands, that is named first, and none of the others, which take a tenth of
    a second to make; all, where it is none of them: they are listed then."""
    name = arguments[0] if arguments else ""
    commands = [one for one in app.registered_commands if name in (one.name, _called(one.callback))]
    groups = [one for one in app.registered_groups if one.name == name]
    if not commands and not groups:
        return app
    needed = copy(app)
    needed.registered_commands, needed.registered_groups = commands, groups
    return needed


def _called(callback: Any) -> str:
    return getattr(callback, "__name__", "").replace("_", "-")


def _show_flags_without_values(command: Any) -> None:
    """In help typer shows `--json <bool>`, as if one were to write `--json true`."""
    for parameter in command.get_params(typer.Context(command)):
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    for inner in getattr(command, "commands", {}).values():
        _show_flags_without_values(inner)
