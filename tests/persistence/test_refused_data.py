"""One bad row does not stop the rest."""

from __future__ import annotations

import random

import pytest

from dalsegno.persistence.port import InstanceWrite, Writer
from dalsegno.persistence.reader_port import Reader
from tests.partition_ids import FIRST, nth
from tests.persistence.rounds import creation, journal_row, round_of, run_of, seen, signals, step

pytestmark = pytest.mark.usefixtures("host")

SECRET = "the customer's secret"

BAD = {
    "a lone surrogate in the workflow ID": creation(f"{SECRET}\ud800"),
    "a NUL in the workflow ID": creation(f"{SECRET}\0"),
    "a number beyond 64 bits": creation(SECRET, wake_at=2**63),
    "the same journal row twice": creation(
        SECRET, journal=(journal_row(run_of(SECRET), 1), journal_row(run_of(SECRET), 1))
    ),
    "a command that was answered before": creation(SECRET, seen=(seen(SECRET, "m1"), seen(SECRET, "m1"))),
    "a journal row of another run": creation(SECRET, journal=(journal_row(run_of("order-0"), 1),)),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_the_instance_at_fault_is_rejected_and_every_other_is_committed(
    writer: Writer, reader: Reader, bad: InstanceWrite
) -> None:
    writer.commit(round_of(creation("order-0")))
    good = [creation(f"order-{number}") for number in range(1, 10)]

    outcome = writer.commit(round_of(*good[:6], bad, *good[6:], step("order-0", 2)))

    assert set(outcome.rejected) == {bad.workflow_id}
    assert outcome.missed == frozenset()
    committed = reader.load([write.workflow_id for write in good])
    assert all(loaded.instance is not None for loaded in committed)
    (loaded,) = reader.load([bad.workflow_id])
    assert loaded.instance is None
    assert [row.sequence for row in reader.history(run_of("order-0"))[0]] == [1, 2]


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_the_reason_quotes_no_payload(writer: Writer, bad: InstanceWrite) -> None:
    writer.commit(round_of(creation("order-0")))
    (reason,) = writer.commit(round_of(bad)).rejected.values()
    assert reason
    assert SECRET not in reason


def test_several_at_fault_are_all_found(writer: Writer, reader: Reader) -> None:
    writes = [creation(f"order-{number}") for number in range(8)]
    writes[2] = creation("order-2\ud800")
    writes[3] = creation("order-3\ud800")
    writes[7] = creation("order-7\ud800")

    outcome = writer.commit(round_of(*writes))

    assert set(outcome.rejected) == {"order-2\ud800", "order-3\ud800", "order-7\ud800"}
    assert [loaded.instance is not None for loaded in reader.load(["order-0", "order-6"])] == [True, True]


def test_a_refused_command_that_cannot_be_stored_harms_no_other(writer: Writer, reader: Reader) -> None:
    refused = [(FIRST, 7, seen("nobody", "m1\ud800")), (FIRST, 7, seen("somebody", "m2"))]

    outcome = writer.commit(round_of(creation("order-1"), refused=refused))

    assert set(outcome.rejected) == {"nobody"}
    assert reader.load(["somebody"])[0].seen == signals(m2="")
    assert reader.load(["order-1"])[0].instance is not None


def test_bad_data_for_a_lost_partition_counts_as_lost(writer: Writer) -> None:
    outcome = writer.commit(round_of(creation("order-1\ud800", partition=nth(1)), epochs={nth(1): 99}))
    assert outcome.lost == {nth(1)}
    assert outcome.rejected == {}


def test_every_half_of_a_bisected_round_is_fenced(writer: Writer, reader: Reader) -> None:
    bad = creation("bad\ud800")
    outcome = writer.commit(
        round_of(creation("order-1", partition=nth(1)), bad, creation("order-2"), epochs={nth(1): 99})
    )
    assert outcome.lost == {nth(1)}
    assert set(outcome.rejected) == {bad.workflow_id}
    assert reader.load(["order-1"])[0].instance is None
    assert reader.load(["order-2"])[0].instance is not None


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["postgres"])
def test_postgresql_refuses_a_text_that_its_index_cannot_hold(writer: Writer, reader: Reader) -> None:
    # Too random to be compressed into an index page.
    endless = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=100_000))
    outcome = writer.commit(round_of(creation(endless), creation("order-1")))
    assert set(outcome.rejected) == {endless}
    assert reader.load(["order-1"])[0].instance is not None
