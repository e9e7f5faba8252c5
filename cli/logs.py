"""Logging: structlog on standard error, for people on a terminal, as JSON lines elsewhere."""

from __future__ import annotations

import logging
import sys

import structlog

from dalsegno.cli import news, streams
from dalsegno.cli.late_logs import configure_libraries
from dalsegno.cli.options import Format, Level
from dalsegno.cli.output import plain


def configure_service(level: Level, form: Format = "auto", *, tells_news: bool = False) -> None:
    """For hosts, workers and their parents: whatever becomes of standard output and error, they go on."""
    streams.outlive()
    configure(level, form, tells_news=tells_news)


def configure(level: Level, form: Format = "auto", *, tells_news: bool = False) -> None:
    """Libraries that log by themselves are heard from warnings on. With `tells_news` what `news` knows of is
    said in sentences."""
    number = configure_libraries(level)
    for_people = form == "console" or (form == "auto" and sys.stderr.isatty())
    rendering: list[structlog.typing.Processor] = (
        [_without_control_characters, _console()]
        if for_people
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    filtering: list[structlog.typing.Processor] = []
    if tells_news and form != "json":
        filtering = [news.unless_news(number)]
        rendering = [*rendering[:-1], news.rendered(rendering[-1])]
    structlog.configure(
        processors=[
            *filtering,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(min(number, logging.INFO) if filtering else number),
        logger_factory=_Lines,
        cache_logger_on_first_use=True,
    )


def _console() -> structlog.dev.ConsoleRenderer:
    """Tracebacks without the local variables of each frame: arguments that were decrypted, passwords, keys."""
    colors = sys.stderr.isatty()
    traceback = structlog.dev.RichTracebackFormatter(
        color_system="truecolor" if colors else None, show_locals=False
    )
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=traceback)


def _without_control_characters(
    logger: object, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """What is logged may come from outside, and must not speak to a terminal. JSON escapes it by itself."""
    return {key: plain(value) if isinstance(value, str) else value for key, value in event.items()}


class _Lines:
    """What structlog writes to. Called by the log's own thread (see `dalsegno._log`), which may wait. It goes
    beneath Python's stream, whose buffer keeps what could not be written, and whose lock a thread that is stuck
    would hold while the interpreter ends."""

    def __init__(self, *names: str) -> None:
        """Names of loggers are not shown."""

    def msg(self, line: str) -> None:
        streams.write_all(streams.STANDARD_ERROR, f"{line}\n".encode(errors="backslashreplace"))

    debug = info = warning = error = critical = msg
