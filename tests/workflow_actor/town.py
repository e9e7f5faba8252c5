"""Real user code in a small world: workers that do activities at once, clients with appointments, a clock that
jumps to whatever is next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dalsegno.actors.workflow_actor.activities.sends import CancelTaskEffect, TaskEffect
from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.commands import Command, WakeUp
from dalsegno.actors.workflow_actor.interface.effects import ResultEffect
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.errors import FailureError
from dalsegno.policies import GOES_ON, WorkflowStatus
from tests.default_converter import from_payload, to_failure, to_payload
from tests.workflow_actor.rig import T0, Rig, canceled, completed, failed, start, started

TURNS_MAX = 2000

Activity = Callable[..., Any]


class NeverDone(Exception):  # noqa: N818 - what an activity raises that says nothing more
    """The activity goes on until it is asked to stop."""


class Town:
    """Runs one workflow to its end. `done` are the activities that were tried: (type, arguments, attempt)."""

    def __init__(self, workflow: type, activities: dict[str, Activity], *, passivating: bool = False) -> None:
        self.rig = Rig(WorkflowRegistry([(workflow, None)]), passivating=passivating)
        self.type = WorkflowRegistry([(workflow, None)]).types[0]
        self.done: list[tuple[str, tuple[Any, ...], int]] = []
        self.result: ResultEffect | None = None
        self._activities = activities
        self.leaves = ""
        """A task queue that has no workers."""
        self.completes_when_stopped = False
        """Whether what is asked to stop has a result all the same."""
        self._tasks: list[TaskEffect] = []
        self._stuck: list[TaskEffect] = []
        self._stops: list[CancelTaskEffect] = []
        self._appointments: list[tuple[int, Command]] = []

    def at(self, seconds: float, command: Command) -> None:
        """A client's command, so many seconds after the start."""
        self._appointments.append((T0 + int(seconds * 1e6), command))
        self._appointments.sort(key=lambda appointment: appointment[0])

    def run(self, *args: Any) -> Any:
        """Start it and go on until nothing is left to come (or its code is stuck); its result, or None."""
        payloads = tuple(to_payload(arg) for arg in args)
        return self.send(start(workflow_type=self.type, args=payloads, wants_result=True))

    def send(self, command: Command) -> Any:
        """A client's command, and what comes of it, as `run`."""
        self._send(command)
        for _ in range(TURNS_MAX):
            if not self._turn():
                break
        else:
            raise AssertionError(f"it goes on and on: {self.rig.instance.describe()}")
        if self.result is None or self.result.result is None:
            return None
        return from_payload(self.result.result, Any)

    @property
    def status(self) -> WorkflowStatus | None:
        return self.rig.instance.status

    def _turn(self) -> bool:
        if self._tasks:
            self._work(self._tasks.pop(0))
            return True
        if self._stops:
            self._stop(self._stops.pop(0))
            return True
        wake_at = self.rig.instance.wake_at
        next_at = self._appointments[0][0] if self._appointments else None
        if next_at is not None and (wake_at is None or next_at <= wake_at):
            self.rig.now = max(self.rig.now, next_at)
            self._send(self._appointments.pop(0)[1])
            return True
        if wake_at is None or self.status not in GOES_ON:
            return False
        self.rig.now = max(self.rig.now, wake_at)
        self._send(WakeUp(), held=False)
        return True

    def _send(self, command: Command, *, held: bool = True) -> None:
        for activation in self.rig.send_all(command, held=held):
            self._note(activation)
        self.rig.settle()

    def _note(self, activation: Activation) -> None:
        for _, effect in activation.effects:
            match effect:
                case TaskEffect() if effect.task_queue != self.leaves:
                    self._tasks.append(effect)
                case CancelTaskEffect():
                    self._stops.append(effect)
                case ResultEffect():
                    assert self.result is None
                    self.result = effect

    def _work(self, task: TaskEffect) -> None:
        args = tuple(from_payload(arg, Any) for arg in task.args)
        self.done.append((task.activity_type, args, task.attempt))
        if task.acknowledge == "early":
            self._send(started(task))
        try:
            result = self._activities[task.activity_type](*args)
        except FailureError as error:
            self._send(failed(task, to_failure(error)))
        except NeverDone:
            if task.acknowledge == "late":
                self._send(started(task))
            self._stuck.append(task)
        else:
            self._send(completed(task, to_payload(result)))

    def _stop(self, stop: CancelTaskEffect) -> None:
        for task in self._stuck:
            if (task.activity_id, task.attempt) == (stop.activity_id, stop.attempt):
                is_done = self.completes_when_stopped
                self._send(completed(task, to_payload("after all")) if is_done else canceled(task))
