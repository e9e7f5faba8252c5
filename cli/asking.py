"""Asking the engine: one connection, one question, one answer."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from dalsegno.broker.redaction import redact
from dalsegno.cli.late_logs import configure_late
from dalsegno.cli.options import DEFAULT_BROKER, DEFAULT_DATABASE, Source, embedded_file, is_embedded
from dalsegno.cli.output import plain
from dalsegno.client import Client, Looking, NoAnswerError
from dalsegno.data_converter import DataConverter
from dalsegno.errors import BrokerUnavailableError, ConfigurationError

T = TypeVar("T")

QUIET_SECONDS = 2.0
"""After this long somebody at a terminal is told why nothing happens."""


def ask(
    broker: str,
    timeout: float,
    question: Callable[[Client], Awaitable[T]],
    converter: DataConverter = DataConverter.default,
) -> T:
    """Connect, ask, disconnect."""
    configure_late("error")

    async def main() -> T:
        loop = asyncio.get_running_loop()
        hint = loop.call_later(QUIET_SECONDS, _tell_of_waiting, broker, timeout)
        async with Client.connect(broker, data_converter=converter, timeout=timeout) as client:
            hint.cancel()
            return await question(client)

    try:
        return asyncio.run(main())
    except BrokerUnavailableError as error:
        if is_embedded(broker) and not embedded_file(broker).exists():
            raise BrokerUnavailableError(_nothing_here(broker)) from error
        raise


class NotEndedError(NoAnswerError):
    """There are answers, but not the end that was waited for."""


def look(
    source: Source,
    timeout: float,
    question: Callable[[Looking], Awaitable[T]],
    converter: DataConverter = DataConverter.default,
) -> T:
    """As `ask`, for questions that rows can answer, too."""
    if source.database is not None:
        return _look_at_rows(source.database, timeout, question, converter)
    try:
        return ask(source.broker, timeout, question, converter)
    except NotEndedError:
        raise
    except (NoAnswerError, BrokerUnavailableError) as error:
        if is_embedded(source.broker) and not embedded_file(source.broker).exists():
            raise
        url = DEFAULT_DATABASE if source.broker == DEFAULT_BROKER else "URL"
        hint = f"What is stored can be read without a host: --database {url}."
        raise type(error)(f"{error} {hint}") from error


def _look_at_rows(
    database: str, timeout: float, question: Callable[[Looking], Awaitable[T]], converter: DataConverter
) -> T:
    from dalsegno.cli.stored import StoredEngine

    configure_late("error")

    async def main() -> T:
        hint = asyncio.get_running_loop().call_later(
            QUIET_SECONDS, _tell_of_waiting_for, "the database", timeout
        )
        engine = StoredEngine(database, timeout, converter)
        try:
            return await question(Looking(engine))
        finally:
            hint.cancel()
            engine.close()

    return asyncio.run(main())


def _tell_of_waiting(broker: str, seconds: float) -> None:
    what = f"a host on {plain(redact(broker))}" if is_embedded(broker) else "the broker"
    _tell_of_waiting_for(what, seconds)


def _tell_of_waiting_for(what: str, seconds: float) -> None:
    if sys.stderr.isatty():
        print(f"Waiting for {what}, {seconds:g} s at most ...", file=sys.stderr)


def _nothing_here(broker: str) -> str:
    return (
        f"There is no namespace in {embedded_file(broker).parent.absolute()}: start one with `dalsegno dev "
        "MODULES` in this folder, or name the broker with DALSEGNO_BROKER or --broker."
    )


def values(inputs: Sequence[str], *, option: str = "--input") -> list[Any]:
    """Arguments given as JSON, or as @file. ConfigurationError says which is none, without quoting it."""
    return [_value(f"{option} {number}", text, option) for number, text in enumerate(inputs, start=1)]


def value(text: str, *, option: str) -> Any:
    """As `values`, of an option that is given once."""
    return _value(option, text, option)


def _value(which: str, text: str, option: str) -> Any:
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise ConfigurationError(f"{which}: cannot read {plain(text[1:])}: {reason}.") from error
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ConfigurationError(f"{which} is nested more deeply than can be sent.") from error
    except ValueError as error:
        raise ConfigurationError(
            f"{which} is not JSON ({error}); a text needs quotes of its own: {option} '\"text\"'."
        ) from error
