"""What is due first comes first, as from a list that is sorted each time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dalsegno.actors.workflow_actor.outstanding.by_time import Note, NotesByTime

NOTES = st.builds(
    lambda at, run, index: (at, (run, (1, index))), st.integers(0, 4), st.sampled_from("ab"), st.integers(0, 3)
)


@given(st.lists(NOTES, max_size=10), st.lists(st.none() | NOTES, max_size=40))
def test_whatever_is_added_and_dropped_the_first_is_one_of_the_earliest(
    before: list[Note], steps: list[Note | None]
) -> None:
    notes, known = NotesByTime().extended(before), list(before)
    for step in steps:
        first = notes.first()
        if step is not None:
            notes.add(*step)
            known.append(step)
        elif first is None:
            assert known == []
        else:
            assert first[0] == min(at for at, _ in known)
            notes.drop_first()
            known.remove(first)
        assert (sorted(notes), len(notes), bool(notes)) == (sorted(known), len(known), bool(known))
