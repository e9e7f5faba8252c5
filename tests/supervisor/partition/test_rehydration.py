"""What is loaded lets others have the loop: between two instances, and within a large one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, pairwise
from typing import Any

from dalsegno.actors.supervisor.partition.rehydration import Rehydration
from dalsegno.actors.supervisor.partition.stored import loading_of
from dalsegno.persistence.port import Loaded
from tests.supervisor.mail import signal, start
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import ScriptedCode, activity


class Shell:
    """A world and its engine, in which each look at the clock takes longer than a slice."""

    def __init__(self) -> None:
        self.turns: list[Callable[[], None]] = []
        self.monotonic = count().__next__

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.turns.append(callback)

    def request_work(self) -> None:
        """There is none here."""


class Partition:
    def __init__(self, steps: dict[str, int]) -> None:
        self.is_stopped = False
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


def test_what_is_under_way_ends_with_its_partition() -> None:
    partition = Partition({"large": 50})
    shell = take_in(partition)
    shell.turns.pop()()
    partition.is_stopped = True
    shell.turns.pop()()
    assert (partition.done, shell.turns) == (["large"] * 2, [])


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
