"""What one thread hands to the loop of another."""

from __future__ import annotations

from collections.abc import Callable

from dalsegno.actors.supervisor.off_loop.handover import Handover


def test_the_other_loop_is_woken_once_for_all_of_a_turn() -> None:
    later: list[Callable[[], None]] = []
    woken: list[Callable[[], None]] = []
    handled: list[int] = []
    handover = Handover(later.append, woken.append, handled.append)
    for item in (1, 2, 3):
        handover.put(item)
    assert len(later) == 1
    later.pop()()
    assert len(woken) == 1
    woken.pop()()
    assert handled == [1, 2, 3]


def test_what_is_taken_before_it_was_handed_over_does_not_stop_the_next() -> None:
    """The other thread was still at those before."""
    later: list[Callable[[], None]] = []
    woken: list[Callable[[], None]] = []
    handled: list[int] = []

    def handle(item: int) -> None:
        handled.append(item)
        if item == 1:
            handover.put(2)

    handover = Handover(later.append, woken.append, handle)
    handover.put(1)
    later.pop()()
    woken.pop()()
    assert handled == [1, 2]
    later.pop()()
    handover.put(3)
    later.pop()()
    woken.pop()()
    assert handled == [1, 2, 3]


def test_what_is_put_at_once_comes_behind_what_waits() -> None:
    woken: list[Callable[[], None]] = []
    handled: list[int] = []
    handover = Handover(lambda _: None, woken.append, handled.append)
    handover.put(1)
    handover.put_at_once(2)
    woken.pop()()
    assert handled == [1, 2]
