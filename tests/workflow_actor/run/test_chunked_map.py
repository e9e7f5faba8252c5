"""A large map of a state is changed at the cost of one chunk, and is in all else as a dict would be."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from dalsegno.actors.workflow_actor.activities.events import ActivityCompleted, AttemptBegun, AttemptScheduled
from dalsegno.actors.workflow_actor.run import chunked_map
from dalsegno.actors.workflow_actor.run.apply import apply
from dalsegno.actors.workflow_actor.run.chunked_map import CHUNK, DICT_AGAIN, DICT_MAX, ChunkedMap, kept
from dalsegno.actors.workflow_actor.run.events import Event
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.timers.events import TimerElapsed
from tests.workflow_actor.rig import Rig, ScriptedCode, activity, payload, start, timer

MANY = 2_000
Change = tuple[int, int | None]
KEYS = st.integers(0, 40)
CHANGES = st.lists(st.tuples(KEYS, st.none() | st.integers(0, 9)), max_size=60)


@settings(max_examples=300, deadline=None)
@given(first=st.dictionaries(KEYS, st.integers(0, 9)), rounds=st.lists(CHANGES, max_size=4))
def test_it_is_what_a_sorted_dict_would_be_and_the_one_before_stays(
    first: dict[int, int], rounds: list[list[Change]]
) -> None:
    with patch.object(chunked_map, "CHUNK", 3):
        entries = ChunkedMap.of(first)
        expected = dict(first)
        for changes in rounds:
            before, expected_before = entries, dict(expected)
            edit = entries.copy()
            for key, value in changes:
                if value is not None:
                    edit[key] = expected[key] = value
                else:
                    assert edit.pop(key, None) == expected.pop(key, None)
                assert key not in edit or edit[key] == expected[key]
            assert (len(edit), list(edit)) == (len(expected), sorted(expected))
            entries = edit.done()
            assert list(entries.items()) == sorted(expected.items())
            assert list(entries) == sorted(expected)
            assert list(entries.values()) == [expected[key] for key in sorted(expected)]
            assert len(entries) == len(expected)
            assert [entries.get(key) for key in range(41)] == [expected.get(key) for key in range(41)]
            assert [key in entries for key in range(41)] == [key in expected for key in range(41)]
            assert list(before.items()) == sorted(expected_before.items())


def test_it_is_a_dict_until_it_is_large_and_again_when_it_is_small() -> None:
    entries = kept(dict.fromkeys(range(DICT_MAX), ""))
    assert isinstance(entries, dict)
    edit = entries.copy()
    edit[DICT_MAX] = ""
    entries = kept(edit)
    assert isinstance(entries, ChunkedMap)
    edit = entries.copy()
    while len(edit) > DICT_AGAIN:
        del edit[min(edit)]
    entries = kept(edit)
    assert isinstance(entries, ChunkedMap)
    edit = entries.copy()
    del edit[max(edit)]
    assert kept(edit) == dict.fromkeys(range(DICT_MAX + 1 - DICT_AGAIN, DICT_MAX), "")


def test_a_change_shares_all_chunks_but_one() -> None:
    entries = ChunkedMap.of({(7, index): "" for index in range(MANY)})
    edit = entries.copy()
    edit[7, 1_000] = "another"
    edit[7, 1_001] = "another"
    after = edit.done()
    same = [one is other for one, other in zip(entries.chunks(), after.chunks(), strict=True)]
    assert same.count(False) == 1
    assert len(same) == -(-MANY // CHUNK)


def large() -> WorkflowState:
    rig = Rig(ScriptedCode([[it for number in range(1, MANY) for it in (activity(number), timer(number, 5))]]))
    rig.instance.activate(start(), now=rig.now, entropy=bytes(32), held=True)
    return rig.state


def test_a_large_state_is_stored_byte_for_byte_as_it_was_when_its_maps_were_dicts() -> None:
    events: tuple[Event, ...] = (
        AttemptBegun(7, "worker"),
        AttemptScheduled(5, b"another"),
        *[ActivityCompleted(number, payload()) for number in range(200, 1_900, 3)],
        *[TimerElapsed(number) for number in range(300, 1_800, 7)],
    )
    state = large()
    assert isinstance(state.activities, ChunkedMap)
    assert isinstance(state.timers, ChunkedMap)
    assert isinstance(state.outstanding, ChunkedMap)
    with patch.object(chunked_map, "DICT_MAX", 10 * MANY):
        in_dicts = large()
        stored = [CODEC.encode_state(in_dicts), CODEC.encode_state(apply(in_dicts, *events))]
    assert [CODEC.encode_state(state), CODEC.encode_state(apply(state, *events))] == stored
    assert CODEC.encode_state(CODEC.decode_state(stored[1])) == stored[1]


def test_events_applied_to_what_was_read_again_give_the_same() -> None:
    state = large()
    again = CODEC.decode_state(CODEC.encode_state(state))
    for number in (3, 1_500, 1_999 - 1):
        state = apply(state, ActivityCompleted(number, payload()))
        again = apply(again, ActivityCompleted(number, payload()))
    assert CODEC.encode_state(state) == CODEC.encode_state(again)
