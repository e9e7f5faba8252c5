"""What shows only over many rows or runs: leases, messages that come again, journals that grow too long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from dalsegno.actors.workflow_actor.run.events import Record
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.persistence.port import JournalRow, LeaseRow
from dalsegno.verification.causes import Causes
from dalsegno.verification.finding import Finding, Invariant, Violations
from dalsegno.verification.leadership import CLOCK_TOLERANCE, Leadership
from dalsegno.verification.used_ids import Use, UsedIDs
from tests.partition_ids import FIRST, nth
from tests.verification.stored import Stored, violations_of
from tests.workflow_actor.rig import Rig, ScriptedCode

RECORD = Record(1, 1, True, (), ())


def row(run_id: str, sequence: int, **changes: Any) -> JournalRow:
    fields: dict[str, Any] = {
        "round": 1,
        "cause": "wake-up",
        "partition": FIRST,
        "epoch": 1,
        "host": "host-a",
        "time": 1_000,
        "events": b"",
    }
    return JournalRow(run_id=run_id, sequence=sequence, **(fields | changes))


def leadership_of(*rows: JournalRow, lease: LeaseRow | None = None) -> list[Finding]:
    leadership = Leadership()
    for one in rows:
        assert list(leadership.on_row(one, None, workflow_id="w")) == []
    return list(leadership.on_end([lease or LeaseRow(FIRST, None, 9)]))


# --- leases ---


def test_hosts_that_follow_each_other_are_in_order() -> None:
    assert not leadership_of(
        row("a", 1, epoch=1, host="host-a", round=5, time=10),
        row("b", 1, epoch=2, host="host-b", round=1, time=20),
        row("c", 1, epoch=3, host="host-a", round=6, time=30),
    )


def test_a_host_that_comes_back_in_an_older_epoch_is_found_by_its_rounds() -> None:
    (finding,) = leadership_of(row("a", 1, epoch=1, round=9), row("b", 1, epoch=2, round=4))
    assert finding.invariant is Invariant.LEADERSHIP
    assert (finding.run_id, finding.sequence) == ("a", 1)
    assert "run b" in finding.text


def test_an_epoch_that_writes_long_after_the_next_has_begun_is_found_by_its_time() -> None:
    late = CLOCK_TOLERANCE + 11
    rows = row("a", 1, epoch=1, time=late), row("b", 1, epoch=2, host="host-b", time=10)
    (finding,) = leadership_of(*rows)
    assert finding.run_id == "a"
    assert not leadership_of(replace(rows[0], time=late - 1), rows[1])


def test_an_epoch_that_no_lease_has_reached_is_found() -> None:
    (finding,) = leadership_of(row("a", 7, epoch=4), lease=LeaseRow(FIRST, None, 3))
    assert (finding.run_id, finding.sequence) == ("a", 7)
    assert not leadership_of(row("a", 7, epoch=4), lease=LeaseRow(FIRST, None, 4))


def test_an_epoch_of_another_host_than_the_leases_is_found() -> None:
    assert leadership_of(row("a", 1, epoch=4), lease=LeaseRow(FIRST, "host-b", 4))
    assert not leadership_of(row("a", 1, epoch=4), lease=LeaseRow(FIRST, "host-a", 4))
    assert not leadership_of(row("a", 1, epoch=4), lease=LeaseRow(FIRST, "host-b", 5))


def test_a_partition_without_a_lease_is_found() -> None:
    assert leadership_of(row("a", 1), lease=LeaseRow(nth(1), None, 9))


# --- messages ---

REMEMBERED = 24 * 3600 * 1_000_000


@pytest.fixture
def used() -> Iterator[UsedIDs]:
    used = UsedIDs(remembered=REMEMBERED)
    yield used
    used.close()


def applied(used: UsedIDs, *rows: JournalRow, workflow_id: str = "w") -> list[int | None]:
    """Sequences of those that were applied before."""
    causes = Causes(workflow_id, used)
    return [violation.sequence for one in rows for violation in causes.on_record(one, RECORD)]


def test_a_signal_that_comes_again_in_another_run_is_found(used: UsedIDs) -> None:
    first, second = row("a", 3, cause="workflow.signal m"), row("b", 2, cause="workflow.signal m")
    assert applied(used, first, second) == [2]


def test_the_same_row_read_again_is_not_a_second_one(used: UsedIDs) -> None:
    one = row("a", 3, cause="workflow.signal m")
    assert applied(used, one, one) == []


def test_message_ids_of_different_workflows_may_be_equal(used: UsedIDs) -> None:
    assert applied(used, row("a", 3, cause="workflow.signal m")) == []
    assert applied(used, row("b", 3, cause="workflow.signal m"), workflow_id="v") == []


def test_a_message_id_may_be_used_anew_when_it_is_forgotten(used: UsedIDs) -> None:
    times = [0, REMEMBERED + 1, REMEMBERED + 2]
    rows = [row("a", 1 + n, cause="workflow.signal daily", time=time) for n, time in enumerate(times)]
    assert applied(used, *rows) == [3]


def test_a_result_never_comes_again(used: UsedIDs) -> None:
    rows = [row("a", 1 + n, cause="activity.completed m", time=n * 2 * REMEMBERED) for n in range(2)]
    assert applied(used, *rows) == [2]


@pytest.mark.parametrize("cause", ["wake-up", "settle", "lost task", "activity.started m", "workflow.signal"])
def test_what_has_no_message_id_or_may_come_again_is_left_alone(used: UsedIDs, cause: str) -> None:
    assert applied(used, row("a", 1, cause=cause), row("a", 2, cause=cause)) == []


def test_ids_outlive_the_cache_of_their_file(used: UsedIDs) -> None:
    for number in range(2_000):
        assert used.use("kind", str(number), at=Use("a", number, 0)) is None
    assert used.use("kind", "77", at=Use("b", 1, 0)) == Use("a", 77, 0)
    assert used.use("other kind", "77", at=Use("b", 1, 0)) is None


# --- recovery ---


def long_history(signals: int) -> Stored:
    rig = Rig(ScriptedCode([()]))
    stored = Stored(rig)
    rig.start()
    for _ in range(signals):
        rig.send(Signal(name="poke"))
    return stored


def test_a_journal_without_the_snapshot_that_is_due_is_found() -> None:
    (page,) = long_history(200).pages()
    assert violations_of([page]) == []
    bare = replace(page.head, snapshot_sequence=None, snapshot_bytes=None)
    violations = violations_of([replace(page, head=bare, snapshot=None)])
    assert [violation.invariant for violation in violations] == [Invariant.RECOVERY]


def test_of_many_faults_of_a_kind_the_first_are_told_and_the_rest_counted() -> None:
    (page,) = long_history(100).pages()
    violations = violations_of(
        [replace(page, rows=tuple(replace(row, partition=nth(99)) for row in page.rows))]
    )
    told = [violation for violation in violations if violation.invariant is Invariant.OWNERSHIP]
    assert len(told) == Violations.SHOWN + 1
    assert f"{101 - Violations.SHOWN} more" in told[-1].text
