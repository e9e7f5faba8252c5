"""Whole namespaces with real histories, on both databases, through the command line."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from dalsegno.actors.workflow_actor.activities import events as act
from dalsegno.actors.workflow_actor.run import events as ev
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.stored.snapshots import checksum
from dalsegno.cli.app import run
from dalsegno.cli.failures import FAILED
from dalsegno.cli.failures import NEWER as NEWER_EXIT
from dalsegno.persistence.tables import instances, journal, leases, meta, runs, snapshots
from tests.verification.conftest import AGAIN, GOOD, OPEN, SIGNALS, opened

Plant = Callable[[sa.Connection], str | None]
"""It spoils something, and answers with the workflow ID where that must be found; None when it is of none."""


@dataclass
class Verified:
    exit_code: int
    findings: list[dict[str, Any]]
    summary: dict[str, Any]
    text: str

    @property
    def places(self) -> set[tuple[str, str | None]]:
        return {(finding["finding"], finding["workflow_id"]) for finding in self.findings}


@pytest.fixture
def verified(capsys: pytest.CaptureFixture[str]) -> Callable[..., Verified]:
    def verified(url: str, *flags: str) -> Verified:
        exit_code = run(["verify", "--database", url, "--json", *flags])
        text = capsys.readouterr().out
        *findings, last = [json.loads(line) for line in text.splitlines()]
        return Verified(exit_code, findings, last["summary"], text)

    return verified


def test_real_histories_are_sound(traded_url: str, verified: Callable[..., Verified]) -> None:
    with opened(traded_url) as connection:
        stored = connection.scalar(sa.select(sa.func.count()).select_from(journal))
        trimmed = connection.scalar(sa.select(sa.func.min(journal.c.sequence)).where(_of(OPEN)))
    result = verified(traded_url)
    assert result.text.splitlines()[:-1] == []
    assert result.exit_code == 0
    assert result.summary["rows"] == stored
    assert result.summary["runs"] == len(GOOD) + 8
    assert trimmed and trimmed > 1, "a trimmed journal was to be among them"


@pytest.mark.parametrize("batch", [1, 7, 64, 500])
def test_real_histories_are_sound_in_batches_of_any_size(
    traded_url: str, verified: Callable[..., Verified], batch: int
) -> None:
    whole, parts = verified(traded_url), verified(traded_url, "--batch", str(batch))
    assert parts.exit_code == 0
    assert (parts.summary["runs"], parts.summary["rows"]) == (whole.summary["runs"], whole.summary["rows"])


def test_a_namespace_in_which_nothing_has_happened_is_sound(
    empty_url: str, verified: Callable[..., Verified]
) -> None:
    assert verified(empty_url).exit_code == 0


# --- planted corruption ---


def _of(workflow_id: str, column: sa.ColumnElement[str] = journal.c.run_id) -> sa.ColumnElement[bool]:
    return column.in_(sa.select(runs.c.run_id).where(runs.c.workflow_id == workflow_id))


def _update(workflow_id: str, sequence: int, **values: Any) -> sa.Update:
    return sa.update(journal).where(_of(workflow_id), journal.c.sequence == sequence).values(**values)


def _append(connection: sa.Connection, workflow_id: str, kind: type[Any]) -> str:
    """The first event of that kind happens once more, in the run's last row."""
    rows = connection.execute(sa.select(journal).where(_of(workflow_id)).order_by(journal.c.sequence)).all()
    told = [
        event for row in rows for event in CODEC.decode_record(row.events).events if isinstance(event, kind)
    ]
    last = CODEC.decode_record(rows[-1].events)
    again = CODEC.encode_record(replace(last, events=(*last.events, told[0])))
    connection.execute(_update(workflow_id, rows[-1].sequence, events=again))
    return workflow_id


def _rows_of_a_run_are_lost(connection: sa.Connection) -> str:
    connection.execute(sa.delete(journal).where(_of(GOOD[0]), journal.c.sequence.in_((3, 4))))
    return GOOD[0]


def _an_instance_falls_back(connection: sa.Connection) -> str:
    connection.execute(sa.update(instances).where(instances.c.workflow_id == GOOD[1]).values(sequence=2))
    return GOOD[1]


