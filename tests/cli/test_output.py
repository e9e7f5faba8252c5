"""What people see: tables, ranges, and text that cannot speak to a terminal."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO, TextIOWrapper

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno.cli.output import as_json, moment, moment_after, plain, print_file, ranges, table
from dalsegno.payload import Payload


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("an ordinary name, ÄÖÜ 漢字 🎼", "an ordinary name, ÄÖÜ 漢字 🎼"),
        ("\x1b]0;x\x07", r"\x1b]0;x\x07"),
        ("two\nlines\tand a return\r", r"two\nlines\tand a return\r"),
        ("right\u202eleft", r"right\u202eleft"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("no\u00a0break", r"no\xa0break"),
        ("half a \ud83c pair", r"half a \ud83c pair"),
    ],
)
def test_characters_that_speak_to_terminals_are_shown_as_escapes(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(st.text())
def test_no_text_leaves_a_control_or_direction_character(text: str) -> None:
    assert all(unicodedata.category(c)[0] not in "CZ" or c == " " for c in plain(text))


def test_files_are_utf_8_whatever_the_terminal_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    written = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(written, encoding="ascii", errors="backslashreplace"))
    print_file("Süß\n")
    sys.stdout.flush()
    assert written.getvalue() == "Süß\n".encode()


@given(st.sets(st.integers(0, 30)))
def test_ranges_name_every_number_once(numbers: set[int]) -> None:
    named: list[int] = []
    for part in ranges(sorted(numbers)).split():
        first, _, last = part.partition("-")
        named += range(int(first), int(last or first) + 1)

    assert named == sorted(numbers)


def test_numbers_in_a_row_are_one_range() -> None:
    assert ranges([7, 0, 1, 2, 3, 9, 8]) == "0-3 7-9"


def test_payloads_are_shown_as_values_where_they_are_json_and_else_by_their_size() -> None:
    shown = as_json([Payload("json/plain", b'{"a": 1}'), Payload("binary/plain", b"\0\1")])

    assert json.loads(shown) == [{"a": 1}, {"encoding": "binary/plain", "bytes": 2}]


def test_moments_are_utc() -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)

    assert moment(int(noon.timestamp() * 1e6)) == "2026-11-20 12:00:00"
    assert moment(None) == ""


def test_a_time_of_the_same_day_is_shown_without_it() -> None:
    noon = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp() * 1e6)

    assert moment_after(noon + 61_000_000, noon) == "12:01:01"
    assert moment_after(noon + 86_400_000_000, noon) == "2026-11-21 12:00:00"
    assert moment_after(None, noon) == ""


def test_no_time_is_too_late_to_be_shown() -> None:
    assert moment(2**62) == "9999-12-31 23:59:59"


def test_a_table_in_a_file_is_aligned_and_never_folded(capsys: pytest.CaptureFixture[str]) -> None:
    table(["name", "reason"], [("a", "x" * 400), ("longer", None), ("[bold]", "y")])

    assert capsys.readouterr().out.splitlines() == [
        "name    reason",
        f"a       {'x' * 400}",
        "longer",
        "[bold]  y",
    ]


RUNS = ["workflow ID", "type", "status", "started (UTC)", "reason"]
RUN = (
    "order-4711-of-ann",
    "OrderWorkflow",
    "suspended",
    "2026-11-21 04:43:35",
    "the card was declined by its bank",
)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Have standard output be a terminal of so many columns."""

    def be(columns: int) -> None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        monkeypatch.setenv("COLUMNS", str(columns))

    return be


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 200])
def test_on_a_terminal_ids_times_and_statuses_stay_whole_and_no_line_is_longer_than_it(
    columns: int, terminal: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    terminal(columns)

    table(RUNS, [RUN, RUN])

    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert all(len(line) <= columns for line in lines)
    for cell in RUN[:-1]:
        assert sum(cell in line for line in lines) == 2
    for word in RUN[-1].split():
        assert sum(word in line.split() for line in lines) >= 2


def test_what_is_empty_takes_no_line_where_rows_are_blocks(
    terminal: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    terminal(40)

    table(RUNS, [("order-1", "OrderWorkflow", "running", "2026-11-21 04:43:35", None)])

    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()] == RUNS[:-1]


def test_a_reason_that_does_not_fit_beside_its_row_stands_beneath_it(
    terminal: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    terminal(80)

    table(RUNS, [RUN, (*RUN[:-1], "")])

    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["workflow ID", RUN[0], "", RUN[0]]
    assert lines[2] == f"    {RUN[-1]}"


def test_on_a_terminal_a_column_without_values_is_left_out(
    terminal: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    terminal(200)

    table(RUNS, [(*RUN[:-1], "")])

    assert "reason" not in capsys.readouterr().out
