"""A row that holds what none of ours does: it is named, not quoted, and hides no other.

In SQLite, which lets any hand write anything.
"""

from __future__ import annotations

import sqlite3
import traceback
from collections.abc import Callable
from contextlib import closing

import pytest
from msgspec.structs import replace

from dalsegno._log import flush
from dalsegno.errors import UnreadableRowError
from dalsegno.persistence.port import Aside, MailRow, Remains, Writer
from dalsegno.persistence.reader_port import Reader
from dalsegno.persistence.url import parse_url
from tests.partition_ids import FIRST
from tests.persistence.rounds import creation, opened, round_of, run_of

pytestmark = pytest.mark.usefixtures("host")

SECRET = "the customer's secret"
QUOTED = "'" + SECRET.replace("'", "''") + "'"
NO_TEXT = f"CAST(x'ff{SECRET.encode().hex()}' AS TEXT)"

Damage = Callable[[str, str], None]


@pytest.fixture
def kind() -> str:
    return "sqlite"


@pytest.fixture
def damage(writer: Writer, sqlite_url: str) -> Damage:
    """Two workflows, `good` and `bad`; give all of a table's rows of the second another value in a column."""
    writer.commit(round_of(*(creation(name, opened=(opened(name, run_of(name)),)) for name in ("good", "bad"))))

    def change(column: str, value: str) -> None:
        table, _, name = column.partition(".")
        with closing(sqlite3.connect(parse_url(sqlite_url).path)) as connection, connection:
            connection.execute(f"UPDATE {table} SET {name} = {value} WHERE workflow_id = 'bad'")

    return change


def fault_of(read: Callable[[], object]) -> str:
    with pytest.raises(UnreadableRowError) as caught:
        read()
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def test_an_instance_with_a_status_that_does_not_exist_is_named(reader: Reader, damage: Damage) -> None:
    damage("instances.status", QUOTED)
    fault = fault_of(lambda: reader.load(["good", "bad"]))
    assert "'bad'" in fault
    assert "instances" in fault
    assert reader.load(["good"])[0].instance is not None


def test_a_run_with_a_status_that_does_not_exist_is_named(reader: Reader, damage: Damage) -> None:
    damage("runs.status", QUOTED)
    for read in (lambda: reader.load_run(run_of("bad")), lambda: reader.run("bad", None)):
        assert run_of("bad") in fault_of(read)
    assert reader.load_run(run_of("good")) is not None


def test_a_run_that_cannot_be_read_hides_no_other_in_a_list(
    reader: Reader, damage: Damage, capfd: pytest.CaptureFixture[str]
) -> None:
    damage("runs.status", QUOTED)
    listed, _ = reader.runs()
    assert [run.workflow_id for run in listed] == ["good"]
    first, cursor = reader.runs(limit=1)
    second, end = reader.runs(limit=1, before=cursor)
    assert [run.workflow_id for run in [*first, *second]] == ["good"]
    assert end is None
    assert flush()
    told = capfd.readouterr().out
    assert "'bad'" in told
    assert SECRET not in told


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(
            (name, f"x'ff{SECRET.encode().hex()}'")
            for name in ("workflow_type", "task_queue", "reason", "status")
        ),
        *((name, value) for name in ("started_at", "closed_at") for value in (QUOTED, "1.5", "x'ff'")),
        ("run_id", "x'ff'"),
    ],
)
def test_a_run_of_whose_columns_one_is_of_another_type_hides_no_other_and_goes_to_nobody(
    reader: Reader, damage: Damage, column: str, value: str, capfd: pytest.CaptureFixture[str]
) -> None:
    damage(f"runs.{column}", value)
    assert [run.workflow_id for run in reader.runs()[0]] == ["good"]
    listed: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        page, cursor = reader.runs(limit=1, before=cursor)
        listed += [run.workflow_id for run in page]
        if cursor is None:
            break
    assert (listed, cursor) == (["good"], None)
    if column != "run_id":  # its instance names none of these then
        assert "'bad'" in fault_of(lambda: reader.run("bad", None))
    assert flush()
    told = capfd.readouterr().out
    assert "'bad'" in told
    assert SECRET not in told


def test_a_text_that_is_none_is_named_by_its_column(reader: Reader, damage: Damage) -> None:
    damage("instances.run_id", NO_TEXT)
    assert "run_id" in fault_of(lambda: reader.load(["bad"]))
    assert reader.load(["good"])[0].instance is not None


@pytest.mark.parametrize(
    ("column", "value"),
    [("runs.reason", NO_TEXT), ("runs.started_at", QUOTED), ("runs.workflow_type", "x'ff'")],
    ids=["no text", "no number", "bytes"],
)
def test_of_a_run_that_cannot_be_read_remain_the_numbers_of_its_mail_and_nothing_that_would_be_stored_again(
    writer: Writer, reader: Reader, damage: Damage, column: str, value: str
) -> None:
    kept = MailRow(workflow_id="bad", slot=0, number=7, time=0, message=b"message")
    writer.commit(replace(round_of(epochs={FIRST: 1}), asides=(Aside(partition=FIRST, mail=(kept,)),)))
    damage(column, value)
    assert reader.remains("bad") == Remains(last_mail=7)
    assert reader.remains("good").run is not None


def test_bytes_for_a_run_id_are_a_run_without_rows(reader: Reader, damage: Damage) -> None:
    damage("instances.run_id", "x'ff00'")
    good, bad = reader.load(["good", "bad"])
    assert good.instance is not None
    assert bad.instance is not None
    assert (bad.instance.journal, bad.instance.snapshot) == ((), None)
