"""The journal as people and programs are shown it."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.activities.events import ActivityUnwanted
from dalsegno.actors.workflow_actor.run.events import Ran, Record
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.stored.history import events_for_people
from dalsegno.actors.workflow_actor.timers.events import TimerUnwanted, TimerWanted


def test_what_user_code_wanted_is_shown_with_its_kind() -> None:
    wants = (TimerWanted(1, 7), TimerUnwanted(1), ActivityUnwanted(1))
    record = Record(1, 5, False, (), (Ran(("timer 1",), wants),))
    (event,) = events_for_people(CODEC.encode_record(record))
    assert event["type"] == "Ran"
    assert event["wants"] == [
        {"type": "TimerWanted", "number": 1, "fire_at": 7},
        {"type": "TimerUnwanted", "number": 1},
        {"type": "ActivityUnwanted", "number": 1},
    ]
