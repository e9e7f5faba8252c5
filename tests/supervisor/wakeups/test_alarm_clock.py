"""The alarm clock of a partition goes through all suspended instances when it starts, page by page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from dalsegno.actors.supervisor.wakeups.alarm_clock import COLD_LOADS_LIMIT, SUSPENDED_PAGE, AlarmClock
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.partition_id import PartitionID
from tests.partition_ids import FIRST
from tests.workflow_actor.rig import T0


class Surroundings:
    """What a clock asks of the world, the engine, the partition and the timer, in one. `loading` are asked for
    and not loaded."""

    partition = FIRST

    def __init__(self, suspended: int) -> None:
        self.rows = sorted(f"order-{number}" for number in range(suspended))
        self.asked: list[str] = []
        self.loaded: list[str] = []
        self.pending: list[str] = []
        self.most_pending = 0
        around: Any = self
        self.clock = AlarmClock(around, around, around, around, around, lambda *_: False, 10.0)

    def find_suspended(self, partition: PartitionID, after: str, limit: int) -> None:
        self.asked.append(after)
        assert limit == SUSPENDED_PAGE

    def answer(self) -> None:
        """The oldest question is answered."""
        after = self.asked.pop(0)
        self.clock.suspended_found(after, [row for row in self.rows if row > after][:SUSPENDED_PAGE])

    def child(self, workflow_id: str) -> WorkflowActor:
        self.pending.append(workflow_id)
        self.most_pending = max(self.most_pending, len(self.pending))
        return cast(WorkflowActor, None)  # nobody asks for it here

    def load_all(self) -> None:
        self.loaded += self.pending
        self.pending = []

    @property
    def loading(self) -> int:
        return len(self.pending)

    def peek(self, workflow_id: str) -> WorkflowActor | None:
        return None

    def now(self) -> int:
        return T0

    def monotonic(self) -> float:
        return 1.0

    def request_work(self) -> None: ...

    def find_due(self, partition: PartitionID, before: int, limit: int) -> None: ...

    def set(self, clock: AlarmClock, at: int) -> None: ...

    def again(self, clock: AlarmClock) -> None: ...

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> None: ...

    def go_on(self) -> None:
        self.clock.look()
        while self.asked or self.pending:
            if self.asked:
                self.answer()
            self.load_all()
            self.clock.look()


def test_every_suspended_instance_is_loaded_once_however_many_there_are() -> None:
    around = Surroundings(suspended=3 * COLD_LOADS_LIMIT)
    around.clock.start()
    around.go_on()
    assert around.loaded == around.rows


def test_the_next_page_waits_until_there_is_room_to_load_it() -> None:
    around = Surroundings(suspended=3 * COLD_LOADS_LIMIT)
    around.clock.start()
    for _ in range(20):
        if around.asked:
            around.answer()
        around.clock.look()
    assert around.most_pending <= COLD_LOADS_LIMIT
    around.go_on()
    assert around.loaded == around.rows


def test_other_definitions_are_tried_by_all_though_a_page_is_on_its_way_and_there_is_no_room() -> None:
    around = Surroundings(suspended=3 * SUSPENDED_PAGE)
    around.clock.start()
    around.answer()
    around.load_all()
    around.clock.look()
    assert len(around.asked) == 1
    around.loaded.clear()
    others = [f"restarted-{number}" for number in range(COLD_LOADS_LIMIT)]
    around.pending += others
    around.clock.look_for_suspended()
    around.answer()
    around.pending = [name for name in around.pending if name not in others]
    around.go_on()
    assert set(around.loaded) == set(around.rows)


@given(st.lists(st.sampled_from(["answer", "load", "look", "restart"]), max_size=40))
def test_a_clock_that_is_stopped_and_started_goes_through_all_of_them_again(steps: list[str]) -> None:
    """An answer to a question of before may come at any time after."""
    around = Surroundings(suspended=2 * SUSPENDED_PAGE + 1)
    around.clock.start()
    for step in steps:
        match step:
            case "answer" if around.asked:
                around.answer()
            case "load":
                around.load_all()
            case "look":
                around.clock.look()
            case "restart":
                around.clock.stop()
                around.load_all()
                around.loaded.clear()
                around.clock.start()
    around.go_on()
    assert sorted(around.loaded) == around.rows
