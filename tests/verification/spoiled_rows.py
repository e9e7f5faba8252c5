"""Rows that are lost, changed, or written by the wrong one."""

from __future__ import annotations

from random import Random
from typing import Any

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.activities import events as act
from dalsegno.actors.workflow_actor.run.state import RunOutcome
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.stored.snapshots import checksum
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus
from dalsegno.verification.finding import Invariant
from dalsegno.verification.rows import Page
from tests.partition_ids import nth
from tests.verification.planting import appended, must_be_found_as, with_head, with_row
from tests.verification.stored import PARTITION, PARTITIONS, edited

HOUR = 3_600_000_000

# --- who wrote ------------------------------------------------------------------------------------------------


@must_be_found_as(Invariant.LEADERSHIP)
def an_older_epoch_writes_behind_a_newer(page: Page, random: Random) -> Page | None:
    if len(page.rows) < 2:
        return None
    return with_row(page, random.randrange(1, len(page.rows)), epoch=0)


@must_be_found_as(Invariant.LEADERSHIP)
def two_hosts_write_in_one_epoch(page: Page, random: Random) -> Page | None:
    if len(page.rows) < 2:
        return None
    return with_row(page, random.randrange(len(page.rows)), host="host-b")


@must_be_found_as(Invariant.LEADERSHIP)
def an_earlier_round_writes_behind_a_later(page: Page, random: Random) -> Page | None:
    return None if len(page.rows) < 2 else with_row(page, random.randrange(1, len(page.rows)), round=0)


@must_be_found_as(Invariant.OWNERSHIP)
def another_partition_writes(page: Page, random: Random) -> Page | None:
    if not page.rows:
        return None
    return with_row(page, random.randrange(len(page.rows)), partition=nth((PARTITION.number + 1) % PARTITIONS))


@must_be_found_as(Invariant.OWNERSHIP)
def the_instance_is_in_another_slot(page: Page, random: Random) -> Page | None:
    current = page.head.current
    if current is None or not page.head.is_current:
        return None
    return with_head(page, current=replace(current, slot=current.slot + 1))


# --- continuity -----------------------------------------------------------------------------------------------


@must_be_found_as(Invariant.SEQUENCE)
def a_row_in_the_middle_is_lost(page: Page, random: Random) -> Page | None:
    if len(page.rows) < 3:
        return None
    place = random.randrange(1, len(page.rows) - 1)
    return replace(page, rows=page.rows[:place] + page.rows[place + 1 :])


@must_be_found_as(Invariant.SEQUENCE)
def the_last_row_is_lost(page: Page, random: Random) -> Page | None:
    head = page.head
    if len(page.rows) < 2 or not head.is_current or head.snapshot_sequence == page.rows[-1].sequence:
        return None
    return replace(page, rows=page.rows[:-1])


@must_be_found_as(Invariant.SEQUENCE)
def the_instance_stands_elsewhere(page: Page, random: Random) -> Page | None:
    current = page.head.current
    if current is None or not page.head.is_current:
        return None
    return with_head(page, current=replace(current, sequence=current.sequence + random.choice((-1, 1, 7))))


@must_be_found_as(Invariant.SEQUENCE)
def time_goes_backwards(page: Page, random: Random) -> Page | None:
    if len(page.rows) < 2:
        return None
    row = page.rows[random.randrange(1, len(page.rows))]
    earlier = page.rows[0].time - 1
    page = edited(page, row.sequence, lambda record: replace(record, time=earlier))
    return with_row(page, row.sequence - page.rows[0].sequence, time=earlier)


@must_be_found_as(Invariant.TRIMMING)
def the_beginning_is_lost(page: Page, random: Random) -> Page | None:
    if len(page.rows) < 2 or page.snapshot is not None:
        return None
    return replace(page, rows=page.rows[random.randrange(1, len(page.rows)) :])


@must_be_found_as(Invariant.TRIMMING)
def more_is_trimmed_than_the_snapshot_has(page: Page, random: Random) -> Page | None:
    snapshot = page.snapshot
    if snapshot is None or page.rows[-1:] == () or page.rows[-1].sequence < snapshot.sequence + 2:
        return None
    return replace(page, rows=tuple(row for row in page.rows if row.sequence > snapshot.sequence + 1))


@must_be_found_as(Invariant.TRIMMING)
def the_snapshot_of_a_trimmed_journal_is_lost(page: Page, random: Random) -> Page | None:
    if page.snapshot is None or (page.rows and page.rows[0].sequence == 1):
        return None
    return with_head(replace(page, snapshot=None), snapshot_sequence=None, snapshot_bytes=None)


