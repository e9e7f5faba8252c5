"""What people and machines see. Whatever comes from outside is shown without control characters, so that no
workflow ID can speak to a terminal."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

STATUS_COLOURS = {
    "running": "cyan",
    "suspended": "yellow",
    "compensating": "yellow",
    "completed": "green",
    "failed": "red",
    "canceled": "magenta",
    "terminated": "red",
    "timed_out": "red",
    "continued_as_new": "green",
}
LAST_SECOND = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
GAP_COLUMNS = 2
FOLDED_COLUMNS_MIN = 20
NOTES = frozenset({"reason"})
"""Columns that may stand beneath their rows."""
NOTE_INDENT = 4
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


def print_file(text: str) -> None:
    """What is to be kept as a file, which is UTF-8 whatever the encoding of the terminal."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(text)


def utc(microseconds: int) -> datetime:
    """A time since 1970; the year 9999 stands for all that come later."""
    return datetime.fromtimestamp(min(microseconds // 1_000_000, LAST_SECOND), UTC) + timedelta(
        microseconds=microseconds % 1_000_000
    )


def moment(microseconds: int | None) -> str:
    """A time for people: UTC, to the second."""
    return "" if microseconds is None else utc(microseconds).strftime("%Y-%m-%d %H:%M:%S")


def moment_after(microseconds: int | None, earlier: int) -> str:
    """As `moment`; of the same day as an earlier one it is the time alone."""
    shown, before = moment(microseconds), moment(earlier)
    day = len("2026-11-20 ")
    return shown[day:] if shown[:day] == before[:day] else shown


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
    import msgspec

    from dalsegno.payload import JSON_PLAIN, Payload
    from dalsegno.payload_codec import ENCRYPTED, in_words
    from dalsegno.search_attributes import AttributeValue, shown_value

    match value:
        case Payload():
            if value.encoding == JSON_PLAIN:
                return json.loads(value.data)
            if value.encoding.startswith(f"{ENCRYPTED}/"):
                return in_words(value)
            return {"encoding": value.encoding, "bytes": len(value.data)}
        case AttributeValue():
            shown = shown_value(value)
            return shown.isoformat() if isinstance(shown, datetime) else shown
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

    On a terminal, IDs, times and statuses stay whole, and columns without any value are left out. The last
    column is folded to fit, or put beneath its row where it does not fit beside it; where that leaves too
    little room, too, each row is a block of lines.
    """
    from rich.console import Console

    lines = [["" if cell is None else plain(cell) for cell in row] for row in rows]
    is_terminal = sys.stdout.isatty()
    console = Console(width=None if is_terminal else WIDTH_OF_FILES, highlight=False)
    if is_terminal and columns and lines:
        used = [number for number in range(len(columns)) if any(line[number] for line in lines)]
        columns, lines = [columns[n] for n in used], [[line[n] for n in used] for line in lines]
    if title:
        say(title)
    with console.capture() as drawn:
        beside_notes = [columns[:-1], *(line[:-1] for line in lines)]
        if not columns or _width_needed([columns, *lines]) <= console.width:
            console.print(_drawn(columns, lines))
        elif columns[-1] in NOTES and _width_needed(beside_notes) <= console.width:
            _print_with_notes(console, columns, lines)
        else:
            _print_blocks(console, columns, lines)
    for line in drawn.get().splitlines():
        print(line.rstrip())


def _print_with_notes(console: Console, columns: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    from rich.padding import Padding
    from rich.text import Text

    with console.capture() as whole:
        console.print(_drawn(columns[:-1], [line[:-1] for line in lines]))
    header, *drawn = whole.get().splitlines()
    console.out(header)
    for row, line in zip(drawn, lines, strict=True):
        console.out(row)
        if line[-1]:
            console.print(Padding(Text(line[-1]), (0, 0, 0, NOTE_INDENT)))


def _print_blocks(console: Console, columns: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    for number, cells in enumerate(lines):
        if number:
            console.print()
        facts = [fact for fact in zip(columns, cells, strict=True) if fact[1]]
        console.print(_drawn([], facts))


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
