"""Asking the engine: one connection, one question, one answer."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from dalsegno.cli.logs import configure
from dalsegno.cli.output import plain
from dalsegno.client import Client
from dalsegno.errors import ConfigurationError

T = TypeVar("T")

QUIET_SECONDS = 2.0
"""After this long somebody at a terminal is told why nothing happens."""


def ask(broker: str, timeout: float, question: Callable[[Client], Awaitable[T]]) -> T:
    """Connect, ask, disconnect."""
    configure("error")

    async def main() -> T:
        loop = asyncio.get_running_loop()
        hint = loop.call_later(QUIET_SECONDS, _tell_of_waiting, timeout)
        async with Client.connect(broker, timeout=timeout) as client:
            hint.cancel()
            return await question(client)

    return asyncio.run(main())


def _tell_of_waiting(seconds: float) -> None:
    if sys.stderr.isatty():
        print(f"Waiting for the broker, {seconds:g} s at most (Ctrl-C stops it) ...", file=sys.stderr)


def values(inputs: Sequence[str]) -> list[Any]:
    """Arguments given as JSON, or as @file. ConfigurationError says which is none, without quoting it."""
    return [_value(number, text) for number, text in enumerate(inputs, start=1)]


def _value(number: int, text: str) -> Any:
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise ConfigurationError(f"--input {number}: cannot read {plain(text[1:])}: {reason}.") from error
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"--input {number} is not JSON ({error}); a text needs quotes of its own: --input '\"text\"'."
        ) from error
