"""What people and machines see. Whatever comes from outside is shown without control characters, so that no
workflow ID can speak to a terminal."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from dalsegno.payload import JSON_PLAIN, Payload

STATUS_COLOURS = {
    "running": "cyan",
    "suspended": "yellow",
    "completed": "green",
    "failed": "red",
    "canceled": "magenta",
    "terminated": "red",
    "timed_out": "red",
}


def plain(text: object) -> str:
    """Text without control, direction or other invisible characters; they are shown as escapes."""
    return "".join(
        character
        if character == " " or not unicodedata.category(character).startswith(("C", "Z"))
        else character.encode("unicode_escape").decode()
        for character in str(text)
    )


def moment(microseconds: int | None) -> str:
    """A time for people: UTC, to the second."""
    if microseconds is None:
        return ""
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S")


def simple(value: Any) -> Any:
    """As JSON has it: payloads become their values where they are JSON, else their encoding and size."""
    match value:
        case Payload():
            if value.encoding == JSON_PLAIN:
                return json.loads(value.data)
            return {"encoding": value.encoding, "bytes": len(value.data)}
        case msgspec.Struct():
            return {name: simple(getattr(value, name)) for name in value.__struct_fields__}
        case Mapping():
            return {str(key): simple(item) for key, item in value.items()}
        case str() | int() | float() | bool() | None:
            return value
        case Iterable():
            return [simple(item) for item in value]
        case _:
            return msgspec.to_builtins(value)


def print_json(value: Any) -> None:
    """One document on one line."""
    print(json.dumps(simple(value), ensure_ascii=True, separators=(", ", ": ")), flush=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """For people. Statuses are coloured where the terminal can."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        cells = [plain("" if cell is None else cell) for cell in row]
        shown.add_row(*(Text(cell, style=STATUS_COLOURS.get(cell, "")) for cell in cells))
    width = None if sys.stdout.isatty() else 200
    Console(width=width, highlight=False).print(shown)


def say(text: str) -> None:
    """A line for people on standard output."""
    print(plain(text), flush=True)
