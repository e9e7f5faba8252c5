"""Events are applied by a table, and a state is never changed in place."""

from __future__ import annotations

from typing import get_args, get_type_hints

from dalsegno.actors.workflow_actor.activities.events import AttemptScheduled
from dalsegno.actors.workflow_actor.run.apply import APPLY, apply
from dalsegno.actors.workflow_actor.run.events import Event, Want
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.timers.events import TimerElapsed
from tests.workflow_actor.rig import Rig, ScriptedCode, activity, timer


def test_the_table_has_every_event_and_every_want_and_nothing_else() -> None:
    assert set(APPLY) == {*get_args(Event), *get_args(Want)}


def test_each_is_applied_by_what_is_written_for_it() -> None:
    for event, applied in APPLY.items():
        hints = get_type_hints(applied)
        assert event in hints.values(), f"{applied.__name__} is not for {event.__name__}"


def test_the_state_before_stays_as_it_was() -> None:
    rig = Rig(ScriptedCode([[activity(1), timer(1, 5)]]))
    rig.start()
    before = rig.state
    stored = CODEC.encode_state(before)
    after = apply(before, AttemptScheduled(1, b"a token of another attempt"), TimerElapsed(1))
    assert CODEC.encode_state(before) == stored
    assert after.activities[1].attempt == 2
    assert after.timers == {}


def test_many_events_are_as_one_after_the_other() -> None:
    rig = Rig(ScriptedCode([[activity(1), timer(1, 5)]]))
    rig.start()
    events: tuple[Event, ...] = (AttemptScheduled(1, b"second"), TimerElapsed(1), AttemptScheduled(1, b"third"))
    one_by_one = rig.state
    for event in events:
        one_by_one = apply(one_by_one, event)
    assert CODEC.encode_state(apply(rig.state, *events)) == CODEC.encode_state(one_by_one)
