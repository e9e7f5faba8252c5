"""The log against a plain list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dalsegno.actors.workflow_actor.run.inputs import Continue
from dalsegno.actors.workflow_actor.run.log import CHUNK, InputLog, LogEntry
from dalsegno.actors.workflow_actor.signals.events import Signaled


def a_log(length: int) -> InputLog:
    log = InputLog()
    for number in range(length):
        log = log.append(number, Signaled(name=str(number)))
    return log


@given(st.integers(0, 3 * CHUNK), st.data())
def test_a_log_is_the_list_of_what_was_appended(length: int, data: st.DataObject) -> None:
    log = a_log(length)
    entries = [LogEntry(number, Signaled(name=str(number))) for number in range(length)]
    assert list(log) == entries
    assert len(log) == length
    start = data.draw(st.integers(0, length))
    assert list(log.from_(start)) == entries[start:]
    assert list(log.from_(start).append(9, Continue())) == [*entries[start:], LogEntry(9, Continue())]
    if length:
        index = data.draw(st.integers(0, length - 1))
        assert log[index] == entries[index]
        ran = log.ran(index, ("timer 1",))
        entries[index] = LogEntry(index, Signaled(name=str(index)), ("timer 1",))
        assert list(ran) == entries
        assert log[index].wanted is None


def test_logs_of_equal_entries_are_equal_however_they_came_to_be() -> None:
    assert a_log(700).from_(0) == a_log(700)
