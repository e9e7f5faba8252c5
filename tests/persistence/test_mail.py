"""Instances that cannot be run: how they are shown, the mail that is kept for them, and their end, unread."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dalsegno.persistence.port import Aside, Halt, Mail, MailRow, Membership, Remains, Round, Store, Writer
from dalsegno.persistence.reader_port import Reader
from dalsegno.policies import WorkflowStatus
from tests.partition_ids import FIRST
from tests.persistence.rounds import (
    changed,
    creation,
    journal_row,
    round_of,
    run_of,
    seen,
    signals,
    snapshot,
    step,
)

pytestmark = pytest.mark.usefixtures("host")

HALT = Halt(workflow_id="order-1", run_id=run_of("order-1"), reason="its row is unreadable", wake_at=5_000)


def mail(*numbers: int, workflow_id: str = "order-1") -> tuple[MailRow, ...]:
    return tuple(
        MailRow(workflow_id=workflow_id, slot=7, number=number, time=1_000, message=b"message %d" % number)
        for number in numbers
    )


def beside(aside: Aside, *, epoch: int = 1) -> Round:
    return replace(round_of(epochs={aside.partition: epoch}), asides=(aside,))


def test_an_instance_that_cannot_be_run_is_shown_as_suspended_and_woken_to_be_tried_again(
    writer: Writer, reader: Reader
) -> None:
    writer.commit(round_of(creation("order-1"), creation("order-2")))

    writer.commit(beside(Aside(partition=FIRST, halts=(HALT,))))

    loaded, other = reader.load(["order-1", "order-2"])
    assert loaded.instance is not None
    assert other.instance is not None
    assert (loaded.instance.status, loaded.instance.wake_at) == (WorkflowStatus.SUSPENDED, 5_000)
    assert loaded.instance.sequence == 1
    assert other.instance.status is WorkflowStatus.RUNNING
    run = reader.run("order-1", None)
    assert run is not None
    assert (run.status, run.reason) == (WorkflowStatus.SUSPENDED, "its row is unreadable")
    assert reader.suspended([7], after="", limit=10) == ["order-1"]


def test_a_closed_run_stays_what_it_is(writer: Writer, reader: Reader) -> None:
    ended = changed(run_of("order-1"), WorkflowStatus.COMPLETED, closed_at=9)
    closed = creation("order-1", status=WorkflowStatus.COMPLETED, changed=(ended,))
    writer.commit(round_of(closed))

    writer.commit(beside(Aside(partition=FIRST, halts=(HALT,))))

    run = reader.run("order-1", None)
    assert run is not None
    assert run.status is WorkflowStatus.COMPLETED
    (loaded,) = reader.load(["order-1"])
    assert loaded.instance is not None
    assert (loaded.instance.status, loaded.instance.wake_at) == (WorkflowStatus.COMPLETED, 5_000)


def test_mail_is_kept_in_order_until_it_is_worked_off(writer: Writer, reader: Reader) -> None:
    writer.commit(round_of(creation("order-1"), creation("order-2")))
    writer.commit(beside(Aside(partition=FIRST, mail=(*mail(3, 1, 2), *mail(1, workflow_id="order-2")))))

    assert [loaded.has_mail for loaded in reader.load(["order-1", "order-2", "order-3"])] == [True, True, False]
    assert reader.mail("order-1", after=0, limit=2) == [Mail(1, b"message 1"), Mail(2, b"message 2")]
    assert reader.mail("order-1", after=2, limit=2) == [Mail(3, b"message 3")]
    assert reader.remains("order-1").last_mail == 3

    writer.commit(beside(Aside(partition=FIRST, worked_off=(("order-1", 1), ("order-1", 3), ("order-1", 9)))))

    assert reader.mail("order-1", after=0, limit=9) == [Mail(2, b"message 2")]
    assert [loaded.has_mail for loaded in reader.load(["order-2"])] == [True]


def test_mail_is_read_up_to_a_number_of_bytes_and_one_that_is_larger_alone(
    writer: Writer, reader: Reader
) -> None:
    rows = [
        replace(row, message=bytes(size)) for row, size in zip(mail(1, 2, 3, 4), (4, 4, 4, 50), strict=True)
    ]
    writer.commit(round_of(creation("order-1")))
    writer.commit(beside(Aside(partition=FIRST, mail=tuple(rows))))

    def numbers(after: int, bytes_max: int) -> list[int]:
        return [found.number for found in reader.mail("order-1", after=after, limit=9, bytes_max=bytes_max)]

    assert numbers(0, 8) == [1, 2]
    assert numbers(0, 9) == [1, 2, 3]
    assert numbers(2, 8) == [3, 4]
    assert numbers(3, 8) == [4]
    assert numbers(0, 1_000) == [1, 2, 3, 4]
    assert numbers(4, 8) == []


def test_a_host_without_the_lease_writes_none_of_it(
    writer: Writer, reader: Reader, membership: Membership
) -> None:
    writer.commit(round_of(creation("order-1")))
    writer.commit(beside(Aside(partition=FIRST, mail=mail(1))))

    stale = Aside(partition=FIRST, halts=(HALT,), mail=mail(2), worked_off=(("order-1", 1),))
    outcome = writer.commit(beside(stale, epoch=2))

    assert outcome.lost == {FIRST}
    assert reader.mail("order-1", after=0, limit=9) == [Mail(1, b"message 1")]
    run = reader.run("order-1", None)
    assert run is not None
    assert run.status is WorkflowStatus.RUNNING


def test_what_cannot_be_read_is_ended_whatever_its_row_says(writer: Writer, reader: Reader) -> None:
    run_id = run_of("order-1")
    writer.commit(round_of(creation("order-1"), step("order-2", 1, expected_run_id=None, expected_sequence=0)))
    ended = changed(run_id, WorkflowStatus.TERMINATED, closed_at=9, reason="by an operator")
    end = step(
        "order-1",
        8,
        expected_run_id=None,
        expected_sequence=0,
        status=WorkflowStatus.TERMINATED,
        journal=(journal_row(run_id, 8),),
        snapshot=snapshot(run_id, 8),
        changed=(ended,),
        forced=True,
    )

    outcome = writer.commit(round_of(end, creation("order-3")))

    assert (outcome.missed, outcome.lost, dict(outcome.rejected)) == (frozenset(), frozenset(), {})
    loaded, third = reader.load(["order-1", "order-3"])
    assert loaded.instance is not None
    assert third.instance is not None
    assert (loaded.instance.run_id, loaded.instance.sequence) == (run_id, 8)
    assert loaded.instance.status is WorkflowStatus.TERMINATED
    assert loaded.instance.journal == ()
    run = reader.run("order-1", None)
    assert run is not None
    assert (run.status, run.closed_at) == (WorkflowStatus.TERMINATED, 9)


def test_what_is_known_without_the_instance_is_its_newest_run_and_the_last_sequence(
    writer: Writer, reader: Reader
) -> None:
    writer.commit(round_of(creation("order-1")))
    writer.commit(round_of(step("order-1", 2)))

    remains = reader.remains("order-1")

    assert remains.run is not None
    assert (remains.run.run_id, remains.last_sequence, remains.last_mail) == (run_of("order-1"), 2, 0)
    assert reader.remains("nobody") == Remains()


def test_what_may_be_written_is_of_the_moment_in_which_remains_are_read(
    store: Store, writer: Writer, reader: Reader
) -> None:
    writer.commit(round_of(creation("order-1")))
    remains = reader.remains("order-1")
    assert remains.format_written == store.namespace().format_written


def test_what_the_database_refuses_beside_mail_takes_no_mail_with_it(writer: Writer, reader: Reader) -> None:
    writer.commit(round_of(creation("order-1")))
    bad = creation("bad\0", slot=7)
    round_ = replace(round_of(bad, creation("order-2")), asides=(Aside(partition=FIRST, mail=mail(1)),))

    outcome = writer.commit(round_)

    assert set(outcome.rejected) == {"bad\0"}
    assert reader.mail("order-1", after=0, limit=9) == [Mail(1, b"message 1")]


def test_mail_that_was_answered_before_is_not_kept_nor_any_other_of_its_workflow(
    writer: Writer, reader: Reader
) -> None:
    """Nothing but the leases, what is worked off and what is shown is written for it: it is told again."""
    answered = seen("order-1", "m2", answer="closed")
    writer.commit(round_of(creation("order-1", seen=(answered,)), creation("order-2")))
    writer.commit(beside(Aside(partition=FIRST, mail=mail(1))))
    signal = "workflow.signal"
    rows = [
        replace(row, unless=(signal, f"m{row.number}"))
        for row in (*mail(2, 3), *mail(2, workflow_id="order-2"))
    ]

    outcome = writer.commit(
        beside(Aside(partition=FIRST, halts=(HALT,), mail=tuple(rows), worked_off=(("order-1", 1),)))
    )

    assert outcome.known == {"order-1": {(signal, "m2"): "closed"}}
    assert (outcome.missed, outcome.lost) == (frozenset(), frozenset())
    assert reader.mail("order-1", after=0, limit=9) == []
    assert reader.mail("order-2", after=0, limit=9) == [Mail(2, b"message 2")]
    (shown,) = reader.load(["order-1"])
    assert shown.instance is not None
    assert shown.instance.status is WorkflowStatus.SUSPENDED


def test_what_cannot_be_read_is_not_ended_by_a_round_whose_mail_was_answered_before(
    writer: Writer, reader: Reader
) -> None:
    writer.commit(round_of(creation("order-1", seen=(seen("order-1", "m2"),))))
    end = step("order-1", 8, status=WorkflowStatus.TERMINATED, forced=True)
    (row,) = mail(2)
    kept = Aside(partition=FIRST, mail=(replace(row, unless=("workflow.signal", "m2")),))

    outcome = writer.commit(replace(round_of(end), asides=(kept,)))

    assert list(outcome.known) == ["order-1"]
    assert reader.mail("order-1", after=0, limit=9) == []
    (loaded,) = reader.load(["order-1"])
    assert loaded.instance is not None
    assert loaded.instance.sequence == 1


def test_what_was_answered_is_known_for_as_long_as_it_may_lie_in_the_mail_once_more(
    writer: Writer, reader: Reader, membership: Membership
) -> None:
    writer.commit(
        round_of(*(creation(name, seen=(seen(name, "m1", time=1),)) for name in ("order-1", "order-2")))
    )
    writer.commit(beside(Aside(partition=FIRST, mail=mail(1))))
    assert membership.trim_seen(older_than=4) == 1
    loaded = reader.load(["order-1", "order-2"])
    assert [list(each.seen) for each in loaded] == [list(signals(m1="")), []]

    writer.commit(beside(Aside(partition=FIRST, worked_off=(("order-1", 1),))))
    assert membership.trim_seen(older_than=4) == 1
