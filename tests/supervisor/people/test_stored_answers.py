"""What is told of rows, also of those that a hand or a disk has damaged."""

from __future__ import annotations

from typing import Any

import pytest

from dalsegno.actors.supervisor.people.messages import stored_message
from dalsegno.actors.workflow_actor.interface.commands import Caller
from dalsegno.actors.workflow_actor.run.events import Ran, Record
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.timers.events import TimerWanted
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode
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