def _the_beginning_is_lost(connection: sa.Connection) -> str:
    connection.execute(sa.delete(journal).where(_of(GOOD[2]), journal.c.sequence < 3))
    return GOOD[2]


def _the_snapshot_is_lost(connection: sa.Connection) -> str:
    connection.execute(sa.delete(snapshots).where(_of(OPEN, snapshots.c.run_id)))
    return OPEN


def _a_snapshot_has_rotted(connection: sa.Connection) -> str:
    connection.execute(sa.update(snapshots).where(_of(OPEN, snapshots.c.run_id)).values(checksum=b"wrong"))
    return OPEN


def _a_snapshot_says_something_else(connection: sa.Connection) -> str:
    """With a checksum that fits. The journal before it is complete."""
    row = connection.execute(sa.select(journal).where(_of(GOOD[3]), journal.c.sequence == 1)).one()
    run_id = row.run_id
    state = CODEC.decode_state(
        connection.scalar(sa.select(snapshots.c.body).where(_of(OPEN, snapshots.c.run_id))) or b""
    )
    info = replace(state.info, run_id=run_id, workflow_id=GOOD[3])
    body = CODEC.encode_state(replace(state, info=info, sequence=2))
    values = {"run_id": run_id, "sequence": 2, "format": 1, "checksum": checksum(body, run_id, 2), "body": body}
    connection.execute(sa.insert(snapshots).values(**values))
    return GOOD[3]


def _two_hosts_in_an_epoch(connection: sa.Connection) -> str:
    connection.execute(_update(GOOD[4], 2, host="an-intruder"))
    return GOOD[4]


def _an_epoch_of_the_future(connection: sa.Connection) -> None:
    connection.execute(sa.update(leases).values(epoch=0))


def _a_foreign_partition(connection: sa.Connection) -> str:
    connection.execute(_update(GOOD[5], 2, partition=(journal.c.partition + 1) % 16))
    return GOOD[5]


def _a_foreign_slot(connection: sa.Connection) -> str:
    row = sa.update(instances).where(instances.c.workflow_id == GOOD[6])
    connection.execute(row.values(slot=(instances.c.slot + 1) % 1024))
    return GOOD[6]


def _a_message_twice(connection: sa.Connection) -> str:
    first = sa.select(journal.c.cause).where(_of(GOOD[7]), journal.c.cause.like("activity.completed %"))
    cause = connection.scalars(first.order_by(journal.c.sequence)).first()
    last = sa.select(sa.func.max(journal.c.sequence)).where(_of(GOOD[7])).scalar_subquery()
    connection.execute(sa.update(journal).where(_of(GOOD[7]), journal.c.sequence == last).values(cause=cause))
    return GOOD[7]


def _unreadable_events(connection: sa.Connection) -> str:
    connection.execute(_update(GOOD[0], 2, events=b"\xff"))
    return GOOD[0]


def _another_status(connection: sa.Connection) -> str:
    connection.execute(sa.update(runs).where(runs.c.workflow_id == GOOD[0]).values(status="failed"))
    return GOOD[0]


def _open_although_it_ended(connection: sa.Connection) -> str:
    connection.execute(sa.update(runs).where(runs.c.workflow_id == AGAIN).values(closed_at=None))
    return AGAIN


def _no_instance(connection: sa.Connection) -> str:
    connection.execute(sa.delete(instances).where(instances.c.workflow_id == GOOD[0]))
    return GOOD[0]


def _a_run_without_a_row(connection: sa.Connection) -> None:
    connection.execute(sa.delete(runs).where(runs.c.workflow_id == GOOD[0]))


def _an_instance_of_another_run(connection: sa.Connection) -> str:
    other = connection.scalar(sa.select(runs.c.run_id).where(runs.c.workflow_id == GOOD[1]))
    connection.execute(sa.update(instances).where(instances.c.workflow_id == GOOD[0]).values(run_id=other))
    return GOOD[0]


def _no_wake_up(connection: sa.Connection) -> str:
    connection.execute(sa.update(instances).where(instances.c.workflow_id == OPEN).values(wake_at=None))
    return OPEN


