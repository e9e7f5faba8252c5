"""What people and machines see. Whatever comes from outside is shown without control characters, so that no
workflow ID can speak to a terminal."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from dalsegno.payload import JSON_PLAIN, Payload

if TYPE_CHECKING:
    from rich.table import Table

STATUS_COLOURS = {
    "running": "cyan",
    "suspended": "yellow",
    "completed": "green",
    "failed": "red",
    "canceled": "magenta",
    "terminated": "red",
    "timed_out": "red",
}
GAP_COLUMNS = 2
FOLDED_COLUMNS_MIN = 20
WIDTH_OF_FILES = 100_000
"""Tables are folded for a terminal, never in a file."""


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


def ranges(numbers: Sequence[int]) -> str:
    """0 1 2 3 7 as 0-3 7."""
    shown: list[list[int]] = []
    for number in sorted(numbers):
        if shown and number == shown[-1][-1] + 1:
            shown[-1] = [shown[-1][0], number]
        else:
            shown.append([number])
    return " ".join("-".join(map(str, part)) for part in shown)


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


def as_json(value: Any) -> str:
    """One document on one line. Escapes keep it safe to look at, too."""
    return json.dumps(simple(value), ensure_ascii=True)


def print_json(value: Any) -> None:
    print(as_json(value), flush=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> None:
    """For people. Statuses are coloured where the terminal can; without `columns` there is no header.

    The last column is folded to fit a terminal, no other is: IDs, times and statuses stay whole. Where that
    leaves too little room, each row is a block of lines.
    """
    from rich.console import Console

    lines = [["" if cell is None else plain(cell) for cell in row] for row in rows]
    console = Console(width=None if sys.stdout.isatty() else WIDTH_OF_FILES, highlight=False)
    stacked = bool(columns) and _width_needed([columns, *lines]) > console.width
    if title:
        say(title)
    with console.capture() as drawn:
        if stacked:
            for number, cells in enumerate(lines):
                if number:
                    console.print()
                facts = [fact for fact in zip(columns, cells, strict=True) if fact[1]]
                console.print(_drawn([], facts))
        else:
            console.print(_drawn(columns, lines))
    for line in drawn.get().splitlines():
        print(line.rstrip())


def _width_needed(lines: Sequence[Sequence[str]]) -> int:
    """Of a terminal: whole columns, and some room for the last."""
    from rich.cells import cell_len

    *whole, last = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    return sum(whole) + GAP_COLUMNS * len(whole) + min(last, FOLDED_COLUMNS_MIN)


def _drawn(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold", show_header=bool(columns))
    count = max(map(len, [columns, *lines]))
    for number in range(count):
        is_last = number == count - 1
        shown.add_column(columns[number] if columns else "", overflow="fold", no_wrap=not is_last)
    for cells in lines:
        shown.add_row(*(Text(cell, style=STATUS_COLOURS.get(cell, "")) for cell in cells))
    return shown


def say(text: str) -> None:
    """A line for people on standard output."""
    print(plain(text), flush=True)
