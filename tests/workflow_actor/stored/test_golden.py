"""What was ever stored stays readable, and is written byte for byte as it is told here."""

from __future__ import annotations

import json

import pytest

from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.policies import WorkflowStatus
from tests.workflow_actor.stored.golden import file_of, golden, written

FORMATS = range(1, CODEC.newest + 1)


def test_there_are_bytes_of_each_format_that_is_read() -> None:
    assert all(file_of(number).exists() for number in FORMATS)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("writes", FORMATS)
def test_journals_and_snapshots_of_each_format_lead_to_one_state_whatever_is_written_meanwhile(
    format_: int, writes: int
) -> None:
    codec = CODEC.writing(writes)
    for run, first in zip(golden(format_).runs, golden(1).runs, strict=True):
        assert run.by_journal(codec) == run.by_snapshot(codec) == first.by_journal()


@pytest.mark.parametrize("format_", FORMATS)
def test_outcomes_and_memos_of_each_format_are_read(format_: int) -> None:
    status, result, failure = CODEC.decode_outcome(golden(format_).outcome)
    assert (status, failure) == (WorkflowStatus.COMPLETED, None)
    assert result is not None
    assert result.data == b'"done"'
    assert {name: value.data for name, value in CODEC.decode_memo(golden(format_).memo).items()} == {
        "customer": b'"ann"'
    }


def test_the_newest_format_is_written_as_ever() -> None:
    """If not, hosts that read the bytes that are kept here may not read what is written now."""
    assert written(golden(1), CODEC) == json.loads(file_of(CODEC.newest).read_text())


@pytest.mark.parametrize("format_", FORMATS)
def test_a_journal_may_go_on_in_another_format(format_: int) -> None:
    """As it does when the format is raised under a run."""
    for older, newer in zip(golden(1).runs, golden(CODEC.newest).runs, strict=True):
        for cut in range(len(older.journal)):
            journal = [*older.journal[:cut], *newer.journal[cut:]]
            assert (
                type(older)(older.workflow_id, older.run_id, journal, newer.snapshot).by_journal(
                    CODEC.writing(format_)
                )
                == older.by_snapshot()
            )
