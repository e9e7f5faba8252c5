"""What a partition's supervisor asks of the engine that runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from dalsegno.actors.entropy import Entropy
from dalsegno.actors.light import Dispatcher
from dalsegno.actors.supervisor.deliveries import unread
from dalsegno.actors.supervisor.deliveries.intake import Forward, Rejected
from dalsegno.actors.supervisor.halted import standing_in
from dalsegno.actors.supervisor.partition import lost_tasks, passivation
from dalsegno.actors.supervisor.round.waiters import Waiter
from dalsegno.actors.supervisor.wakeups import alarm_clock
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.instance import Probe
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.effects import AnswerEffect, ResultEffect
from dalsegno.actors.workflow_actor.surroundings import Watch


class Engine(
    alarm_clock.Engine, lost_tasks.Engine, passivation.Engine, standing_in.Engine, unread.Engine, Protocol
):
    """See the module."""

    watch: Watch
    entropy: Entropy
    workflow_dispatcher: Dispatcher

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> None: ...

    def load(self, partition: int, workflow_id: str) -> None: ...

    def look_up_seen(self, partition: int, workflow_id: str, message_id: str) -> None: ...

    def look_up_strikes(self, partition: int, workflow_id: str, run_id: str) -> None: ...

    def clear_strikes(self, run_id: str) -> None: ...

    def probe(self, partition: int, workflow_id: str, probe: Probe) -> None: ...

    def reject(self, rejected: Rejected, cause: Cause) -> None: ...

    def forward(self, forward: Forward, cause: Cause) -> None: ...

    def disown(self, causes: Sequence[Cause]) -> None: ...

    def answer_waiter(self, effect: AnswerEffect | ResultEffect, message_id: str) -> None: ...

    def tell_waiter_to_ask_again(self, workflow_id: str, waiter: Waiter) -> None: ...

    def other_run(self, workflow_id: str, cause: Cause) -> None: ...

    def rebuild(self, actor: WorkflowActor) -> None: ...

    def partition_failed(self, partition: int, reason: str) -> None: ...