PLANTED: list[tuple[str, Plant]] = [
    ("I1", lambda connection: _append(connection, GOOD[0], ev.RunClosed)),
    ("I3", _two_hosts_in_an_epoch),
    ("I3", _an_epoch_of_the_future),
    ("I4", _rows_of_a_run_are_lost),
    ("I4", _an_instance_falls_back),
    ("I5", _a_foreign_partition),
    ("I5", _a_foreign_slot),
    ("I8", _a_message_twice),
    ("I10", lambda connection: _append(connection, GOOD[0], act.ActivityCompleted)),
    ("I13", _no_wake_up),
    ("I16", _a_snapshot_says_something_else),
    ("I19", _the_beginning_is_lost),
    ("I19", _the_snapshot_is_lost),
    ("I20", _a_snapshot_has_rotted),
    ("I20", _unreadable_events),
    ("I33", _another_status),
    ("I33", _open_although_it_ended),
    ("I33", _no_instance),
    ("I33", _a_run_without_a_row),
    ("I34", _an_instance_of_another_run),
    ("I34", lambda connection: _append(connection, GOOD[0], ev.Ran)),
]


@pytest.mark.parametrize(
    ("invariant", "plant"), [pytest.param(i, p, id=f"{i}{p.__name__}") for i, p in PLANTED]
)
def test_planted_corruption_is_found_where_it_is(
    traded_url: str, verified: Callable[..., Verified], invariant: str, plant: Plant
) -> None:
    with opened(traded_url) as connection:
        where = plant(connection)
    result = verified(traded_url)
    assert result.exit_code == 1
    assert invariant in result.summary["findings"]
    if where is not None:
        assert (invariant, where) in result.places
    assert all(finding["run_id"] or finding["workflow_id"] for finding in result.findings)
    assert "4000-0000" not in result.text, "a payload was shown"
    assert len(result.findings) == sum(result.summary["findings"].values())


def test_what_is_sound_stays_unmentioned_beside_what_is_not(
    traded_url: str, verified: Callable[..., Verified]
) -> None:
    with opened(traded_url) as connection:
        _rows_of_a_run_are_lost(connection)
    assert {finding["workflow_id"] for finding in verified(traded_url).findings} == {GOOD[0]}


# --- what is asked for ---


def test_filters_leave_out_what_was_not_asked_for(traded_url: str, verified: Callable[..., Verified]) -> None:
    with opened(traded_url) as connection:
        _rows_of_a_run_are_lost(connection)
        run_id = connection.scalar(sa.select(runs.c.run_id).where(runs.c.workflow_id == GOOD[0]))
    assert verified(traded_url, "--workflow-id", GOOD[1]).exit_code == 0
    assert verified(traded_url, "--workflow-id", AGAIN).summary["runs"] == 2
    assert verified(traded_url, "--workflow-id", GOOD[0]).exit_code == 1
    one = verified(traded_url, "--run-id", str(run_id))
    assert (one.exit_code, one.summary["runs"]) == (1, 1)
    # Only what is still open was open in that future.
    future = verified(traded_url, "--since", "2100-01-01")
    assert (future.exit_code, future.summary["runs"]) == (0, 1)


