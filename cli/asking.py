"""Asking the engine: one connection, one question, one answer."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from dalsegno.broker.url import redact
from dalsegno.cli.logs import configure
from dalsegno.cli.options import embedded_file, is_embedded
from dalsegno.cli.output import plain
from dalsegno.client import Client
from dalsegno.errors import BrokerUnavailableError, ConfigurationError

T = TypeVar("T")

QUIET_SECONDS = 2.0
"""After this long somebody at a terminal is told why nothing happens."""


def ask(broker: str, timeout: float, question: Callable[[Client], Awaitable[T]]) -> T:
    """Connect, ask, disconnect."""
    configure("error")

    async def main() -> T:
        loop = asyncio.get_running_loop()
        hint = loop.call_later(QUIET_SECONDS, _tell_of_waiting, broker, timeout)
        async with Client.connect(broker, timeout=timeout) as client:
            hint.cancel()
            return await question(client)

    try:
        return asyncio.run(main())
    except BrokerUnavailableError as error:
        if is_embedded(broker) and not embedded_file(broker).exists():
            raise BrokerUnavailableError(_nothing_here(broker)) from error
        raise


def _tell_of_waiting(broker: str, seconds: float) -> None:
    if sys.stderr.isatty():
        what = f"a host on {plain(redact(broker))}" if is_embedded(broker) else "the broker"
        print(f"Waiting for {what}, {seconds:g} s at most ...", file=sys.stderr)


def _nothing_here(broker: str) -> str:
    return (
        f"There is no namespace in {embedded_file(broker).parent.absolute()}: start one with `dalsegno dev "
        "MODULES` in this folder, or name the broker with DALSEGNO_BROKER or --broker."
    )


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
