"""Flags that several commands have; each can be given by the environment, too."""

from __future__ import annotations

from typing import Annotated

import typer

FOLDER = ".dalsegno"
DEFAULT_BROKER = f"embedded:{FOLDER}/broker.db"
DEFAULT_DATABASE = f"sqlite:///{FOLDER}/dalsegno.db"

Broker = Annotated[
    str,
    typer.Option(
        envvar="DALSEGNO_BROKER",
        help="amqp://user:password@host/vhost, or embedded:path/of/broker.db",
        show_default=True,
    ),
]
Database = Annotated[
    str,
    typer.Option(
        envvar="DALSEGNO_DATABASE",
        help="postgresql://user:password@host/database, or sqlite:///path/of/file.db",
        show_default=True,
    ),
]
Modules = Annotated[
    list[str],
    typer.Argument(
        envvar="DALSEGNO_MODULES",
        help="Modules with workflows and activities, as in an import.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="For machines: JSON, one document a line.")]
LogLevel = Annotated[
    str,
    typer.Option(envvar="DALSEGNO_LOG_LEVEL", help="debug, info, warning or error"),
]
LogFormat = Annotated[
    str,
    typer.Option(envvar="DALSEGNO_LOG_FORMAT", help="auto, console or json"),
]
WorkflowID = Annotated[str, typer.Argument(metavar="ID", help="The workflow ID.")]
RunID = Annotated[str | None, typer.Option("--run-id", help="That run instead of the current one.")]
Timeout = Annotated[float, typer.Option(envvar="DALSEGNO_TIMEOUT", help="Seconds to wait for an answer.")]
Inputs = Annotated[
    list[str],
    typer.Option("--input", "-i", metavar="JSON", help="An argument, as JSON; repeat it for several."),
]
