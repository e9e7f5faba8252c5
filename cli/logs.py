"""Logging: structlog on standard error, for people on a terminal, as JSON lines elsewhere."""

from __future__ import annotations

import logging
import sys

import structlog

from dalsegno.cli.options import Format, Level
from dalsegno.cli.output import plain


def configure(level: Level, form: Format = "auto") -> None:
    """Libraries that log by themselves are heard from warnings on."""
    number = logging.getLevelNamesMapping()[level.upper()]
    for_people = form == "console" or (form == "auto" and sys.stderr.isatty())
    rendering: list[structlog.typing.Processor] = (
        [_without_control_characters, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if for_people
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(number, logging.WARNING), stream=sys.stderr, format="%(name)s: %(message)s")
    # What these say of a lost connection is said once, and better, by our own log.
    for name in ("aiormq", "aio_pika", "pykka", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _without_control_characters(
    logger: object, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """What is logged may come from outside, and must not speak to a terminal. JSON escapes it by itself."""
    return {key: plain(value) if isinstance(value, str) else value for key, value in event.items()}
