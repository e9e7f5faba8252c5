"""What the engine's parts ask of the world through it, each in one call, answered by one of the engine."""

from __future__ import annotations

from collections.abc import Callable

from dalsegno.actors.supervisor.world import World
from dalsegno.actors.workflow_actor.instance import Probe
from dalsegno.actors.workflow_actor.interface.cause import Cause


class Inquiries:
    """See `world.World` for what answers each."""

    _world: World

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> None:
        self._world.call_later(delay_seconds, callback)

    def look_up_seen(self, partition: int, workflow_id: str, message_id: str) -> None:
        self._world.look_up_seen(partition, workflow_id, message_id)

    def look_up_strikes(self, partition: int, workflow_id: str, run_id: str) -> None:
        self._world.look_up_strikes(partition, workflow_id, run_id)

    def read_remains(self, partition: int, workflow_id: str) -> None:
        self._world.read_remains(partition, workflow_id)

    def read_mail(self, partition: int, workflow_id: str, after: int) -> None:
        self._world.read_mail(partition, workflow_id, after)

    def clear_strikes(self, run_id: str) -> None:
        self._world.clear_strikes(run_id)

    def find_due(self, partition: int, before: int, limit: int) -> None:
        self._world.find_due(partition, before, limit)

    def find_suspended(self, partition: int, after: str, limit: int) -> None:
        self._world.find_suspended(partition, after, limit)

    def find_waiting(self, partition: int, after: str, limit: int) -> None:
        self._world.find_waiting(partition, after, limit)

    def heed_task_queue(self, name: str) -> None:
        self._world.heed_task_queue(name)

    def probe(self, partition: int, workflow_id: str, probe: Probe) -> None:
        self._world.probe_task_queue(partition, workflow_id, probe)

    def other_run(self, workflow_id: str, cause: Cause) -> None:
        self._world.answer_other_run(workflow_id, cause)