def test_people_get_sentences_and_a_table(traded_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with opened(traded_url) as connection:
        _rows_of_a_run_are_lost(connection)
    assert run(["verify", "--database", traded_url]) == 1
    said = capsys.readouterr().out
    assert f"I4: workflow {GOOD[0]}, run " in said
    assert "sequence 5: the journal lacks 3 to 4 before it." in said
    assert "finding" in said.splitlines()[-1]


@pytest.mark.parametrize(
    "flags", [("--run-id", "nobody"), ("--workflow-id", "nobody"), ("--since", "yesterday"), ("--batch", "0")]
)
def test_what_is_not_there_or_not_understood_is_a_matter_of_usage(
    traded_url: str, capsys: pytest.CaptureFixture[str], flags: tuple[str, str]
) -> None:
    assert run(["verify", "--database", traded_url, *flags]) == 2
    assert capsys.readouterr().err.startswith("dalsegno: ")


def test_a_database_that_is_not_there_is_no_finding(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    assert run(["verify", "--database", f"sqlite:///{tmp_path / 'none.db'}"]) == 2
    assert run(["verify", "--database", "postgresql://u:secret@127.0.0.1:1/db"]) == 3
    assert "secret" not in capsys.readouterr().err


def test_the_trade_has_all_that_these_tests_need(traded_url: str) -> None:
    with opened(traded_url) as connection:
        signals = sa.select(sa.func.max(journal.c.sequence)).where(_of(OPEN))
        assert (connection.scalar(signals) or 0) >= SIGNALS
        assert connection.scalar(sa.select(instances.c.wake_at).where(instances.c.workflow_id == OPEN))


# --- what a newer version has written ---

NEWER = CODEC.newest + 1
NEWER_BLOB = bytes([0x92, NEWER]) + b"whatever a newer version makes of it"


def _a_journal_row_is_newer(connection: sa.Connection) -> str:
    connection.execute(_update(GOOD[0], 3, events=NEWER_BLOB))
    return GOOD[0]


def _a_snapshot_is_newer(connection: sa.Connection) -> str:
    is_it = _of(OPEN, snapshots.c.run_id)
    row = connection.execute(sa.select(snapshots).where(is_it)).one()
    fits = checksum(NEWER_BLOB, row.run_id, row.sequence)
    changed = {"format": NEWER, "body": NEWER_BLOB, "checksum": fits}
    connection.execute(sa.update(snapshots).where(is_it).values(**changed))
    return OPEN


def _a_result_is_newer(connection: sa.Connection) -> str:
    connection.execute(sa.update(runs).where(runs.c.workflow_id == GOOD[1]).values(result=NEWER_BLOB))
    return GOOD[1]


def _a_memo_is_newer(connection: sa.Connection) -> str:
    connection.execute(sa.update(runs).where(runs.c.workflow_id == GOOD[2]).values(memo=NEWER_BLOB))
    return GOOD[2]


@contextlib.contextmanager
def raised(url: str) -> Iterator[None]:
    """Hosts of the newer version may write; no host of this one can join."""
    with opened(url) as connection:
        before = connection.scalar(sa.select(meta.c.format_written))
        connection.execute(sa.update(meta).values(format_written=NEWER))
    try:
        yield
    finally:
        with opened(url) as connection:
            connection.execute(sa.update(meta).values(format_written=before))


NEWER_PLANTS = (_a_journal_row_is_newer, _a_snapshot_is_newer, _a_result_is_newer, _a_memo_is_newer)


@pytest.mark.parametrize("plant", NEWER_PLANTS)
def test_what_a_newer_version_may_have_written_is_not_read_and_no_finding(
    traded_url: str, verified: Callable[..., Verified], plant: Callable[[sa.Connection], str]
) -> None:
    with opened(traded_url) as connection:
        workflow_id = plant(connection)
    damaged = verified(traded_url)
    assert damaged.exit_code == FAILED, "as long as nobody may write such a format, it is damage"
    assert {place[1] for place in damaged.places} == {workflow_id}

    with raised(traded_url):
        newer = verified(traded_url)
    assert (newer.exit_code, newer.findings, newer.summary["newer"]) == (NEWER_EXIT, [], 1)
    assert newer.summary["runs"] == damaged.summary["runs"]


def test_what_is_newer_is_said_in_one_sentence_at_the_end_and_findings_elsewhere_count_for_more(
    traded_url: str, verified: Callable[..., Verified], capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(traded_url) as connection:
        for plant in NEWER_PLANTS:
            plant(connection)
    with raised(traded_url):
        assert run(["verify", "--database", traded_url]) == NEWER_EXIT
        *_, verdict, last = capsys.readouterr().out.splitlines()
        with opened(traded_url) as connection:
            connection.execute(sa.delete(journal).where(_of(GOOD[4]), journal.c.sequence.in_((3, 4))))
        both = verified(traded_url)
    assert verdict.startswith("All that was read is sound: ")
    assert last == (
        "4 runs hold what a newer version of dalsegno has written: newer, not read. Verify with that version."
    )
    assert (both.exit_code, both.summary["newer"]) == (FAILED, 4)
    assert {place[1] for place in both.places} == {GOOD[4]}
    assert json.loads(both.text.splitlines()[-1])["sound"] is False
