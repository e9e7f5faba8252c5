"""What turns wait for, by a test's word: commands that have to be prepared, and local work."""

from __future__ import annotations

from collections.abc import Callable

from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.commands import Command
from dalsegno.actors.workflow_actor.interface.waiting import LocalWork, Preparation, Ready
from tests.workflow_actor.local_work import ScriptedLocalActivity
from tests.workflow_actor.rig import payload


class ScriptedOffLoop:
    """Those commands have to be prepared that are of one of the `slow` types."""

    def __init__(self, *slow: type[Command]) -> None:
        self.slow = slow
        self.preparing: list[tuple[Command, Callable[[Preparation], None]]] = []
        self.working: list[tuple[ScriptedLocalActivity, Callable[[Command], None]]] = []

    prepares = True

    def is_ready_for(self, command: Command, instance: Instance) -> bool:
        return not isinstance(command, self.slow)

    def prepare(self, command: Command, instance: Instance, done: Callable[[Preparation], None]) -> None:
        self.preparing.append((command, done))

    def give_up(self, work: LocalWork) -> None:
        """Whoever works on goes on, in vain."""

    def work(self, work: LocalWork, done: Callable[[Command], None]) -> None:
        assert isinstance(work, ScriptedLocalActivity)
        self.working.append((work, done))

    def prepared(self, preparation: Preparation | None = None) -> None:
        """The first that is being prepared."""
        _, done = self.preparing.pop(0)
        done(preparation or Ready())

    def worked(self) -> None:
        """The first piece of local work is done."""
        work, done = self.working.pop(0)
        done(work.completed(payload()))
