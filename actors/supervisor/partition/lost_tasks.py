"""What lay in a task queue that is gone is sent again: by the instances in memory at once, by the others page
by page, as there is room to load them. Each task keeps its token: one that was not lost after all is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.wakeups.alarm_clock import COLD_LOADS_LIMIT
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.commands import ResendTask
from dalsegno.actors.workflow_actor.outstanding.waiting_tasks import WaitingTask

log = get_logger()

PAGE = 200
"""How many instances are asked for at one time."""


class Engine(Protocol):
    """What is used of the engine here."""

    def now(self) -> int: ...

    def has_in_flight(self, run_id: str, effect_id: tuple[int, int]) -> bool: ...

    def is_writing(self, workflow_id: str) -> bool: ...

    def heed_task_queue(self, name: str) -> None: ...

    def find_waiting(self, partition: int, after: str, limit: int) -> None: ...


class Wards(Protocol):
    """The partition's instances."""

    partition: int

    def peek(self, workflow_id: str) -> WorkflowActor | None: ...

    def child(self, workflow_id: str) -> WorkflowActor: ...

    def in_memory(self) -> Sequence[WorkflowActor]: ...

    def tell(self, workflow_id: str, cause: Cause) -> None: ...

    @property
    def loading(self) -> int: ...


class LostTasks:
    """Those of one partition."""

    def __init__(self, engine: Engine, wards: Wards) -> None:
        self._engine = engine
        self._wards = wards
        self._lost_at: dict[str, int] = {}
        """When each task queue was found to be gone, while those are looked for whose tasks lay in it."""
        self._looked_at: set[tuple[str, str, str, int]] = set()
        """Task queue, run, activity, attempt: what was sent again, or was on its way, is not lost any more."""
        self._next_page: str | None = None
        """Behind which workflow ID it begins; None if none is wanted."""
        self._page_asked: str | None = None
        self._page: set[str] = set()
        """Those of it that are still to be loaded."""

    def queue_lost(self, task_queue: str) -> None:
        """It is there again, and empty."""
        self._looked_at = {key for key in self._looked_at if key[0] != task_queue}
        self._lost_at[task_queue] = self._engine.now()
        self._next_page, self._page_asked = "", None
        for actor in self._wards.in_memory():
            if actor.is_loaded:
                self._look_at(actor)

    def loaded(self, actor: WorkflowActor) -> None:
        """Its tasks may lie in queues that this process has sent nothing to, and in such as are gone."""
        self._page.discard(actor.workflow_id)
        self._look_at(actor)

    def _look_at(self, actor: WorkflowActor) -> None:
        for task in actor.instance.waiting_tasks():
            self._engine.heed_task_queue(task.task_queue)
            lost_at = self._lost_at.get(task.task_queue)
            key = task.task_queue, task.run_id, task.activity_id, task.attempt
            if lost_at is None or task.scheduled_at > lost_at or key in self._looked_at:
                continue
            self._looked_at.add(key)
            if self._was_in_the_queue(actor, task):
                again = ResendTask(activity_id=task.activity_id, attempt=task.attempt, task=task.effect)
                self._wards.tell(actor.workflow_id, Cause(again, name="lost task"))

    def _was_in_the_queue(self, actor: WorkflowActor, task: WaitingTask) -> bool:
        """What is on its way, or about to be, comes to the queue that is there now."""
        if task.goes_by_itself or self._engine.has_in_flight(task.run_id, task.effect):
            return False
        return task.is_confirmed or not self._engine.is_writing(actor.workflow_id)

    def look(self) -> None:
        """Go on to the next page, once the last one is loaded and there is room."""
        if not self._lost_at or self._page_asked is not None:
            return
        self._page = {workflow_id for workflow_id in self._page if self._is_loading(workflow_id)}
        if self._page:
            return
        if self._next_page is None:
            self._lost_at.clear()
            self._looked_at.clear()
        elif self._wards.loading + PAGE <= COLD_LOADS_LIMIT:
            self._page_asked, self._next_page = self._next_page, None
            self._engine.find_waiting(self._wards.partition, self._page_asked, PAGE)

    def _is_loading(self, workflow_id: str) -> bool:
        actor = self._wards.peek(workflow_id)
        return actor is not None and not actor.is_loaded

    def found(self, after: str, workflow_ids: Sequence[str]) -> None:
        """A page. One that was asked for before another queue was lost changes nothing: all begins anew."""
        if after != self._page_asked:
            return
        self._page_asked = None
        if len(workflow_ids) >= PAGE:
            self._next_page = workflow_ids[-1]
        for workflow_id in workflow_ids:
            if self._wards.peek(workflow_id) is None:
                self._page.add(workflow_id)
                self._wards.child(workflow_id)
