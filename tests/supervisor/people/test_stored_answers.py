"""What is told of rows, also of those that a hand or a disk has damaged."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from dalsegno.actors.supervisor.people.messages import stored_message
from dalsegno.actors.supervisor.people.stored_answers import DESCRIPTIONS_MAX
from dalsegno.actors.supervisor.wire.replies import description_of, spare
from dalsegno.actors.workflow_actor.interface.commands import Caller
from dalsegno.actors.workflow_actor.run.events import Ran, Record
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.timers.events import TimerWanted
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode
from dalsegno.errors import CommandRejectedError, UnreadableRowError
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.persistence.port import JournalRow, ListedRun
from dalsegno.policies import WorkflowStatus
from tests.persistence.rounds import journal_row
from tests.supervisor.test_calls_per_activation import Calls

RUN = ListedRun(
    run_id="r",
    workflow_id="w",
    workflow_type="Order",
    task_queue="orders",
    status=WorkflowStatus.RUNNING,
    started_at=1_000,
    closed_at=None,
    reason=None,
)


class Reader:
    def __init__(self, rows: list[JournalRow]) -> None:
        self.rows = rows

    def run(self, *_: object) -> ListedRun:
        return RUN

    def history(self, *_: object, **__: object) -> tuple[list[JournalRow], None]:
        return self.rows, None


@pytest.mark.parametrize(
    ("column", "value"),
    [("time", "abc"), ("time", 1.5), ("time", b"x"), ("cause", b"\xff"), ("events", "abc"), ("events", 5)],
)
def test_a_row_of_which_a_column_is_of_another_type_hides_no_other_entry_of_its_history(
    column: str, value: object
) -> None:
    reader: Any = Reader([journal_row("r", 1), journal_row("r", 2, **{column: value}), journal_row("r", 3)])
    reply = decode(stored_message(reader, wire.GetHistory(workflow_id="w"), Caller("replies", "call-1")))
    assert isinstance(reply, wire.ControlReply)
    assert reply.history is not None
    assert [entry.sequence for entry in reply.history] == [1, 2, 3]
    whole, damaged, _ = reply.history
    assert (whole.time, whole.cause) == (1_001, "signal add")
    assert "Unreadable" in [event["type"] for event in damaged.events]


def history_of(wants: int) -> tuple[wire.ControlReply, int]:
    """Of one activation in which code wanted so many timers, and the calls that it took to answer."""
    ran = Ran(("timer",) * wants, tuple(TimerWanted(number, 7) for number in range(wants)))
    events = CODEC.encode_record(Record(1, 1_001, False, (), (ran,)))
    reader: Any = Reader([journal_row("r", 1, events=events)])
    calls = Calls()
    with calls.counted():
        message = stored_message(reader, wire.GetHistory(workflow_id="w"), Caller("replies", "call-1"))
    reply = decode(message)
    assert isinstance(reply, wire.ControlReply)
    return reply, calls.total


def test_the_history_of_a_workflow_that_wanted_very_much_at_once_costs_no_more_than_what_is_shown_of_it() -> (
    None
):
    history_of(1)  # what is found out once
    (few, calls_of_few), (many, calls_of_many) = history_of(5_000), history_of(20_000)
    for reply, left_out in ((few, "4900 more wants"), (many, "19900 more wants")):
        assert reply.history is not None
        (entry,) = reply.history
        (ran,) = entry.events
        assert (len(ran["wants"]), ran["left_out"]) == (100, left_out)
    assert calls_of_many <= 1.1 * calls_of_few


class Damaged(Reader):
    """One run whose row the database cannot give, and one of which it has no instance."""

    def fields(self) -> dict[str, Any]:
        return {}

    def find_runs(self, wanted: object, *, limit: int, before: str | None) -> tuple[list[ListedRun], str]:
        assert limit == DESCRIPTIONS_MAX, "however many are asked for"
        return [replace(RUN, run_id="unreadable"), replace(RUN, run_id="lost")], "further"

    def load_run(self, run_id: str) -> None:
        if run_id == "unreadable":
            raise UnreadableRowError("journal row 3 is damaged")


def test_runs_that_cannot_be_read_are_described_as_far_as_their_list_goes_and_hide_no_others() -> None:
    reader: Any = Damaged([])
    question = wire.DescribeWorkflows(filter="Status = running", limit=1_000)
    reply = decode(stored_message(reader, question, Caller("replies", "call-1")))

    assert isinstance(reply, wire.ControlReply)
    unreadable, lost = reply.descriptions
    assert (unreadable.workflow_id, unreadable.suspended_reason) == ("w", "journal row 3 is damaged")
    assert lost.suspended_reason is not None
    assert "no instance names its workflow" in lost.suspended_reason
    assert unreadable.described_at is not None
    assert reply.cursor == "further"


def test_what_counts_describes_nothing() -> None:
    reader: Any = Damaged([])
    with pytest.raises(CommandRejectedError, match="describes none"):
        stored_message(reader, wire.DescribeWorkflows(filter="group by Type"), Caller("replies", "call-1"))


def test_a_description_for_many_has_none_of_what_was_given_and_of_failures_what_they_say() -> None:
    payload = Payload("json/plain", b'"secret"')
    inner = Failure(type="Declined", message="no money", stack="line 1", details=(payload,))
    pending = [
        {
            "activity_id": str(number),
            "activity_type": "charge",
            "task_queue": "default",
            "attempt": 2,
            "state": "backing_off",
            "scheduled_at": 0,
            "last_failure": Failure(kind="activity", message="failed", cause=inner),
        }
        for number in range(50)
    ]
    child = {"workflow_id": "kid", "workflow_type": "Kid", "parent_close_policy": "abandon", "started_at": 0}
    whole = description_of(
        {
            "workflow_id": "w",
            "run_id": "r",
            "workflow_type": "Order",
            "task_queue": "orders",
            "status": WorkflowStatus.RUNNING,
            "sequence": 1,
            "started_at": 0,
            "memo": {"k": payload},
            "input": (payload,),
            "pending_activities": pending,
            "children": (child,),
        }
    )
    told = spare(whole)

    assert whole.children[0].workflow_id == "kid"
    assert (told.memo, told.input) == ({}, None)
    assert len(told.pending_activities) == 20
    failure = told.pending_activities[0].last_failure
    assert failure == Failure(type="Declined", message="no money")
