"""What lay in a task queue that is gone is sent again: by the instances in memory at once, by the others page
by page, as there is room to load them. Each task keeps its token: one that was not lost after all is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.outbox.shipping import Shipping
from dalsegno.actors.supervisor.round.open_rounds import OpenRounds
from dalsegno.actors.supervisor.upcalls import Children
from dalsegno.actors.supervisor.wakeups.alarm_clock import COLD_LOADS_LIMIT
from dalsegno.actors.supervisor.world import World
from dalsegno.actors.workflow_actor.activities.commands import ResendTask
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.outstanding.waiting_tasks import WaitingTask

log = get_logger()

PAGE = 200
"""How many instances are asked for at one time."""

LOOK_SECONDS = 0.1
"""Between two looks whether the next page may be asked for."""


class LostTasks:
    """Those of one partition."""

    def __init__(self, world: World, rounds: OpenRounds, shipping: Shipping, children: Children) -> None:
        self._world = world
        self._rounds = rounds
        self._shipping = shipping
        self._children = children
        self._lost_at: dict[str, int] = {}
        """When each task queue was found to be gone, while those are looked for whose tasks lay in it."""
        self._looked_at: dict[str, set[tuple[str, str, int]]] = {}
        """Task queue, activity, attempt, by run: what is sent again, or was on its way, is lost no more."""
        self._next_page: str | None = None
        """Behind which workflow ID it begins; None if none is wanted."""
        self._page_asked: str | None = None
        self._is_looking = False
        """From time to time, for as long as anything is lost."""
        self._page: set[str] = set()
        """Those of it that are still to be loaded."""

    def queue_lost(self, task_queue: str) -> None:
        """It is there again, and empty."""
        for looked_at in self._looked_at.values():
            looked_at.difference_update([key for key in looked_at if key[0] == task_queue])
        self._lost_at[task_queue] = self._world.now()
        self._next_page, self._page_asked = "", None
        for actor in list(self._children.in_memory.values()):
            if actor.is_loaded:
                self._look_at(actor)
        self._look_soon()

    def stop(self) -> None:
        """The partition is not ours any more."""
        self._lost_at.clear()

    def loaded(self, actor: WorkflowActor, task_queues: Iterable[str]) -> None:
        """Its tasks may lie in `task_queues`, to which this process may have sent nothing, and in such as are
        gone. What the actor before it was told to send again it may never have sent."""
        self._page.discard(actor.workflow_id)
        self._looked_at.pop(actor.instance.run_id or "", None)
        for task_queue in task_queues:
            self._world.heed_task_queue(task_queue)
        if self._lost_at:  # as nearly never
            self._look_at(actor)

    def _look_at(self, actor: WorkflowActor) -> None:
        for task in actor.instance.waiting_tasks():
            self._world.heed_task_queue(task.task_queue)
            lost_at = self._lost_at.get(task.task_queue)
            if lost_at is None or task.scheduled_at > lost_at:
                continue
            looked_at = self._looked_at.setdefault(task.run_id, set())
            key = task.task_queue, task.activity_id, task.attempt
            if key in looked_at:
                continue
            looked_at.add(key)
            if self._was_in_the_queue(actor, task):
                again = ResendTask(activity_id=task.activity_id, attempt=task.attempt, task=task.effect)
                self._children.tell(actor.workflow_id, Cause(again, name="lost task"))

    def _was_in_the_queue(self, actor: WorkflowActor, task: WaitingTask) -> bool:
        """What is on its way, or about to be, comes to the queue that is there now."""
        if task.goes_by_itself or self._shipping.has_in_flight(task.run_id, task.effect):
            return False
        return task.is_confirmed or actor.workflow_id not in self._rounds

    def _look_soon(self) -> None:
        if not self._is_looking:
            self._is_looking = True
            self._world.call_later(LOOK_SECONDS, self._look_on)

    def _look_on(self) -> None:
        self._is_looking = False
        if self._lost_at:
            self._look_soon()
            self._look()

    def _look(self) -> None:
        """Go on to the next page, once the last one is loaded and there is room."""
        if self._page_asked is not None:
            return
        self._page = {workflow_id for workflow_id in self._page if self._is_loading(workflow_id)}
        if self._page:
            return
        if self._next_page is None:
            self._lost_at.clear()
            self._looked_at.clear()
        elif self._children.loading + PAGE <= COLD_LOADS_LIMIT:
            self._page_asked, self._next_page = self._next_page, None
            self._world.find_waiting(self._children.partition, self._page_asked, PAGE)

    def _is_loading(self, workflow_id: str) -> bool:
        actor = self._children.peek(workflow_id)
        return actor is not None and not actor.is_loaded

    def found(self, after: str, workflow_ids: Sequence[str]) -> None:
        """A page. One that was asked for before another queue was lost changes nothing: all begins anew."""
        if after != self._page_asked:
            return
        self._page_asked = None
        if len(workflow_ids) >= PAGE:
            self._next_page = workflow_ids[-1]
        for workflow_id in workflow_ids:
            if self._children.peek(workflow_id) is None:
                self._page.add(workflow_id)
                self._children.child(workflow_id)