@must_be_found_as(Invariant.TRIMMING)
def everything_is_lost(page: Page, random: Random) -> Page | None:
    nothing = replace(page, rows=(), snapshot=None)
    return with_head(nothing, snapshot_sequence=None, snapshot_bytes=None, first_kept=None)


# --- replay ---------------------------------------------------------------------------------------------------


@must_be_found_as(Invariant.REPLAY)
def the_snapshot_is_of_another_history(page: Page, random: Random) -> Page | None:
    snapshot = page.snapshot
    if snapshot is None or not page.rows or page.rows[0].sequence != 1:
        return None
    state = CODEC.decode_state(snapshot.body)
    body = CODEC.encode_state(replace(state, tries=state.tries + 1))
    sum_ = checksum(body, snapshot.run_id, snapshot.sequence)
    return replace(page, snapshot=replace(snapshot, body=body, checksum=sum_))


@must_be_found_as(Invariant.REPLAY)
def an_effect_of_nobody_is_retried(page: Page, random: Random) -> Page | None:
    if not page.rows or page.rows[0].sequence != 1:
        return None
    return appended(page, page.rows[-1].sequence, act.TaskResent(10_000))


@must_be_found_as(Invariant.READABLE)
def a_snapshot_has_rotted(page: Page, random: Random) -> Page | None:
    snapshot = page.snapshot
    if snapshot is None:
        return None
    place = random.randrange(len(snapshot.body))
    body = snapshot.body[:place] + bytes([snapshot.body[place] ^ 1]) + snapshot.body[place + 1 :]
    return replace(page, snapshot=replace(snapshot, body=body))


@must_be_found_as(Invariant.READABLE)
def events_have_rotted(page: Page, random: Random) -> Page | None:
    if not page.rows:
        return None
    return with_row(page, random.randrange(len(page.rows)), events=b"\xff rotten")


@must_be_found_as(Invariant.READABLE)
def rows_have_changed_places(page: Page, random: Random) -> Page | None:
    if len(page.rows) < 2:
        return None
    return with_row(page, 1, events=page.rows[0].events)


# --- what people see ------------------------------------------------------------------------------------------


@must_be_found_as(Invariant.VISIBILITY)
def the_row_has_another_status(page: Page, random: Random) -> Page | None:
    others = [status for status in WorkflowStatus if status != page.head.status]
    return with_head(page, status=random.choice([*others, "nonsense"]))


@must_be_found_as(Invariant.VISIBILITY)
def the_row_was_closed_at_another_time(page: Page, random: Random) -> Page | None:
    closed_at = page.head.closed_at
    return with_head(page, closed_at=1 if closed_at is None else random.choice((None, closed_at + 1)))


@must_be_found_as(Invariant.VISIBILITY)
def the_row_has_another_result(page: Page, random: Random) -> Page | None:
    if page.head.result is None:
        return None
    status, _, failure = CODEC.decode_outcome(page.head.result)
    other = CODEC.encode_outcome(RunOutcome(status, Payload("json/plain", b"99"), failure, 0))
    return with_head(page, result=random.choice((None, other, b"\xff")))


@must_be_found_as(Invariant.VISIBILITY)
def the_row_has_other_particulars(page: Page, random: Random) -> Page | None:
    memo = CODEC.encode_memo({"note": Payload("json/plain", b"1")})
    changes: list[dict[str, Any]] = [
        {"reason": "no reason"},
        {"workflow_type": "Other"},
        {"task_queue": "other"},
        {"memo": memo},
        {"memo": b"\xff"},
        {"started_at": page.head.started_at - 1},
    ]
    return with_head(page, **random.choice(changes))


@must_be_found_as(Invariant.VISIBILITY)
def the_instance_has_another_status(page: Page, random: Random) -> Page | None:
    current = page.head.current
    if current is None or not page.head.is_current:
        return None
    others = [status for status in WorkflowStatus if status != current.status]
    return with_head(page, current=replace(current, status=random.choice(others)))


@must_be_found_as(Invariant.VISIBILITY)
def the_workflow_has_no_instance(page: Page, random: Random) -> Page | None:
    return with_head(page, current=None)


@must_be_found_as(Invariant.VISIBILITY)
def the_instance_has_forgotten_its_newest_run(page: Page, random: Random) -> Page | None:
    current = page.head.current
    if current is None or not page.head.is_current:
        return None
    older = replace(current, run_id="run-0", started_at=page.head.started_at - 1)
    return with_head(page, current=older)
