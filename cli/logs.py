"""Logging: structlog on standard error, for people on a terminal, as JSON lines elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog

LogFormat = Literal["auto", "console", "json"]


def configure(level: str, form: LogFormat = "auto") -> None:
    """`level` is one of structlog's names. Libraries that log by themselves are heard from warnings on."""
    number = logging.getLevelNamesMapping()[level.upper()]
    on_terminal = form == "console" or (form == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if on_terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            *([] if on_terminal else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(number, logging.WARNING), stream=sys.stderr, format="%(name)s: %(message)s")
    # What these say of a lost connection is said once, and better, by our own log.
    for name in ("aiormq", "aio_pika", "pykka", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
