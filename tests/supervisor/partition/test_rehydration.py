"""What is loaded lets others have the loop: between two instances, and within a large one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, pairwise
from typing import Any
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from dalsegno.actors.supervisor.partition.rehydration import PORTION_SECONDS, Rehydration
from dalsegno.actors.supervisor.partition.stored import loading_of
from dalsegno.actors.workflow_actor.interface.steps import PORTION
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.stored.snapshots import snapshot_of
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import Loaded
from tests.partition_ids import FIRST
from tests.supervisor.mail import query, signal, start
from tests.supervisor.scripted_world import ScriptedWorld
from tests.supervisor.test_calls_per_activation import Calls
from tests.workflow_actor.rig import ScriptedCode, activity


class Shell:
    """A world and its engine, in which each look at the clock takes longer than a slice."""

    def __init__(self) -> None:
        self.turns: list[Callable[[], None]] = []
        self.later: list[Callable[[], None]] = []
        self.asked: list[list[str]] = []
        self.monotonic = count().__next__

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.turns.append(callback)

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> None:
        self.later.append(callback)

    def load(self, wanted: Mapping[PartitionID, Sequence[str]]) -> None:
        self.asked.extend(list(workflow_ids) for workflow_ids in wanted.values())

    def request_work(self) -> None:
        """There is none here."""


class Partition:
    def __init__(self, steps: dict[str, int]) -> None:
        self.is_stopped = False
        self.partition = FIRST
        self.steps = steps
        self.done: list[str] = []
        self.failed: list[str] = []

    def loading(self, loaded: Loaded) -> Iterator[None]:
        for _ in range(self.steps[loaded.workflow_id]):
            self.done.append(loaded.workflow_id)
            yield
        if loaded.workflow_id == "broken":
            raise ValueError("a row that cannot be read")

    def unreadable(self, workflow_id: str, error: Exception) -> None:
        self.failed.append(workflow_id)


def take_in(partition: Partition) -> Shell:
    shell: Any = Shell()
    rows = [Loaded(workflow_id=workflow_id, instance=None) for workflow_id in partition.steps]
    Rehydration(shell, shell).take_in(partition, rows)
    assert isinstance(shell, Shell)
    return shell


def test_a_large_instance_is_loaded_a_step_a_turn_and_one_that_cannot_be_read_stops_no_other() -> None:
    partition = Partition({"large": 50, "broken": 3, "small": 1})
    shell = take_in(partition)
    seen = [len(partition.done)]
    while shell.turns:
        shell.turns.pop()()
        seen.append(len(partition.done))
    assert partition.done == ["large"] * 50 + ["broken"] * 3 + ["small"]
    assert partition.failed == ["broken"]
    assert max(after - before for before, after in pairwise(seen)) == 1


def test_of_two_partitions_each_has_its_turn_and_none_has_two_at_once() -> None:
    shell: Any = Shell()
    rehydration = Rehydration(shell, shell)
    done: list[str] = []
    for name in ("a", "b"):
        partition = Partition({name: 3})
        partition.done = done
        rehydration.take_in(partition, [row_of(name)])
    while shell.turns:
        (turn,) = shell.turns
        shell.turns.clear()
        turn()
    assert done == ["a", "a", "b", "a", "b", "b"]  # the first had begun when the second came


def test_what_is_under_way_ends_with_its_partition() -> None:
    partition = Partition({"large": 50})
    shell = take_in(partition)
    shell.turns.pop()()
    partition.is_stopped = True
    shell.turns.pop()()
    assert (partition.done, shell.turns) == (["large"] * 2, [])


def rehydration_of(*wanted: str) -> tuple[Rehydration, Shell]:
    shell: Any = Shell()
    rehydration = Rehydration(shell, shell)
    for workflow_id in wanted:
        rehydration.load(FIRST, workflow_id)
    rehydration.ask()
    return rehydration, shell


def row_of(workflow_id: str) -> Loaded:
    return Loaded(workflow_id=workflow_id, instance=None)


def test_the_next_portion_of_a_partition_is_asked_for_when_the_last_is_taken_in() -> None:
    rehydration, shell = rehydration_of("a", "b", "c")
    rehydration.load(FIRST, "d")
    rehydration.ask()
    assert shell.asked == [["a", "b", "c"]]
    rehydration.take_in(Partition({"a": 2}), [row_of("a")], ["b", "c"])
    rehydration.ask()
    assert len(shell.asked) == 1  # it is not taken in yet
    while shell.turns:
        shell.turns.pop()()
    rehydration.ask()
    assert shell.asked == [["a", "b", "c"], ["b", "c", "d"]]


def test_a_partition_whose_portion_is_awaited_keeps_no_other_waiting() -> None:
    rehydration, shell = rehydration_of("a")
    rehydration.load(1, "b")
    rehydration.ask()
    assert shell.asked == [["a"], ["b"]]


def test_what_cannot_be_read_is_no_longer_awaited() -> None:
    rehydration, shell = rehydration_of("a", "b")
    rehydration.load(FIRST, "c")
    rehydration.answered(FIRST, ["a"])
    rehydration.ask()
    assert len(shell.asked) == 1
    rehydration.answered(FIRST, ["b"])
    rehydration.ask()
    assert shell.asked[1:] == [["c"]]


def test_what_is_not_answered_in_time_holds_up_no_later_portion() -> None:
    rehydration, shell = rehydration_of("bad")
    rehydration.load(FIRST, "ok")
    rehydration.ask()
    assert shell.asked == [["bad"]]
    (overdue,) = shell.later
    overdue()
    rehydration.ask()
    assert shell.asked == [["bad"], ["ok"]]


def test_the_time_of_a_portion_that_was_answered_ends_no_wait_for_a_later_one() -> None:
    rehydration, shell = rehydration_of("a")
    rehydration.answered(FIRST, ["a"])
    rehydration.load(FIRST, "a")
    rehydration.ask()
    rehydration.load(FIRST, "b")
    shell.later[0]()
    rehydration.ask()
    assert shell.asked == [["a"], ["a"]]
    shell.later[1]()
    rehydration.ask()
    assert shell.asked[2:] == [["b"]]


def test_what_was_left_of_a_portion_that_was_answered_too_late_is_asked_for_again() -> None:
    rehydration, shell = rehydration_of("a", "b")
    shell.later[0]()
    rehydration.answered(FIRST, ["a"], ["b"])
    rehydration.ask()
    assert shell.asked == [["a", "b"], ["b"]]


def test_an_instance_whose_row_is_not_read_keeps_no_other_of_its_partition_from_memory() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    for name in ("bad", "ok"):
        world.deliver(start(f"start {name}", name))
    world.go_on()
    world.live_through(15)
    world.deliver(query("q1", "bad"))
    world.run()
    assert world.loads == [(FIRST, "bad")]
    world.loads.clear()  # it is tried again and again
    world.deliver(query("q2", "ok"))
    world.live_through(PORTION_SECONDS + 1)
    assert world.engine.partitions[FIRST].actors.peek("ok") is not None
    assert [reply.result is not None for reply in world.replies()[2:]] == [True]


def test_a_partition_that_comes_again_awaits_nothing_of_before() -> None:
    rehydration, shell = rehydration_of("a")
    rehydration.forget(FIRST)
    rehydration.load(FIRST, "b")
    rehydration.ask()
    assert shell.asked == [["a"], ["b"]]


def test_an_instance_is_loaded_a_row_of_its_journal_at_a_time() -> None:
    code = ScriptedCode([[activity(1)]])
    world = ScriptedWorld(code)
    world.own()
    world.deliver(start())
    for number in range(20):
        world.deliver(signal(f"signal-{number}"))
        world.go_on()
    row = world.database.rows["w"]
    assert sum(1 for _ in loading_of(row, code, history_limit=100)) == len(row.journal) > 1


class Hasty(ScriptedWorld):
    """After each look at the clock the time of a slice is over."""

    def monotonic(self) -> float:
        self.time += 1.0
        return self.time


@pytest.mark.parametrize("has_snapshot", [True, False], ids=["snapshot", "journal"])
@pytest.mark.parametrize("confirmed", [True, False], ids=["confirmed", "unconfirmed"])
def test_no_turn_of_a_large_one_does_more_than_a_little(*, has_snapshot: bool, confirmed: bool) -> None:
    """Not in the number of calls: how much is decoded in one step is said in stored/test_splitting."""
    things = 4_000
    code = ScriptedCode([[*map(activity, range(1, things + 1))]])
    before = ScriptedWorld(code)
    before.own()
    before.deliver(start())
    before.committed()
    before.declared()
    if confirmed:
        before.confirm_all()
    before.deliver(signal("signal"))
    before.loaded()
    before.committed()
    state = state_of(before)
    row = before.database.rows["w"]
    if has_snapshot:
        row = replace(row, snapshot=snapshot_of(state, CODEC, trim_to=0), journal=())
    world = Hasty(code)
    world.own(epoch=2)
    world.database.rows["w"] = row
    took: list[int] = []
    take_slice = Rehydration._take_slice

    def counted(rehydration: Rehydration) -> None:
        calls = Calls()
        with calls.counted():
            take_slice(rehydration)
        took.append(calls.total)

    with patch.object(Rehydration, "_take_slice", counted):
        world.deliver(signal("another"))
        world.loaded()
    assert state_of(world).activities == state.activities
    assert len(took) > 20
    assert max(took) < 12 * PORTION


def state_of(world: ScriptedWorld) -> WorkflowState:
    actor = world.engine.partitions[FIRST].actors.peek("w")
    assert actor is not None
    assert actor.instance.state is not None
    return actor.instance.state


def test_what_was_wanted_of_a_partition_that_was_lost_holds_up_no_load_when_it_comes_again() -> None:
    """As by who is tried again after a pause, in which its partition went: nobody answers that."""
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.deliver(start())
    world.go_on()
    supervisor = world.engine.partitions[FIRST]
    world.engine.lease_lost(FIRST)
    supervisor._around.rehydration.load(FIRST, "w")
    world.engine.request_work()
    world.run()
    assert world.loads == [(FIRST, "w")]
    world.loads.clear()
    world.own(epoch=2)
    world.deliver(signal("signal"))
    world.run()
    assert world.loads == [(FIRST, "w")]
