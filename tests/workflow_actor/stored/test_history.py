"""The journal as people and programs are shown it."""

from __future__ import annotations

import pytest

from dalsegno.actors.workflow_actor.activities.events import ActivityUnwanted
from dalsegno.actors.workflow_actor.run.events import Ran, Record
from dalsegno.actors.workflow_actor.signals.events import SignalReceived
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.stored.history import events_for_people, first_events, items_in
from dalsegno.actors.workflow_actor.timers.events import TimerUnwanted, TimerWanted
from dalsegno.payload import JSON_PLAIN, Payload


def test_what_user_code_wanted_is_shown_with_its_kind() -> None:
    wants = (TimerWanted(1, 7), TimerUnwanted(1), ActivityUnwanted(1))
    record = Record(1, 5, False, (), (Ran(("timer 1",), wants),))
    events = events_for_people(CODEC.encode_record(record))
    assert events is not None
    (event,) = events
    assert event["type"] == "Ran"
    assert event["wants"] == [
        {"type": "TimerWanted", "number": 1, "fire_at": 7},
        {"type": "TimerUnwanted", "number": 1},
        {"type": "ActivityUnwanted", "number": 1},
    ]


def test_a_row_of_more_values_than_are_asked_for_is_not_shown_as_a_whole() -> None:
    wants = tuple(TimerWanted(number, 7) for number in range(10))
    blob = CODEC.encode_record(Record(1, 5, False, (), (Ran(("timer",), wants), signalled(b"[1, 2]"))))
    events = events_for_people(blob)
    assert events is not None
    size = sum(map(items_in, events))
    assert events_for_people(blob, items_max=size) == events
    assert events_for_people(blob, items_max=size // 2) is None
    assert events_for_people(blob, items_max=1) is None


def signalled(data: bytes) -> SignalReceived:
    return SignalReceived("say", (Payload(JSON_PLAIN, data),))


def test_of_a_row_that_is_too_large_the_first_part_is_shown_and_counted_what_is_left_out() -> None:
    wants = tuple(TimerWanted(number, 7) for number in range(10_000))
    signals = tuple(signalled(b"%d" % number) for number in range(250))
    events = first_events(
        CODEC.encode_record(Record(1, 5, False, (), (Ran(("timer",) * 10_000, wants), *signals)))
    )
    assert len(events) == 101
    assert len(events[0]["wants"]) == 100
    assert events[0]["wants"][99] == {"type": "TimerWanted", "number": 99, "fire_at": 7}
    assert events[0]["left_out"] == "9900 more wants"
    assert events[1] == {"type": "SignalReceived", "name": "say", "args": [0]}
    assert events[100] == {"type": "LeftOut", "left_out": "151 more events"}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'"%s"' % (b"x" * 10_000), id="long"),
        pytest.param(b"[" * 40 + b"]" * 40, id="deep"),
        pytest.param(b"[%s1]" % (b"1," * 10_000), id="of many values"),
        pytest.param(b"9" * 40, id="a number that not all can read"),
        pytest.param(b'"\\ud800"', id="no Unicode"),
        pytest.param(b"NaN", id="no number"),
    ],
)
def test_what_not_every_message_can_carry_is_left_out_of_the_first_part(data: bytes) -> None:
    record = Record(1, 5, True, (), (signalled(data), signalled(b"1")))
    assert first_events(CODEC.encode_record(record)) == [
        {"type": "SignalReceived", "left_out": "too large"},
        {"type": "SignalReceived", "name": "say", "args": [1]},
    ]
