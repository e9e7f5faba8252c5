"""Logging of commands that mostly say nothing: what it takes is loaded with the first line."""

from __future__ import annotations

import logging
import sys

from dalsegno._log import configure_at_first_line
from dalsegno.cli.options import Level


def configure_late(level: Level) -> None:
    """As `logs.configure`."""

    def configure() -> None:
        from dalsegno.cli import logs

        logs.configure(level)

    configure_at_first_line(configure_libraries(level), configure)


def configure_libraries(level: Level) -> int:
    """Those that log by themselves are heard from warnings on. Returns the level's number."""
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(
        level=max(number, logging.WARNING), stream=sys.stderr, format="%(name)s: %(message)s", force=True
    )
    # What these say of a lost connection is said once, and better, by our own log.
    for name in ("aiormq", "aio_pika", "pykka", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return number
