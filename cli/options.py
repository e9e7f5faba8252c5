"""Flags that several commands have. What says where things are can be given by the environment, too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from dalsegno.actors.supervisor.settings import SEEN_RETENTION_SECONDS_MAX, SEEN_RETENTION_SECONDS_MIN
from dalsegno.broker.held_bytes import HELD_BYTES_MIN
from dalsegno.broker.url import embedded_path
from dalsegno.errors import ConfigurationError
from dalsegno.priority import LEVELS, Priority

FOLDER = ".dalsegno"
DEFAULT_BROKER = f"embedded:{FOLDER}/broker.db"
DEFAULT_DATABASE = f"sqlite:///{FOLDER}/dalsegno.db"

EMBEDDED = "embedded:"


def is_embedded(broker: str) -> bool:
    return broker.lower().startswith(EMBEDDED)


def embedded_file(broker: str) -> Path:
    """The file of an embedded broker's URL. ConfigurationError if it names none."""
    return Path(embedded_path(broker.partition(":")[2]))


Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]

Broker = Annotated[
    str,
    typer.Option(
        envvar="DALSEGNO_BROKER",
        metavar="URL",
        help="amqp://user:pass@host/vhost, or embedded:path/to/file",
    ),
]
Database = Annotated[
    str,
    typer.Option(
        envvar="DALSEGNO_DATABASE",
        metavar="URL",
        help="postgresql://user:pass@host/db, or sqlite:///file",
    ),
]
StoredIn = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="DALSEGNO_DATABASE",
        metavar="URL",
        help="Read this database instead of asking a host. Of the environment it counts where no broker is "
        "given.",
        show_default=False,
    ),
]
Modules = Annotated[
    list[str],
    typer.Argument(
        envvar="DALSEGNO_MODULES",
        metavar="MODULES",
        help="Python modules as in an import (shop.orders), looked for in this folder first. They define or "
        "import the workflows and activities.",
        show_default=False,
    ),
]
DataConverter = Annotated[
    str | None,
    typer.Option(
        "--data-converter",
        envvar="DALSEGNO_DATA_CONVERTER",
        metavar="MODULE:ATTRIBUTE",
        help="The DataConverter of workflows, activities and clients (docs/payloads.md). All need the same.",
        show_default=False,
    ),
]
Interceptors = Annotated[
    list[str] | None,
    typer.Option(
        "--interceptor",
        metavar="MODULE:ATTRIBUTE",
        help="An interceptor of workflows and activities (docs/workers.md); repeat it, the outermost first.",
        show_default=False,
    ),
]
TaskQueue = Annotated[
    str, typer.Option(envvar="DALSEGNO_TASK_QUEUE", metavar="NAME", help="Whose activities it runs.")
]
SeenRetention = Annotated[
    float,
    typer.Option(
        min=SEEN_RETENTION_SECONDS_MIN,
        max=SEEN_RETENTION_SECONDS_MAX,
        envvar="DALSEGNO_SEEN_RETENTION",
        metavar="SECONDS",
        help="How long the message IDs of answered commands are remembered. All hosts need the same.",
    ),
]
HeldBytes = Annotated[
    int,
    typer.Option(
        min=HELD_BYTES_MIN,
        envvar="DALSEGNO_HELD_BYTES",
        metavar="BYTES",
        help="Of messages that it is not done with; a worker on the embedded broker only.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="For machines: JSON, one document a line.")]
LogLevel = Annotated[
    Level,
    typer.Option(
        envvar="DALSEGNO_LOG_LEVEL", metavar="LEVEL", help="debug, info, warning or error; to stderr."
    ),
]
LogFormat = Annotated[
    Format,
    typer.Option(
        envvar="DALSEGNO_LOG_FORMAT", metavar="FORMAT", help="console or json; auto: console on a terminal."
    ),
]
WaitTimeout = Annotated[
    float,
    typer.Option(
        min=0,
        envvar="DALSEGNO_TIMEOUT",
        metavar="SECONDS",
        help="How long to wait for an answer; given as a flag, also for what is waited for or followed.",
    ),
]
WorkflowID = Annotated[str, typer.Argument(metavar="ID", help="The workflow ID.", show_default=False)]
RunID = Annotated[
    str | None, typer.Option("--run-id", metavar="RUN", help="That run, instead of the current one.")
]
Timeout = Annotated[
    float,
    typer.Option(min=0, envvar="DALSEGNO_TIMEOUT", metavar="SECONDS", help="How long to wait for an answer."),
]
Inputs = Annotated[
    list[str],
    typer.Option(
        "--input",
        "-i",
        metavar="JSON",
        help="An argument as JSON, or @file; repeat it for several.",
        show_default=False,
    ),
]
PriorityLevel = Annotated[
    int | None,
    typer.Option(
        "--priority",
        min=LEVELS[0],
        max=LEVELS[-1],
        metavar="LEVEL",
        help="How urgent its activities are: 1 (most) to 5; 3 if not given.",
    ),
]


class Source(NamedTuple):
    """Whom a command asks that only looks: the hosts at a broker, or a database itself."""

    broker: str
    database: str | None


def source(context: typer.Context) -> Source:
    """For a command with Broker and StoredIn: a flag before the environment, and that before the default; in
    the environment the broker. ConfigurationError if both are flags."""
    ranks = {"COMMANDLINE": 2, "ENVIRONMENT": 1}
    given = {
        name: ranks.get(where.name, 0) if (where := context.get_parameter_source(name)) is not None else 0
        for name in ("broker", "database")
    }
    if given["broker"] == given["database"] == ranks["COMMANDLINE"]:
        raise ConfigurationError(
            "Give --broker, to ask a host, or --database, to read what is stored, but not both."
        )
    is_stored = given["database"] > given["broker"]
    return Source(context.params["broker"], context.params["database"] if is_stored else None)


def seconds_to_wait(context: typer.Context) -> float | None:
    """For a command with a WaitTimeout: when what is waited for is given up; None is never."""
    source = context.get_parameter_source("timeout")
    given = source is not None and source.name == "COMMANDLINE"
    return float(context.params["timeout"]) if given else None


def priority(level: int | None) -> Priority | None:
    return None if level is None else Priority(priority_key=level)
